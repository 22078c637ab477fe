"""Checks across the settings of hosts: each takes the site, wrong values in it left unusable, and yields what it finds."""

from __future__ import annotations

from collections.abc import Iterator

from mlops.settings.hosts import CHECK_NAMES, Host
from mlops.settings.report import Finding, show, suggestion
from mlops.settings.section import usable
from mlops.settings.site import Site
from mlops.settings.stackfile import KeyPath

NODES: KeyPath = ("hosts", "nodes")


def nodes_of(site: Site) -> list[tuple[int, Host]]:
    """The site's hosts with their places in the list."""
    return list(enumerate(site.hosts.nodes)) if site.hosts is not None else []


def addresses_of(site: Site) -> list[tuple[int, Host]]:
    """Those of them whose address can be used."""
    return [(index, node) for index, node in nodes_of(site) if usable(node.address)]


def one_way_in(site: Site) -> Iterator[Finding]:
    """A key from two places may be two keys; one from none is told as a missing secret."""
    if site.hosts is None:
        return
    access, bastion = site.hosts.access, site.hosts.access.bastion
    ways: list[tuple[KeyPath, dict[str, object]]] = [
        (("hosts", "access"), {"key": access.key, "keyFile": access.key_file, "agent": access.agent})
    ]
    if bastion is not None and usable(bastion):
        ways.append((("hosts", "access", "bastion"), {"key": bastion.key, "keyFile": bastion.key_file}))
    for path, values in ways:
        given = [key for key, value in values.items() if usable(value) and value]
        for key in given[1:]:
            yield Finding((*path, key), f"{key} beside {given[0]}", f"one of {', '.join(values)}", f"take {key} or {given[0]} out")


def control_planes_are_odd(site: Site) -> Iterator[Finding]:
    """The cluster's database needs a majority (dqlite, like any Raft).

    While a dead control plane waits to be replaced, the number of the living ones may be even: `Site.remarks` speaks of it.
    """
    nodes = [node for _, node in nodes_of(site)]
    if not nodes or not all(usable(node.roles) and usable(node.lost) for node in nodes):
        return
    planes = [node for node in nodes if node.is_control_plane]
    living = [node for node in planes if not node.lost]
    allowed = "1, 3, 5 or another odd number of hosts with the role control-plane"
    if not planes:
        yield Finding(NODES, "no host with the role control-plane", allowed, "add control-plane to the roles of 1 or 3 hosts")
    elif not living:
        yield Finding(
            NODES,
            "every host with the role control-plane is lost",
            "a living one, which takes the lost ones out of the cluster",
            "bring one of them back with its data and take its `lost` out; without any, the cluster has to be built anew",
        )
    elif len(living) % 2 == 0 and len(living) == len(planes):
        yield Finding(
            NODES,
            f"{len(living)} hosts with the role control-plane",
            allowed,
            f"an even number survives no more failures than {len(living) - 1}: take the role from one host or give it to one more",
        )
    if not any("worker" in node.roles for node in nodes if not node.lost):
        yield Finding(
            NODES, "no host with the role worker", "at least one worker, which runs the platform", "a control plane may be one"
        )


def roles_make_sense(site: Site) -> Iterator[Finding]:
    """Each role once, and storage only on a living member of the cluster that runs pods."""
    for index, node in nodes_of(site):
        if not usable(node.roles):
            continue
        path = (*NODES, index, "roles")
        if len(set(node.roles)) < len(node.roles):
            yield Finding(path, ", ".join(node.roles), "each role once")
        if set(node.roles) == {"storage"}:
            yield Finding(path, "storage alone", "storage together with worker or control-plane", "add worker")
        if usable(node.lost) and node.lost and "storage" in node.roles:
            yield Finding(
                path,
                "storage on a host that is lost",
                "a lost host without the role storage: what its disks held is gone with it",
                "take storage out once each volume has a copy on another host or is given up",
            )


def data_disks(site: Site) -> Iterator[Finding]:
    """Disks are for storage, and a disk named twice would be used twice."""
    for index, node in nodes_of(site):
        if not usable(node.data_disks):
            continue
        path = (*NODES, index, "dataDisks")
        if node.data_disks and usable(node.roles) and "storage" not in node.roles:
            yield Finding(
                path, "disks of a host without the role storage", "disks together with the role storage", "add storage to its roles"
            )
        for place, disk in enumerate(node.data_disks):
            if disk in node.data_disks[:place]:
                yield Finding((*path, place), show(disk), "each disk once")


