"""What a throw-away site is made from: plain data, so that the driver, the tests and a separate process agree on it."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from mlops.rehearsal.site.facts import HostFacts
from mlops.rehearsal.site.pki import KeyPair
from mlops.rehearsal.site.systems import DEFAULT

Role = Literal["control-plane", "worker", "storage"]


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One SSH host.

    Attributes:
        name: host name, lower case; also the name of its Kubernetes node.
        address: IPv4 address, without prefix.
        prefix: length of the network prefix of ``address``.
        roles: what the host is used for; empty for a bastion.
        host_key: private ed25519 host key in OpenSSH PEM form. Secret.
        user: the login user; ``root`` or a normal user, who then has sudo.
        authorized_key: public key line that may log in as ``user`` and as root.
        port: TCP port of sshd.
        os: operating system, a name from :data:`mlops.rehearsal.site.systems.SYSTEMS`.
        facts: its hardware and kernel, as far as host scripts look at them.
        ipv6: an IPv6 address in a /64 of its own or shared with other hosts, at which sshd answers too; empty for none.
        sudo_password: password that ``user`` needs for sudo; empty when sudo asks for none. Secret.
    """

    name: str
    address: str
    prefix: int
    roles: tuple[Role, ...]
    host_key: str
    user: str
    authorized_key: str
    port: int = 22
    os: str = DEFAULT
    facts: HostFacts = field(default_factory=HostFacts)
    ipv6: str = ""
    sudo_password: str = ""

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The subnet that the host stands in."""
        return ipaddress.IPv4Network(f"{self.address}/{self.prefix}", strict=False)

    @property
    def control_plane(self) -> bool:
        """Whether the host runs an API server."""
        return "control-plane" in self.roles


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """The proxy that is the hosts' only way out.

    Attributes:
        urls: what the hosts are told, without credentials; by name or address, with port.
        authority: opens TLS in the name of everybody; None for a proxy that passes TLS on unopened. Secret.
        username: the user that it asks for; None when it asks for none.
        password: that user's. Secret.
    """

    urls: tuple[str, ...]
    authority: KeyPair | None = None
    username: str | None = None
    password: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its names or addresses, each once."""
        return tuple(dict.fromkeys(urlsplit(url).hostname or "" for url in self.urls))

    @property
    def ports(self) -> tuple[int, ...]:
        """The TCP ports that it listens on, each once."""
        return tuple(dict.fromkeys(urlsplit(url).port or 80 for url in self.urls))


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """The whole site.

    Attributes:
        name: name of the site, e.g. ``baremetal``.
        domain: domain of the platform.
        hosts: hosts that become cluster nodes; the first with the role control-plane runs the control plane.
        node_subnet: CIDR of the nodes, to which the router and the process that deploys belong.
        pod_cidr: CIDR of pods.
        service_cidr: CIDR of Services.
        reserved: addresses or ranges (``a-b``) that the router must not take, e.g. the load-balancer range.
        bastion: jump host, if the site has one.
        kubernetes: version that the nodes report, with leading ``v``.
        seed: seed of the start delays.
        delay_scale: factor on the start delays of simulated pods; 0 makes them start at once.
        proxy: the site's proxy; None when the site has none, then nothing outside is there at all.
    """

    name: str
    domain: str
    hosts: tuple[HostSpec, ...]
    node_subnet: str
    pod_cidr: str = "10.1.0.0/16"
    service_cidr: str = "10.152.183.0/24"
    reserved: tuple[str, ...] = ()
    bastion: HostSpec | None = None
    kubernetes: str = "v1.35.4"
    seed: str = "onprem-mlops"
    delay_scale: float = 1.0
    proxy: ProxySpec | None = None

    @property
    def all_hosts(self) -> tuple[HostSpec, ...]:
        """Nodes and bastion."""
        return (*self.hosts, self.bastion) if self.bastion else self.hosts

    @property
    def networks(self) -> tuple[ipaddress.IPv4Network, ...]:
        """The subnets on the site's wire, the node subnet first."""
        found = [ipaddress.IPv4Network(self.node_subnet)]
        for host in self.all_hosts:
            if not any(host.network.subnet_of(network) for network in found):
                found.append(host.network)
        return tuple(found)

    @property
    def ipv6_networks(self) -> tuple[ipaddress.IPv6Network, ...]:
        """The IPv6 subnets on the site's wire; the router has the last address but one of each."""
        found = {ipaddress.IPv6Interface(f"{host.ipv6}/64").network for host in self.all_hosts if host.ipv6}
        return tuple(sorted(found))

    @property
    def systems(self) -> tuple[str, ...]:
        """Operating systems of its hosts, each once."""
        return tuple(sorted({host.os for host in self.all_hosts}))

    def router(self, network: ipaddress.IPv4Network) -> ipaddress.IPv4Interface:
        """Address of the site's router in a subnet: the first that is neither a host's nor reserved.

        Raises:
            ValueError: the subnet has no free address.
        """
        taken = {ipaddress.IPv4Address(host.address) for host in self.all_hosts}
        ranges = [_range(text) for text in self.reserved]
        for address in network.hosts():
            if address not in taken and not any(low <= address <= high for low, high in ranges):
                return ipaddress.IPv4Interface(f"{address}/{network.prefixlen}")
        raise ValueError(f"no free address in {network} for the site's router")

    @property
    def proxy_addresses(self) -> dict[str, str]:
        """Name of the proxy -> address at which hosts reach it: its own, or for a name that of the router."""
        router = str(self.router(self.networks[0]).ip)
        return {name: name if _is_address(name) else router for name in (self.proxy.names if self.proxy else ())}

    def host(self, name: str) -> HostSpec:
        """The host of that name (KeyError when there is none)."""
        for host in self.all_hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def save(self, path: Path) -> None:
        """Writes the specification as JSON, readable by its owner only: it holds private keys."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> SiteSpec:
        """Reads what :meth:`save` wrote."""
        data: dict[str, Any] = json.loads(path.read_text())
        bastion = data.pop("bastion", None)
        hosts = tuple(_host(entry) for entry in data.pop("hosts"))
        reserved = tuple(data.pop("reserved", ()))
        proxy = data.pop("proxy", None)
        return cls(
            hosts=hosts,
            bastion=_host(bastion) if bastion else None,
            reserved=reserved,
            proxy=_proxy(proxy) if proxy else None,
            **data,
        )


def _host(entry: dict[str, Any]) -> HostSpec:
    return HostSpec(**{**entry, "roles": tuple(entry["roles"]), "facts": HostFacts.load(entry["facts"])})


def _proxy(entry: dict[str, Any]) -> ProxySpec:
    authority = entry.pop("authority")
    return ProxySpec(**{**entry, "urls": tuple(entry["urls"]), "authority": KeyPair(**authority) if authority else None})


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def _range(text: str) -> tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]:
    low, _, high = text.partition("-")
    return ipaddress.IPv4Address(low.strip()), ipaddress.IPv4Address((high or low).strip())
