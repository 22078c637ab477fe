"""Checks of all hosts together."""

from __future__ import annotations

from collections.abc import Iterator

from mlops.hosts.checks.check import Check, Fault, Survey, of_site

MOST_SECONDS_APART = 30
"""More than a slow answer makes; tokens and certificates that were made just now are refused by a clock that is off so far."""
PODS_PER_NODE = 110  # the kubelet's default, maxPods
# What MicroK8s itself takes of a node (estimate: kubelite, containerd, dqlite and Calico without load).
OWN_CORES, OWN_MEMORY = 0.5, 1024**3


@of_site("unique-names", "error", "a host name of its own for each host", "`hostnamectl set-hostname` on one of them")
def unique_names(survey: Survey) -> Iterator[Fault]:
    """Two nodes of one name are one node, which jumps between machines."""
    yield from _shared(survey, {host: facts.host_name.lower() for host, facts in survey.facts.items()}, "the host name")


@of_site(
    "unique-machine-ids",
    "error",
    "a machine id of its own for each host",
    "clones keep that of their template: `rm /etc/machine-id; systemd-machine-id-setup` on one of them, then restart it",
)
def unique_machine_ids(survey: Survey) -> Iterator[Fault]:
    """DHCP and the recognition of a reinstalled host go by it."""
    yield from _shared(survey, {host: facts.machine_id for host, facts in survey.facts.items()}, "the machine id")
    for host, facts in survey.facts.items():
        if not facts.machine_id:
            yield Fault("no machine id", mend="`systemd-machine-id-setup`, then restart the host", host=host)


def _shared(survey: Survey, values: dict[str, str], what: str) -> Iterator[Fault]:
    hosts: dict[str, list[str]] = {}
    for host in survey.wanted.hosts:
        if values.get(host.name):
            hosts.setdefault(values[host.name], []).append(host.name)
    for value, names in hosts.items():
        if len(names) > 1:
            yield Fault(f"{what} {value} on {', '.join(names)}")


@of_site(
    "clock",
    "error",
    f"clocks within {MOST_SECONDS_APART} s of one another and of the machine that deploys",
    "install chrony, or `timedatectl set-ntp true`, and wait until it has set the time",
)
def clock(survey: Survey) -> Iterator[Fault]:
    """TLS, tokens and the election of a leader break when clocks differ. Most hosts at fault: then it is the deploying machine."""
    off = {host: by for host, by in survey.clock_offsets.items() if abs(by) > MOST_SECONDS_APART}
    apart = max(off.values(), default=0.0) - min(off.values(), default=0.0)
    if len(off) > 1 and len(off) == len(survey.clock_offsets) and apart <= MOST_SECONDS_APART:
        by = next(iter(off.values()))
        yield Fault(
            f"all hosts are {_seconds(by)} this machine",
            mend="set the clock of the machine that deploys; if it is right, those of the hosts",
        )
        return
    for host, by in off.items():
        yield Fault(f"its clock is {_seconds(by)} that of the machine that deploys", host=host)


def _seconds(by: float) -> str:
    return f"{abs(by):.0f} s {'ahead of' if by > 0 else 'behind'}"


@of_site(
    "mtu", "error", "the same MTU on the hosts' interfaces", "`ip link set DEV mtu N`, and the same in the network's configuration"
)
def mtu(survey: Survey) -> Iterator[Fault]:
    """Calico takes that of each host for its tunnels: between hosts of different ones the larger packets are lost."""
    found: dict[int, list[str]] = {}
    for host in survey.wanted.hosts:
        facts = survey.facts.get(host.name)
        size = facts.mtu.get(facts.interface_of(host.address)) if facts else None
        if size:
            found.setdefault(size, []).append(host.name)
    if len(found) > 1:
        yield Fault("; ".join(f"{size} on {', '.join(names)}" for size, names in sorted(found.items())))


def _workers(survey: Survey) -> list[str]:
    return [host.name for host in survey.wanted.hosts if "worker" in host.roles]


@of_site(
    "capacity",
    "error",
    "room for what the enabled layers ask for",
    "add workers, give them more, or take parts out of the settings (`mlops graph --stats` has the figures)",
)
def capacity(survey: Survey) -> Iterator[Fault]:
    """Sums of requests against sums of what workers have; the scheduler refuses the rest."""
    demand, names = survey.wanted.demand, _workers(survey)
    if demand is None or any(name not in survey.facts for name in names):
        return
    workers = [survey.facts[name] for name in names]
    cores = sum(facts.cores - OWN_CORES - demand.node_cpu for facts in workers)
    memory = sum((facts.memory_kib - facts.hugepages * 2048) * 1024 - OWN_MEMORY - demand.node_memory for facts in workers)
    rest = "after MicroK8s itself and what runs on every node"
    if demand.cpu > cores:
        yield Fault(f"{max(cores, 0):.1f} processors on {len(workers)} worker(s), {rest}", f"{demand.cpu:.1f} processors")
    if demand.memory > memory:
        yield Fault(
            f"{max(memory, 0) / 1024**3:.1f} GiB of memory on {len(workers)} worker(s), {rest}",
            f"{demand.memory / 1024**3:.1f} GiB of memory",
        )


@of_site("pods", "error", f"{PODS_PER_NODE} pods a node at most", "add workers")
def pods(survey: Survey) -> Iterator[Fault]:
    """The kubelet starts no more."""
    demand, names = survey.wanted.demand, _workers(survey)
    if demand is None:
        return
    asked = demand.pods + demand.node_pods * len(names)
    if asked > PODS_PER_NODE * len(names):
        yield Fault(f"{asked} pods on {len(names)} worker(s)", f"{PODS_PER_NODE * len(names)} pods at most")


CHECKS: tuple[Check, ...] = (unique_names, unique_machine_ids, clock, mtu, capacity, pods)
