"""Objects of a cluster as the API server gives them, as little of them as is looked at."""

from __future__ import annotations

from typing import Any

from mlops.nodes.state import CONTROL_PLANE_LABEL, ClusterState

Body = dict[str, Any]


def node(name: str, *, plane: bool = False, ready: bool = True, version: str = "v1.35.4", **more: Any) -> Body:
    labels = {"kubernetes.io/hostname": name, **({CONTROL_PLANE_LABEL: "microk8s-controlplane"} if plane else {})}
    return {
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "labels": labels,
            "annotations": more.get("annotations", {}),
        },
        "spec": more.get("spec", {}),
        "status": {
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
            "nodeInfo": {"kubeletVersion": version},
        },
    }


def volume(name: str, *hosts: str, claim: str = "work/data", key: str = "kubernetes.io/hostname", phase: str = "Bound") -> Body:
    terms = [{"matchExpressions": [{"key": key, "operator": "In", "values": list(hosts)}]}]
    namespace, _, claimed = claim.partition("/")
    return {
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            **({"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}} if hosts else {}),
            **({"claimRef": {"namespace": namespace, "name": claimed}} if claim else {}),
        },
        "status": {"phase": phase},
    }


def pod(
    name: str,
    *,
    owner: str | None = "ReplicaSet",
    phase: str = "Running",
    labels: dict[str, str] | None = None,
    mirror: bool = False,
) -> Body:
    owners = [{"kind": owner, "name": name, "controller": True}] if owner else []
    annotations = {"kubernetes.io/config.mirror": "x"} if mirror else {}
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "work",
            "labels": labels or {},
            "ownerReferences": owners,
            "annotations": annotations,
        },
        "status": {"phase": phase},
    }


def pool(name: str, on: str) -> Body:
    return {"kind": "DiskPool", "metadata": {"name": name, "namespace": "openebs"}, "spec": {"node": on}}


def cluster(planes: int, workers: int, *, dead: tuple[str, ...] = (), listed: str | None = None, **more: Any) -> ClusterState:
    """Control planes c1..., workers w1...; ``listed`` names those that stay, all by default."""
    names = [f"c{number}" for number in range(1, planes + 1)] + [f"w{number}" for number in range(1, workers + 1)]
    nodes = [node(name, plane=name.startswith("c"), ready=name not in dead) for name in names]
    staying = names if listed is None else listed.split()
    return ClusterState(nodes=nodes, listed=dict.fromkeys(staying, "worker"), **more)
