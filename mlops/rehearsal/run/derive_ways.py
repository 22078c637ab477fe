"""How the hosts of a throw-away site are reached: by the addresses of the site file where they can have them, else by others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, IPv6Network, ip_address
from itertools import islice
from urllib.parse import urlsplit

from mlops.errors import Problem, UserError
from mlops.settings import Hosts, Site

# Places in an IPv6 network: the router's, as in SiteSpec.ipv6_networks, and one for a jump host that has none of its own.
_ROUTER, _JUMP_HOST = -2, -3
# In longer prefixes than this there are no network and broadcast addresses.
_LONGEST = 30


@dataclass(frozen=True, kw_only=True)
class JumpHost:
    """The throw-away host that stands for a jump host.

    Attributes:
        name: a name that no node has.
        address: its IPv4 address.
        ipv6: its IPv6 address; empty for none.
        known_as: what the derived file says as hosts.access.bastion.address: one of the two.
    """

    name: str
    address: str
    ipv6: str
    known_as: str


@dataclass(frozen=True, kw_only=True)
class Ways:
    """Ways to throw-away hosts.

    Attributes:
        ipv6: host name to the IPv6 address at which its SSH server answers too, for hosts that have one.
        jump_host: stands for hosts.access.bastion; None when the site has none.
    """

    ipv6: Mapping[str, str]
    jump_host: JumpHost | None


def ways(site: Site) -> Ways:
    """Ways to the hosts that stand for those of a site.

    Each has the address of its node, and its sshAddress where that is an IPv6 address of its own. A jump host has the address of
    the settings; in place of a name, and of an address that it cannot have, it gets a free one of the node subnet.

    Args:
        site: the settings; must have hosts and network.nodeSubnet.

    Raises:
        UserError: an address is needed for two things.
    """
    if site.hosts is None or site.network.node_subnet is None:
        message = f"site {site.name} has no hosts"
        raise ValueError(message)
    proxies = dict(_proxies(site))
    problems = [
        Problem(
            f"{site.name} {key}",
            f"{name}, which is host {node.name}",
            "a machine of its own: the rehearsal plays the proxy",
            "in a copy of the site file, give the proxy another name or address",
        )
        for key, name in proxies.items()
        for node in site.hosts.nodes
        if name in {str(node.address), node.name, node.ssh_address}
    ]
    subnet, bastion = site.network.node_subnet, site.hosts.access.bastion
    ipv6 = _ipv6(site.hosts)
    played = {_ipv4(name) for name in proxies.values()}  # the router has these
    kept = bastion.address if bastion and _can_be_had(bastion.address, subnet.prefixlen, played) else ""
    own = _ipv4(kept)
    taken = {*(node.address for node in site.hosts.nodes), *played, own}
    needed = 1 if bastion is None or own else 2
    others = (address for address in subnet.hosts() if address not in taken and address not in site.network.load_balancer_range)
    # the first one becomes the router's
    free = [str(address) for address in islice(others, needed)]
    if len(free) < needed:
        problems.append(
            Problem(
                f"{site.name} network.nodeSubnet",
                f"{subnet}, of which hosts and network.loadBalancerRange leave {len(free)} free",
                f"{needed} free: for a router" + (" and a jump host" if needed > 1 else ""),
                "in a copy of the site file, take a larger network or a smaller network.loadBalancerRange",
            )
        )
    if problems:
        raise UserError(f"site {site.name} cannot be rehearsed", problems)
    if bastion is None:
        return Ways(ipv6=ipv6, jump_host=None)
    names = {node.name for node in site.hosts.nodes}
    name = next(name for name in ("bastion", *(f"bastion-{number}" for number in range(len(names)))) if name not in names)
    if ":" in kept:
        return Ways(ipv6=ipv6, jump_host=JumpHost(name=name, address=free[-1], ipv6=kept, known_as=kept))
    address = kept or free[-1]
    # hosts that are reached by IPv6 are reached so from the jump host
    way_on = str(_network_of(min(ipv6.values()))[_JUMP_HOST]) if ipv6 else ""
    return Ways(ipv6=ipv6, jump_host=JumpHost(name=name, address=address, ipv6=way_on, known_as=address))


def _proxies(site: Site) -> Iterator[tuple[str, str]]:
    """Settings of proxies, each with the proxy's name or address."""
    for key, url in (("http", site.proxy.http), ("https", site.proxy.https)) if site.proxy else ():
        if url:
            yield f"proxy.{key}", urlsplit(url).hostname or ""


def _ipv6(hosts: Hosts) -> dict[str, str]:
    """IPv6 addresses of SSH servers; one that several hosts have, at other ports, none of them can have here."""
    count = Counter(node.ssh_address for node in hosts.nodes)
    own = {node.name: node.ssh_address for node in hosts.nodes if node.ssh_address and count[node.ssh_address] == 1}
    return {name: address for name, address in own.items() if ":" in address and _can_be_had(address, 64, ())}


def _can_be_had(address: str, prefix: int, others: Collection[IPv4Address | None]) -> bool:
    """Whether a throw-away host can have this address, in a network of that prefix length; false for a name."""
    found = _ipv4(address)
    if found is not None:
        network = IPv4Interface(f"{address}/{prefix}").network
        return found not in others and (prefix > _LONGEST or found not in {network[0], network[-1]})
    return ":" in address and ip_address(address) not in {_network_of(address)[place] for place in (0, _JUMP_HOST, _ROUTER, -1)}


def _ipv4(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def _network_of(address: str) -> IPv6Network:
    return IPv6Interface(f"{address}/64").network
