"""Which objects of a graph are written together."""

from __future__ import annotations

from collections.abc import Mapping

from mlops.objectset.kinds import DEFINITION, MEMBERS
from mlops.ordering import Graph, KubeObject, ObjectRef, Unit, contract


def is_member(item: KubeObject) -> bool:
    """Whether an object is of a kind whose objects are written in sets."""
    return item.kind in MEMBERS and item.group == MEMBERS[item.kind].group


def units(graph: Graph, bundle_of: Mapping[ObjectRef, str]) -> tuple[Unit, ...]:
    """The graph in steps: sets, labelled with their names, and objects that are steps of their own.

    A bundle has one set for its CRDs, which may outlive it, one for members with gates, which would hold up others, and one for the
    rest; more where one would have to wait for itself.

    Args:
        graph: the objects in order.
        bundle_of: each object's bundle.
    """

    def label(item: KubeObject) -> str | None:
        if not is_member(item):
            return None
        if item.kind == DEFINITION:
            return f"{bundle_of[item.ref]}/CustomResourceDefinitions"
        return f"{bundle_of[item.ref]}/{'GatedObjectSet' if graph.has_gates(item.ref) else 'ObjectSet'}"

    return contract(graph, label)
