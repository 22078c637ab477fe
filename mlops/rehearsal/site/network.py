"""The site's network: one bridge in the frame, one network namespace per host, joined by a veth pair. There is no way out.

The frame is the router of every host. What is not on the bridge it takes for its own, so that a host that tries is refused at
once.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from mlops.rehearsal.site.spec import HostSpec, SiteSpec

BRIDGE = "site0"


def ip(*arguments: str, namespace: Path | None = None) -> None:
    """Runs ``ip`` in the frame's or in a host's network namespace.

    Raises:
        RuntimeError: with what ``ip`` said.
    """
    enter = ["nsenter", f"--net={namespace}"] if namespace else []
    result = subprocess.run([*enter, "ip", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {result.stderr.strip()}")


class Network:
    """The bridge and the hosts' network namespaces.

    Args:
        spec: the site.
        directory: where the namespaces are bound; must be in the frame's own mount namespace.
    """

    def __init__(self, spec: SiteSpec, directory: Path) -> None:
        self._spec = spec
        self._directory = directory

    def start(self) -> None:
        """Makes the bridge and gives the frame the router's address in each subnet."""
        self._directory.mkdir(exist_ok=True)
        ip("link", "add", BRIDGE, "type", "bridge", "stp_state", "0", "forward_delay", "0")
        for network in self._spec.networks:
            ip("address", "add", str(self._spec.router(network)), "dev", BRIDGE)
        for subnet in self._spec.ipv6_networks:
            ip("address", "add", f"{subnet[-2]}/64", "dev", BRIDGE, "nodad")
        for address in self._spec.proxy_addresses.values():
            # a proxy that is named by its address, in whatever subnet: its packets come to the router
            ip("address", "replace", f"{address}/32", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        # a namespace that may not forward drops without a word; nobody listens on these addresses, so that a connection is refused.
        # Table main, behind the routes of the subnets: in the table local it would come before them.
        ip("route", "add", "local", "default", "dev", "lo", "table", "main")

    def namespace(self, host: HostSpec) -> Path:
        """File that holds a host's network namespace."""
        return self._directory / host.name

    def attach(self, host: HostSpec) -> Path:
        """Makes a host's network namespace with ``eth0`` at its address, default route by the router; returns its file.

        The namespace outlives the host's processes, as a network card outlives a reboot.
        """
        namespace = self.namespace(host)
        namespace.touch()
        subprocess.run(["unshare", f"--net={namespace}", "true"], check=True)
        port = f"v{self._spec.all_hosts.index(host)}"
        ip("link", "add", port, "type", "veth", "peer", "name", f"{port}p")
        # by file, so that no process of the namespace is needed
        ip("link", "set", f"{port}p", "netns", str(namespace.absolute()))
        ip("link", "set", port, "master", BRIDGE, "up")
        ip("link", "set", "lo", "up", namespace=namespace)
        ip("link", "set", f"{port}p", "name", "eth0", namespace=namespace)
        ip("address", "add", f"{host.address}/{host.prefix}", "dev", "eth0", namespace=namespace)
        self.plug(host)
        return namespace

    def plug(self, host: HostSpec) -> None:
        """Brings a host's interface up, with its routes."""
        namespace = self.namespace(host)
        ip("link", "set", "eth0", "mtu", str(host.facts.mtu), "up", namespace=namespace)
        if host.ipv6:
            # here, as the kernel forgets it when the interface goes down; without duplicate detection it is there at once
            ip("address", "replace", f"{host.ipv6}/64", "dev", "eth0", "nodad", namespace=namespace)
        for subnet in self._spec.ipv6_networks if host.ipv6 else ():
            ip("route", "replace", str(subnet), "dev", "eth0", namespace=namespace)
        own = next(network for network in self._spec.networks if host.network.subnet_of(network))
        for network in self._spec.networks:
            if network != own:
                # every subnet is on the same wire: no forwarding in the frame needed
                ip("route", "replace", str(network), "dev", "eth0", namespace=namespace)
        ip("route", "replace", "default", "via", str(self._spec.router(own).ip), "dev", "eth0", "onlink", namespace=namespace)

    def set_mtu(self, host: HostSpec, mtu: int) -> None:
        """Gives a host's interface another MTU, until it is plugged again."""
        ip("link", "set", "eth0", "mtu", str(mtu), namespace=self.namespace(host))

    def unplug(self, host: HostSpec) -> None:
        """Takes a host's interface down, as a power loss does."""
        ip("link", "set", "eth0", "down", namespace=self.namespace(host))
