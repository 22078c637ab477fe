"""What the inside of the frame is told: everything that must be made or looked up where there still is a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mlops.rehearsal.run.derive import DerivedSite
from mlops.rehearsal.site.facts import Disk, HostFacts
from mlops.rehearsal.site.spec import HostSpec, ProxySpec, SiteSpec
from mlops.rehearsal.site.systems import DEFAULT
from mlops.settings import Host, Site

_SYSTEMS = {"redhat": "rocky-9-stand-in", "suse": "leap-15.6-stand-in"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One rehearsal.

    Attributes:
        stack: name of the stack, which is the site's.
        checkout: folder with the program.
        workdir: folder of the run.
        base: base root file system of the hosts.
        tools: external programs by name.
        path: folders to put in front of PATH for the engine.
        site_file: text of the derived site file.
        secret_values: configuration path to secret.
        changes: configuration paths in which the derived file differs.
        keep: leave the site up after the second ``up`` until interrupted.
        on_destroy: what the settings say that destroy does to hosts.
        preparation: phase name to seconds, of what was done outside.
    """

    stack: str
    checkout: Path
    workdir: Path
    base: Path
    tools: Mapping[str, Path]
    path: tuple[Path, ...]
    site_file: str
    secret_values: Mapping[str, str]
    changes: tuple[str, ...]
    keep: bool
    on_destroy: str
    preparation: Mapping[str, float]

    @property
    def report_file(self) -> Path:
        """The report's figures as JSON, for who measures."""
        return self.workdir / "report.json"

    @property
    def spec_file(self) -> Path:
        """Specification of the throw-away site."""
        return self.workdir / "site.json"

    @property
    def file(self) -> Path:
        """The plan itself."""
        return self.workdir / "plan.json"

    def save(self) -> None:
        """Writes the plan, readable by its owner only: it holds secrets of the throw-away site."""
        self.file.touch(mode=0o600)
        self.file.write_text(json.dumps(asdict(self), default=str), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Plan:
        """Reads what :meth:`save` wrote."""
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for name in ("checkout", "workdir", "base"):
            data[name] = Path(data[name])
        data["tools"] = {name: Path(path) for name, path in data["tools"].items()}
        data["path"] = tuple(map(Path, data["path"]))
        data["changes"] = tuple(data["changes"])
        return cls(**data)


def systems(site: Site) -> set[str]:
    """Operating systems of the throw-away hosts that stand for a site's hosts; a bastion has the usual one."""
    nodes = site.hosts.in_joining_order() if site.hosts else ()
    return {DEFAULT, *(_SYSTEMS.get(node.os_family, DEFAULT) for node in nodes)}


def site_spec(site: Site, derived: DerivedSite, *, delay_scale: float) -> SiteSpec:
    """The throw-away site that stands for a site's hosts: its own addresses, names, users and ports.

    Args:
        site: the settings; must have hosts.
        derived: the keys that the throw-away hosts get.
        delay_scale: factor on the start delays of simulated pods.
    """
    if site.hosts is None or site.network.node_subnet is None:
        message = f"site {site.name} has no hosts"
        raise ValueError(message)
    prefix = site.network.node_subnet.prefixlen
    hosts = []
    # a lost host is one that nobody reaches
    for node in site.hosts.in_joining_order():
        access = site.hosts.access_of(node)
        hosts.append(
            HostSpec(
                name=node.name,
                address=str(node.address),
                prefix=prefix,
                roles=node.roles,
                host_key=derived.host_keys[node.name].private,
                user=access.user,
                authorized_key=derived.user_key.public,
                port=access.port,
                os=_SYSTEMS.get(node.os_family, DEFAULT),
                facts=_facts(node),
                ipv6=derived.ways.ipv6.get(node.name, ""),
                sudo_password=derived.secret_values.get("onprem-mlops:hosts.access.sudoPassword", ""),
            )
        )
    bastion, jump_host = site.hosts.access.bastion, derived.ways.jump_host
    ranges = site.network.load_balancer_range
    return SiteSpec(
        name=site.name,
        domain=site.domain,
        hosts=tuple(hosts),
        node_subnet=str(site.network.node_subnet),
        pod_cidr=str(site.network.pod_cidr),
        service_cidr=str(site.network.service_cidr),
        reserved=(str(ranges),),
        bastion=None
        if bastion is None or jump_host is None
        else HostSpec(
            name=jump_host.name,
            address=jump_host.address,
            ipv6=jump_host.ipv6,
            prefix=prefix,
            roles=(),
            host_key=derived.host_keys[jump_host.name].private,
            user=bastion.user,
            authorized_key=derived.user_key.public,
            port=bastion.port,
        ),
        delay_scale=delay_scale,
        proxy=None
        if site.proxy is None
        else ProxySpec(
            urls=tuple(dict.fromkeys((site.proxy.http, site.proxy.https_url))),
            authority=derived.proxy_authority,
            username=site.proxy.username,
            password=derived.secret_values.get("onprem-mlops:proxy.password", ""),
        ),
    )


def _facts(node: Host) -> HostFacts:
    """A suitable machine that has the host's data disks, all of them empty."""
    names = (path.rpartition("/")[2] for path in node.data_disks)
    usual = HostFacts()
    return replace(usual, disks=(*usual.disks, *(Disk(f"sd{chr(ord('a') + n)}", by_id=name) for n, name in enumerate(names))))
