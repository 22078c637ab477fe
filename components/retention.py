"""What `pulumi destroy` leaves in the cluster, so that nobody's data go with the platform (docs/decisions/0009)."""

from __future__ import annotations

from collections.abc import Iterator

from mlops.ordering import Graph, KubeObject, NamespaceMade, ObjectRef

_CLAIM = ("", "PersistentVolumeClaim")
_NAMESPACE = ("", "Namespace")
_DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")


def retained(graph: Graph) -> frozenset[ObjectRef]:
    """Objects whose removal would remove what users have made.

    Claims; kinds, since a kind goes with all its objects; and what holds them: namespaces with claims, and the custom resources
    that make namespaces, in which users work.
    """
    return frozenset(_retained(graph))


def _retained(graph: Graph) -> Iterator[ObjectRef]:
    with_claims = {item.namespace for item in graph.objects if _claims(item)}
    for item in graph.objects:
        kind = (item.group, item.kind)
        if kind in {_CLAIM, _DEFINITION} or (kind == _NAMESPACE and item.name in with_claims):
            yield item.ref
    yield from (gate.at for gate in graph.gates if isinstance(gate, NamespaceMade))


def _claims(item: KubeObject) -> bool:
    """Whether it is a claim, or a workload that has some made: those go with their namespace, too."""
    return (item.group, item.kind) == _CLAIM or (item.kind == "StatefulSet" and bool(item.spec.get("volumeClaimTemplates")))
