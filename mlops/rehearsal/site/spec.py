"""What a throw-away site is made from: plain data, so that the driver, the tests and a separate process agree on it."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

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
        user: the login user; ``root`` or a normal user, who then has sudo without a password.
        authorized_key: public key line that may log in as ``user`` and as root.
        port: TCP port of sshd.
    """

    name: str
    address: str
    prefix: int
    roles: tuple[Role, ...]
    host_key: str
    user: str
    authorized_key: str
    port: int = 22

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The subnet that the host stands in."""
        return ipaddress.IPv4Network(f"{self.address}/{self.prefix}", strict=False)

    @property
    def control_plane(self) -> bool:
        """Whether the host runs an API server."""
        return "control-plane" in self.roles


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
        return cls(hosts=hosts, bastion=_host(bastion) if bastion else None, reserved=reserved, **data)


def _host(entry: dict[str, Any]) -> HostSpec:
    return HostSpec(**{**entry, "roles": tuple(entry["roles"])})


def _range(text: str) -> tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]:
    low, _, high = text.partition("-")
    return ipaddress.IPv4Address(low.strip()), ipaddress.IPv4Address((high or low).strip())
