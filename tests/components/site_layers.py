"""The layers below Kubernetes of a shipped site, as the program builds them, for tests with a recording monitor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from components.cluster import MicroK8s, MicroK8sArgs
from components.hosts import PreparedHosts, PreparedHostsArgs
from components.hosts.preflight import Preflight, PreflightArgs
from components.proxy import proxy_access
from components.trust import CaChain, CaChainArgs
from mlops.rehearsal.run.derive import SshKey
from mlops.settings import Hosts, MicroK8sCluster, Origin, Site, parse_site

ROOT = Path(__file__).parents[2]
KEY = SshKey.generate().private
Change = Callable[[dict[str, Any]], None]


def site(name: str, change: Change = lambda _: None, *, key: str | None = KEY) -> Site:
    """A shipped site with an SSH key, as the engine hands it over."""
    config = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text(encoding="utf-8"))["config"]
    values = {path.removeprefix("onprem-mlops:"): value for path, value in config.items() if path.startswith("onprem-mlops:")}
    if key is not None:
        values["hosts"]["access"]["key"] = key
    change(values)
    return parse_site(values, origin=Origin(stack=name, from_engine=True))


def hosts_of(settings: Site) -> Hosts:
    """Its hosts, which it has."""
    assert settings.hosts is not None
    return settings.hosts


def names_of(settings: Site) -> list[str]:
    """Names of its living hosts, in the order in which they join."""
    return [host.name for host in hosts_of(settings).in_joining_order()]


def build(settings: Site) -> None:
    """Layers trust, hosts and cluster."""
    hosts = hosts_of(settings)
    assert isinstance(settings.cluster, MicroK8sCluster)
    trust = CaChain(
        "trust", CaChainArgs(site=settings.name, authority=settings.trust.authority, extra_roots=settings.trust.extra_roots)
    )
    proxy = proxy_access(settings)
    preflight = Preflight("hosts", PreflightArgs(site=settings, proxy=proxy))
    prepared = PreparedHosts(
        "hosts",
        PreparedHostsArgs(
            hosts=hosts,
            trust_bundle=trust.bundle,
            proxy=proxy,
            network=settings.network,
            after=dict.fromkeys(preflight.probes, preflight.passed),
        ),
    )
    MicroK8s(
        "cluster",
        MicroK8sArgs(
            hosts=hosts,
            settings=settings.cluster,
            network=settings.network,
            registries=settings.registries,
            proxy=proxy,
            trust_bundle=trust.bundle,
            machine_ids=preflight.machine_ids,
            kernel_has_ip_tables=preflight.kernel_has_ip_tables,
            after=prepared.prepared,
        ),
    )
