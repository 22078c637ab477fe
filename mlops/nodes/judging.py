"""Whether a node may be taken out of its cluster: everything that speaks against it, told at once, before anything changes."""

from __future__ import annotations

from collections.abc import Iterator

from mlops.errors import Problem
from mlops.nodes.selecting import may_be_used_on
from mlops.nodes.state import Body, ClusterState, is_control_plane, is_ready, name_of


def refusals(state: ClusterState, name: str) -> list[Problem]:
    """What speaks against taking a registered node out.

    Args:
        state: the cluster; its list no longer names the node.
        name: the node, one of ``state.nodes``.

    Returns:
        Problems, empty when it may go.

    Raises:
        ValueError: the node is not registered.
    """
    node = state.node(name)
    if node is None:
        message = f"node {name} is not registered"
        raise ValueError(message)
    found = [*_data(state, node), *_pods(state, name)]
    if not is_ready(node):
        found.insert(0, _dead(name))
    if is_control_plane(node):
        found += _quorum(state, name)
    return found


def _dead(name: str) -> Problem:
    return Problem(
        f"node {name}",
        "it is not Ready, so its pods cannot be moved and its host cannot leave by itself",
        "a node that is Ready while it is taken out",
        f"bring host {name} up again; if it is dead for good, put it back into the file with `lost: true`",
    )


def bound_to(state: ClusterState, node: Body) -> Iterator[Body]:
    """PersistentVolumes that can be used on this node and on no other one that stays."""
    name = name_of(node)
    staying = [
        other for other in state.nodes if name_of(other) != name and (state.listed is None or name_of(other) in state.listed)
    ]
    for volume in state.volumes:
        if may_be_used_on(volume, node) and not any(may_be_used_on(volume, other) for other in staying):
            yield volume


def _data(state: ClusterState, node: Body) -> Iterator[Problem]:
    name = name_of(node)
    for volume in bound_to(state, node):
        claim = volume["spec"].get("claimRef")
        if claim:
            used_by = f", claim {claim['name']} in namespace {claim['namespace']}"
            mend = (
                f"save its data and delete it: kubectl delete pvc -n {claim['namespace']} {claim['name']}; "
                "a claim made anew gets a volume on a node that stays"
            )
        else:
            used_by, mend = "", f"save its data and delete it: kubectl delete pv {name_of(volume)}"
        yield Problem(
            f"node {name}",
            f"PersistentVolume {name_of(volume)} ({volume['status'].get('phase', 'Unknown')}{used_by}) lies on this host alone",
            "no volume that is bound to the node",
            mend,
        )
    yield from pools_on(state, name)


def pools_on(state: ClusterState, name: str) -> Iterator[Problem]:
    """OpenEBS' disk pools of a node: replicas of volumes lie there."""
    for pool in state.pools:
        if pool["spec"].get("node") == name:
            namespace = pool["metadata"].get("namespace", "default")
            yield Problem(
                f"node {name}",
                f"DiskPool {name_of(pool)} in namespace {namespace} lies on disks of this host",
                "no pool on the node",
                f"move its replicas to other nodes, then kubectl delete diskpool -n {namespace} {name_of(pool)}",
            )


def _pods(state: ClusterState, name: str) -> Iterator[Problem]:
    for pod in state.pods:
        metadata = pod["metadata"]
        finished = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
        mirror = "kubernetes.io/config.mirror" in (metadata.get("annotations") or {})
        if not (finished or mirror or any(owner.get("controller") for owner in metadata.get("ownerReferences") or ())):
            yield Problem(
                f"node {name}",
                f"pod {metadata['name']} in namespace {metadata['namespace']} has no controller that would start it elsewhere",
                "pods that are made anew on another node",
                f"kubectl delete pod -n {metadata['namespace']} {metadata['name']}, when it is no longer needed",
            )


def _quorum(state: ClusterState, name: str) -> Iterator[Problem]:
    """Of the control planes' datastore: MicroK8s stops it on a node that leaves, then asks the others to let it go."""
    planes = [node for node in state.nodes if is_control_plane(node)]
    others = [node for node in planes if name_of(node) != name]
    living = [name_of(node) for node in others if is_ready(node)]
    staying = [name_of(node) for node in others if state.listed is None or name_of(node) in state.listed]
    where = f"node {name}"
    if not others:
        yield Problem(
            where, "it is the last control plane", "another control plane that stays", "`pulumi destroy` removes a cluster"
        )
        return
    if len(living) <= len(planes) / 2:
        yield Problem(
            where,
            f"of {len(planes)} control planes {len(living)} would be Ready without it: {', '.join(living) or 'none'}",
            f"{len(planes) // 2 + 1} that are Ready, since a majority of the datastore has to let it go",
            _mend_quorum([name_of(node) for node in others if not is_ready(node)]),
        )
    elif len(staying) < 2:
        # 3 -> 2 is possible, 2 -> 1 not: the one that leaves stops its datastore first, and one of two is no majority
        yield Problem(
            where,
            f"{', '.join(staying) or 'no control plane'} alone would stay of {len(planes)} control planes",
            "2 or more that stay, or a cluster that had only one from the start",
            "keep three control planes in the file",
        )


def _mend_quorum(dead: list[str]) -> str:
    if dead:
        return f"bring {', '.join(dead)} up again first, or declare it `lost: true` and add another control plane"
    return "add another control plane first"