def taints_differ(site: Site) -> Iterator[Finding]:
    """Kubernetes tells taints apart by key and effect."""
    for index, node in nodes_of(site):
        if not usable(node.taints):
            continue
        seen: set[tuple[str, str]] = set()
        for place, taint in enumerate(node.taints):
            if not usable(taint.key) or not usable(taint.effect):
                continue
            if (taint.key, taint.effect) in seen:
                yield Finding((*NODES, index, "taints", place), f"{taint.key}:{taint.effect} again", "each key and effect once")
            seen.add((taint.key, taint.effect))


def hosts_differ(site: Site) -> Iterator[Finding]:
    """Two entries for one machine would be two nodes, of which one never appears."""
    for key, field in (("name", "name"), ("address", "address"), ("hostKey", "host_key")):
        first: dict[object, int] = {}
        for index, node in nodes_of(site):
            value = getattr(node, field)
            if not usable(value):
                continue
            if value in first:
                mend = "clones keep the key of their template: `rm /etc/ssh/ssh_host_*; ssh-keygen -A`" if key == "hostKey" else ""
                yield _twice(index, key, str(value), first[value], mend)
            first.setdefault(value, index)


def ssh_servers_differ(site: Site) -> Iterator[Finding]:
    """Behind one address several hosts may lie, each at a port of its own."""
    first: dict[tuple[str, int], int] = {}
    port = site.hosts.access.port if site.hosts is not None else 0
    for index, node in nodes_of(site):
        if not all(map(usable, (node.ssh_address, node.address, node.port, port))):
            continue
        server = (node.ssh_address or str(node.address), node.port or port)
        if node.ssh_address and server in first:
            mend = "where one address leads to several hosts, give each its `port`"
            yield _twice(index, "sshAddress", node.ssh_address, first[server], mend)
        first.setdefault(server, index)


def _twice(index: int, key: str, value: str, other: int, mend: str) -> Finding:
    found = f"{show(value)}, as in hosts.nodes[{other}]"
    return Finding((*NODES, index, key), found, "a value of its own for each host", mend)


def bastion_is_no_node(site: Site) -> Iterator[Finding]:
    """A jump host that is a node would be reached through itself, and restarted under the connections."""
    bastion = site.hosts.access.bastion if site.hosts else None
    if bastion is None:
        return
    path = ("hosts", "access", "bastion", "address")
    for index, node in nodes_of(site):
        names = [str(name) for name in (node.address, node.name, node.ssh_address) if usable(name)]
        if bastion.address in names:
            yield Finding(path, f"{bastion.address}, which is hosts.nodes[{index}]", "a machine that is no node of the cluster")


def skipped_checks(site: Site) -> Iterator[Finding]:
    """What is skipped exists, and is skipped once."""
    if site.hosts is None:
        return
    hosts = [node.name for _, node in nodes_of(site) if usable(node.name)]
    seen: set[tuple[str, str | None]] = set()
    for index, skip in enumerate(site.hosts.preflight.skip):
        path = ("hosts", "preflight", "skip", index)
        if usable(skip.check) and skip.check not in CHECK_NAMES:
            mend = suggestion(skip.check, list(CHECK_NAMES))
            yield Finding((*path, "check"), show(skip.check), f"one of {', '.join(CHECK_NAMES)}", mend)
        if not usable(skip.host):
            continue
        if skip.host is not None and skip.host not in hosts:
            yield Finding((*path, "host"), show(skip.host), f"the name of a host: {', '.join(hosts)}", suggestion(skip.host, hosts))
        if usable(skip.check):
            if (skip.check, skip.host) in seen:
                yield Finding(path, f"{skip.check} again", "each check once for a host")
            seen.add((skip.check, skip.host))


HOST_CHECKS = (
    one_way_in,
    control_planes_are_odd,
    roles_make_sense,
    data_disks,
    taints_differ,
    hosts_differ,
    ssh_servers_differ,
    bastion_is_no_node,
    skipped_checks,
)
