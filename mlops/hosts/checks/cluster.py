"""Checks of what MicroK8s a host has already, and what would be lost with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlops.hosts.checks.check import Fault, Subject, Survey, of_host, of_site
from mlops.hosts.facts import Facts, Node

STORAGE_LABELS = ("node-role.kubernetes.io/storage", "openebs.io/engine")


@of_host(
    "microk8s",
    "error",
    "no MicroK8s, that of the settings' channel, or one minor version before it",
    "upgrade by one minor version after the other: set cluster.channel to the next one, run pulumi up, go on",
)
def microk8s(subject: Subject) -> Iterator[Fault]:
    """Kubernetes goes up by one minor version at a time, and never down."""
    there, wanted = subject.facts.channel, subject.wanted.channel
    if there in {"", "-"}:
        return
    have, want = _minor(there), _minor(wanted)
    if have is None or want is None:
        yield Fault(f"MicroK8s from channel {there}", f"{wanted}, as cluster.channel says", severity="warning")
    elif want < have:
        yield Fault(f"MicroK8s from channel {there}; the settings say {wanted}", mend=f"set cluster.channel to {there}")
    elif want > have + 1:
        yield Fault(f"MicroK8s from channel {there}; the settings say {wanted}")
    elif not subject.facts.prepared:
        yield Fault(
            f"MicroK8s from channel {there}, which this platform has not installed",
            "no MicroK8s but its own",
            "`snap remove --purge microk8s` if it is not needed; else it is taken over as it is",
            severity="warning",
        )


def _minor(channel: str) -> int | None:
    track = channel.partition("/")[0]
    return int(track[2:]) if track.startswith("1.") and track[2:].isdigit() else None


@of_host(
    "networks",
    "error",
    "the networks that MicroK8s was installed with: a running cluster keeps them",
    "undo that change of network.podCidr and network.serviceCidr",
)
def networks(subject: Subject) -> Iterator[Fault]:
    """The step that installs refuses as well, but by then other steps have written the new networks into files."""
    facts, wanted = subject.facts, subject.wanted
    if not facts.channel or not facts.cni:
        return
    pods, services = facts.networks
    if (pods, services) != (str(wanted.pod_cidr), str(wanted.service_cidr)):
        yield Fault(
            f"MicroK8s with {pods or 'no network'} for pods and {services or 'no network'} for Services; "
            f"the settings say {wanted.pod_cidr} and {wanted.service_cidr}"
        )


@of_host(
    "role",
    "error",
    "the roles that the host has in the cluster",
    "take the host out of the file, run pulumi up, and add it with its new roles",
)
def role(subject: Subject) -> Iterator[Fault]:
    """A host that changes sides, or loses the role storage with volumes on it."""
    if subject.facts.channel and subject.facts.worker and subject.host.is_control_plane:
        yield Fault("a worker of a cluster; the settings say control-plane")
    members = {node.name: node for facts in subject.survey.facts.values() for node in facts.members}
    node = members.get(subject.host.name)
    if node is None:
        return
    if node.is_control_plane and not subject.host.is_control_plane:
        yield Fault("a control plane of the cluster; the settings say worker")
    if not subject.host.is_storage and any(label in node.labels for label in STORAGE_LABELS):
        volumes = _bound(subject.survey.facts.values(), node)
        held = f", and {', '.join(volumes)} on it" if volumes else ""
        yield Fault(
            f"a storage host of the cluster{held}; the settings no longer give it the role storage",
            mend="move its volumes and disk pools to other hosts first (`kubectl get diskpools -A`), or give it the role again",
        )


@of_site(
    "lost",
    "error",
    "hosts with lost: true that are dead: their nodes are taken out by force",
    "take `lost: true` away, and the host out of the file if it is to leave; of one that has just died the node is Ready for a "
    "minute more: wait, then try again",
)
def lost(survey: Survey) -> Iterator[Fault]:
    """A host that lives would run on with a database and pods that the cluster no longer knows."""
    ready = {node.name for facts in survey.facts.values() for node in facts.members if node.ready}
    for name in survey.wanted.lost:
        if name in ready:
            yield Fault(f"node {name} is Ready; the settings declare the host lost", host=name)


@of_site(
    "removal",
    "error",
    "nodes that may go: nothing lies on them alone, and the rest keeps its quorum",
    "put the host back into the file until its data is moved",
)
def removal(survey: Survey) -> Iterator[Fault]:
    """Nodes that are in the cluster and no longer in the file; the deletion refuses for the same reasons and some more."""
    told = next((facts for facts in survey.facts.values() if facts.members), None)
    if told is None:
        return
    staying = {host.name for host in survey.wanted.hosts}
    going = [node for node in told.members if node.name not in staying]
    for node in going:
        volumes = [] if node.name in survey.wanted.lost else _bound([told], node)
        if volumes:
            yield Fault(f"node {node.name} is to go, and these volumes are bound to it: {', '.join(volumes)}")
    planes = [node for node in told.members if node.is_control_plane]
    gone = [node.name for node in going if node.is_control_plane]
    living = [node for node in planes if node.ready and node.name not in gone]
    if gone and len(living) <= len(planes) // 2 and len(planes) > 1:
        yield Fault(
            f"{', '.join(gone)} would go, and {len(living)} of {len(planes)} control planes are Ready without",
            f"{len(planes) // 2 + 1} that are Ready, as a majority has to let a node go",
            "bring the others up, or add a control plane first",
        )


def _bound(told: Iterable[Facts], node: Node) -> list[str]:
    volumes = [volume for facts in told for volume in facts.bound_volumes]
    return sorted({f"{volume.name} (claim {volume.claim})" for volume in volumes if set(volume.nodes) == {node.name}})


CHECKS = (microk8s, networks, role, lost, removal)
