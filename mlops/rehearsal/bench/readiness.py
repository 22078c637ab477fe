"""When an installation is at its end: every object is there and ready, and no pod has slipped past a webhook. The same for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mlops.ordering import Graph, ObjectRef
from mlops.ordering.kinds import CRD_GROUP
from mlops.rehearsal.site.api import ApiError

Body = Mapping[str, Any]
Get = Callable[[str], Body]
"""Path at the API server to the decoded answer; raises ApiError."""

INJECTED = "sidecar.istio.io/status"
"""Annotation that Istio's injector leaves on a pod it has looked at."""
_INJECT = "sidecar.istio.io/inject"
"""By "false" a pod refuses a sidecar; as a label the webhook's selector knows it, as an annotation only the injector does."""
_INJECTOR = "istio-sidecar-injector"

_CONDITION: Mapping[tuple[str, str], str] = {
    (CRD_GROUP, "CustomResourceDefinition"): "Established",
    ("apiregistration.k8s.io", "APIService"): "Available",
    ("batch", "Job"): "Complete",
    ("cert-manager.io", "Certificate"): "Ready",
    ("cert-manager.io", "ClusterIssuer"): "Ready",
    ("cert-manager.io", "Issuer"): "Ready",
}
_ROLLED_OUT = {("apps", "DaemonSet"), ("apps", "Deployment"), ("apps", "StatefulSet")}
_PHASE: Mapping[tuple[str, str], str] = {("", "Namespace"): "Active", ("", "PersistentVolumeClaim"): "Bound"}


def ready(ref: ObjectRef, body: Body) -> bool:
    """Whether an object that is there is ready; of a kind that has no readiness, being there is enough.

    Args:
        ref: its identity.
        body: as the API server has it.
    """
    kind, status = (ref.group, ref.kind), body.get("status") or {}
    if kind in _CONDITION:
        return any(c.get("type") == _CONDITION[kind] and c.get("status") == "True" for c in status.get("conditions") or ())
    if kind in _PHASE:
        return bool(status.get("phase") == _PHASE[kind])
    if kind in _ROLLED_OUT:
        return _rolled_out(ref.kind, body, status)
    return True


def _rolled_out(kind: str, body: Body, status: Body) -> bool:
    """As ``kubectl rollout status`` sees it (kubernetes/kubectl, pkg/polymorphichelpers/rollout_status.go)."""
    if status.get("observedGeneration", 0) < body["metadata"].get("generation", 0):
        return False
    if kind == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        return bool(wanted > 0 and status.get("updatedNumberScheduled", 0) == status.get("numberAvailable", 0) == wanted)
    wanted = (body.get("spec") or {}).get("replicas", 1)
    available = "availableReplicas" if kind == "Deployment" else "readyReplicas"
    return bool(status.get("updatedReplicas", 0) == status.get(available, 0) == wanted == status.get("replicas", 0))


class Inspection:
    """Looks at a cluster for the objects of a graph.

    Args:
        graph: the objects that must be there.
        get: reads from the API server.
    """

    def __init__(self, graph: Graph, get: Get) -> None:
        self._graph, self._get = graph, get
        self._left = [item.ref for item in graph.objects]

    def missing(self) -> list[ObjectRef]:
        """Objects that are not there or not ready yet.

        Those that once were are not asked for again: nothing that an installer does here makes a ready object unready for long, and
        asking costs the machine that is measured.
        """
        live = self._live(self._left)
        self._left = [ref for ref in self._left if ref not in live or not ready(ref, live[ref])]
        return self._left

    def everything(self) -> list[ObjectRef]:
        """The same, asked for every object afresh."""
        self._left = [item.ref for item in self._graph.objects]
        return self.missing()

    def unseen_pods(self) -> list[str]:
        """Pods that a webhook has to look at and that were created without it: nothing else tells of them."""
        pods = self._items("/api/v1/pods")
        return sorted(unseen_pods(self._graph, pods))

    def _live(self, refs: Iterable[ObjectRef]) -> dict[ObjectRef, Body]:
        wanted: dict[str, set[ObjectRef]] = {}
        for ref in refs:
            item = self._graph.object(ref)
            plural = self._graph.kinds.rest_path(item).collection.rsplit("/", 1)[-1]
            root = f"/apis/{item.api_version}" if item.group else f"/api/{item.api_version}"
            wanted.setdefault(f"{root}/{plural}", set()).add(ref)
        found: dict[ObjectRef, Body] = {}
        for path, among in wanted.items():
            sample = next(iter(among))
            for body in self._items(path):
                metadata = body["metadata"]
                ref = ObjectRef(sample.group, sample.kind, metadata.get("namespace", ""), metadata["name"])
                if ref in among:
                    found[ref] = body
        return found

    def _items(self, path: str) -> list[Body]:
        try:
            items: list[Body] = self._get(path).get("items") or []
        except ApiError as error:
            if error.code != 404:  # the kind is not there yet
                raise
            return []
        return items


def unseen_pods(graph: Graph, pods: Iterable[Body]) -> Iterator[str]:
    """Pods of workloads that Istio's injector looks at, without its mark; as ``namespace/name``.

    Args:
        graph: tells whose pods it looks at.
        pods: the cluster's.
    """
    looked_at = {
        (gate.at.namespace, gate.at.name)
        for gate in graph.gates
        if getattr(gate, "probe", "") == "its pods" and getattr(gate, "configuration", gate.at).name == _INJECTOR
    }
    for pod in pods:
        metadata = pod["metadata"]
        owners = {name for owner in metadata.get("ownerReferences") or () for name in _owners(owner)}
        mine = any((metadata.get("namespace", ""), name) in looked_at for name in owners)
        annotations = metadata.get("annotations") or {}
        if mine and INJECTED not in annotations and annotations.get(_INJECT) != "false":
            yield f"{metadata.get('namespace', '')}/{metadata['name']}"


def _owners(owner: Mapping[str, Any]) -> Iterator[str]:
    """Name of a pod's owner; of a ReplicaSet also that of its Deployment, which is the name without its last part."""
    yield str(owner["name"])
    if owner.get("kind") == "ReplicaSet":
        yield str(owner["name"]).rpartition("-")[0]
