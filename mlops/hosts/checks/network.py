"""Checks of a host's names, addresses, routes and ports."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, summarize_address_range

from mlops.hosts.checks.check import Fault, Subject, of_host

# What listens on a node (facts of MicroK8s, Calico, MetalLB and OpenEBS); what a layer brings that is not there yet is left out.
EVERY_NODE = ("tcp 16443", "tcp 25000", "tcp 10248", "tcp 10249", "tcp 10250", "tcp 10256", "udp 4789", "tcp 7946", "udp 7946")
CONTROL_PLANE = ("tcp 19001", "tcp 10257", "tcp 10259")
STORAGE = ("tcp 10124", "tcp 8420", "tcp 4421")


@of_host(
    "host-name", "error", "its name in the settings, which its node gets", "`hostnamectl set-hostname NAME`, or correct the name"
)
def host_name(subject: Subject) -> Iterator[Fault]:
    """MicroK8s registers a node under its lower-case host name (canonical/microk8s scripts/wrappers/join.py)."""
    there = subject.facts.host_name.lower()
    if there != subject.host.name:
        yield Fault(f"host name {there!r}", f"'{subject.host.name}', as the settings say")


@of_host(
    "address", "error", "its address in the settings on one of its interfaces", "correct the address in the settings or on the host"
)
def address(subject: Subject) -> Iterator[Fault]:
    """The address names the node in the cluster; one that is translated on the way does not."""
    facts = subject.facts
    if facts.interfaces and not facts.interface_of(subject.host.address):
        there = ", ".join(str(entry.ip) for entries in facts.interfaces.values() for entry in entries if not entry.ip.is_loopback)
        yield Fault(f"addresses {there or 'of loopback only'}", f"{subject.host.address}, as the settings say")


@of_host(
    "name-resolution",
    "error",
    "the name of every other host, resolved to its address: else `kubectl logs` and `exec` fail",
    "add the hosts to the site's DNS, or to /etc/hosts on this host",
)
def name_resolution(subject: Subject) -> Iterator[Fault]:
    """Names of the others."""
    unknown, wrong = [], []
    for other in subject.wanted.hosts:
        there = subject.facts.resolved.get(other.name)
        if other == subject.host:
            continue
        if not there:
            unknown.append(other.name)
        elif str(other.address) not in there:
            wrong.append(f"{other.name} is {', '.join(there)} in place of {other.address}")
    if unknown:
        yield Fault(f"nothing for {', '.join(unknown)}")
    if wrong:
        yield Fault("; ".join(wrong))


@of_host(
    "default-route",
    "error",
    "a default route: MicroK8s waits for one without end",
    "add one, towards a gateway that leads nowhere if need be",
)
def default_route(subject: Subject) -> Iterator[Fault]:
    """Its interface gives the node's address as well."""
    if not any(network.prefixlen == 0 for _, network in subject.facts.routed):
        yield Fault("no default route")


@of_host(
    "ports", "error", "ports of the cluster that nobody listens on", "`ss -tulpn` names the program: stop it, or move it elsewhere"
)
def ports(subject: Subject) -> Iterator[Fault]:
    """A host that runs MicroK8s has them itself."""
    if subject.facts.channel:
        return
    wanted = {*EVERY_NODE, *(CONTROL_PLANE if subject.host.is_control_plane else ()), *(STORAGE if subject.host.is_storage else ())}
    taken = sorted(wanted & subject.facts.ports, key=lambda port: int(port.split()[1]))
    if taken:
        yield Fault(f"somebody listens on {', '.join(taken)}")


@of_host(
    "node-ports",
    "error",
    "connections from host to host, whether somebody listens yet or not",
    "open the ports in the firewalls between the hosts and on them; VXLAN on UDP 4789, which cannot be tried, with them",
)
def node_ports(subject: Subject) -> Iterator[Fault]:
    """A refused connection has arrived; one without an answer, or without a way, was dropped."""
    lost: dict[str, list[int]] = {}
    for other, port in subject.wanted.peers_of(subject.host):
        there = subject.survey.facts.get(other.name)
        closed_until_prepared = there and there.firewall == "firewalld" and subject.wanted.firewall == "open" and not there.prepared
        if other.name in subject.survey.silent or closed_until_prepared:
            continue
        if subject.facts.connections.get((str(other.address), port), "unreachable") == "unreachable":
            lost.setdefault(f"{other.name} ({other.address})", []).append(port)
    if lost:
        yield Fault(
            "no answer from " + "; ".join(f"{name}: TCP {', '.join(map(str, sorted(them)))}" for name, them in lost.items())
        )


@of_host(
    "firewall",
    "warning",
    "no firewall that keeps the nodes' traffic out",
    "set hosts.firewall to open, or open the ports yourself (docs/doctor.md)",
)
def firewall(subject: Subject) -> Iterator[Fault]:
    """The deployment makes rules for firewalld when it may; MicroK8s makes some for ufw, but not for the nodes' own ports."""
    if subject.facts.firewall == "firewalld" and subject.wanted.firewall == "leave":
        yield Fault("firewalld runs, and hosts.firewall is leave")
    elif subject.facts.firewall == "ufw":
        yield Fault("ufw is active", mend="`ufw allow from SUBNET` for network.nodeSubnet and network.podCidr, or `ufw disable`")


@of_host(
    "routes",
    "error",
    "podCidr, serviceCidr and loadBalancerRange that lead nowhere else",
    "choose other networks in the settings (before the first deployment), or take the route away",
)
def routes(subject: Subject) -> Iterator[Fault]:
    """A network that the host reaches already would be cut off, or would take the pods' traffic."""
    wanted = subject.wanted
    first, last = wanted.load_balancer
    shared = tuple(summarize_address_range(first, last))
    for interface, network in subject.facts.routed:
        if network.prefixlen == 0:
            continue
        for name, own in (("network.podCidr", wanted.pod_cidr), ("network.serviceCidr", wanted.service_cidr)):
            if network.overlaps(own):
                yield Fault(f"{network} is routed to {interface} and overlaps {name} {own}")
        if _is_aside(network, wanted.node_subnet) and any(network.overlaps(part) for part in shared):
            yield Fault(f"{network} is routed to {interface} and overlaps network.loadBalancerRange {first}-{last}")


def _is_aside(network: IPv4Network, subnet: IPv4Network | None) -> bool:
    """The way to the hosts' own subnet is that of the range, too."""
    return subnet is None or not subnet.subnet_of(network)


@of_host(
    "load-balancer-range",
    "error",
    "addresses in network.loadBalancerRange that nobody has",
    "free them, take them out of DHCP, or choose another range",
)
def load_balancer_range(subject: Subject) -> Iterator[Fault]:
    """Once the platform runs it answers for them itself."""
    first, last = subject.wanted.load_balancer
    if subject.facts.channel or subject.host != subject.wanted.hosts[0]:
        return
    taken = sorted(found for found in subject.facts.answering if first <= found <= last)
    if taken:
        yield Fault(f"somebody answers at {', '.join(map(str, taken))}")


CHECKS = (
    host_name,
    address,
    name_resolution,
    default_route,
    ports,
    node_ports,
    firewall,
    routes,
    load_balancer_range,
)
