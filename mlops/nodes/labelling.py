"""What a node's labels and taints become, and how the list of hosts is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlops.errors import Problem
from mlops.nodes.judging import bound_to, pools_on
from mlops.nodes.state import LEAVING, LIST, TAINTS, Body, ClusterState, WantedHost, annotation, name_of

Taint = Mapping[str, str]
STORAGE = "storage"


def roles_taken(state: ClusterState, hosts: Sequence[WantedHost]) -> list[Problem]:
    """Hosts that hold volumes and lose the role storage, against the list that is in the cluster."""
    problems: list[Problem] = []
    for host in hosts:
        node, before = state.node(host.name), (state.listed or {}).get(host.name, "").split(",")
        if node is None or STORAGE not in before or STORAGE in host.roles:
            continue
        problems += pools_on(state, host.name)
        problems += [
            Problem(
                f"host {host.name}",
                f"it loses the role storage, and PersistentVolume {name_of(volume)} lies on it alone",
                "the role storage as long as there is data on the host",
                "put the role back, or save the data and delete the volume",
            )
            for volume in bound_to(state, node)
        ]
    return problems


def labelled(node: Body, host: WantedHost) -> dict[str, Any]:
    """The Node with all labels that the site gives it; applied by the server, those of an earlier run that it leaves out go.

    The uid makes the server refuse it when the node has gone meanwhile: it would be created otherwise.
    """
    metadata = {"name": host.name, "uid": node["metadata"]["uid"], "labels": dict(sorted(host.all_labels.items()))}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata}


def list_of(hosts: Iterable[WantedHost]) -> dict[str, Any]:
    """The ConfigMap that names the hosts that are meant to be there."""
    namespace, name = LIST
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {host.name: ",".join(host.roles) for host in hosts},
    }


def change_of(node: Body, host: WantedHost) -> dict[str, Any]:
    """What to change in a Node besides its labels, as a merge patch; empty when nothing.

    Taints are one list that is applied as a whole, and Kubernetes keeps its own in it (not ready, cordoned): so ours are put into
    what is there, and which they are stands in an annotation. A host that was on its way out and is in the file again is taken
    back.
    """
    before: list[Taint] = json.loads(annotation(node, TAINTS) or "[]")
    live: list[Taint] = list(node["spec"].get("taints") or ())
    ours = {_key(taint) for taint in (*before, *host.taints)}
    taints = [taint for taint in live if _key(taint) not in ours] + [_plain(taint) for taint in host.taints]
    annotations: dict[str, str | None] = {}
    spec: dict[str, Any] = {}
    noted = json.dumps([_plain(taint) for taint in host.taints], sort_keys=True) if host.taints else None
    if annotation(node, TAINTS) != noted:
        annotations[TAINTS] = noted
    if sorted(taints, key=_key) != sorted(live, key=_key):
        spec["taints"] = taints or None
    if annotation(node, LEAVING) is not None:
        annotations[LEAVING] = None
        spec["unschedulable"] = None
        if "taints" in spec:
            # it would stay otherwise, as the list is put in as a whole
            spec["taints"] = [taint for taint in taints if taint["key"] != "node.kubernetes.io/unschedulable"] or None
    return {**({"metadata": {"annotations": annotations}} if annotations else {}), **({"spec": spec} if spec else {})}


def _key(taint: Taint) -> tuple[str, str]:
    """What no two taints of a node have in common (Kubernetes API, Taint)."""
    return taint["key"], taint["effect"]


def _plain(taint: Taint) -> dict[str, str]:
    return {name: taint[name] for name in ("key", "value", "effect") if taint.get(name)}
