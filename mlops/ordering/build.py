"""Builds the graph: objects in their place, edges by rules, overrides, cuts, gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mlops.errors import Problem
from mlops.ordering.checks import findings, unfit_webhooks
from mlops.ordering.edge import Edge
from mlops.ordering.errors import OrderingError
from mlops.ordering.forms import out_of_form
from mlops.ordering.gating import find_gates
from mlops.ordering.graph import Graph
from mlops.ordering.kinds import Kinds
from mlops.ordering.objects import KubeObject, duplicates
from mlops.ordering.overrides import Overrides
from mlops.ordering.overriding import aimless, idle, overridden, viewed
from mlops.ordering.rule import GATE_GROUP, Rule
from mlops.ordering.rules import RULES
from mlops.ordering.topology import cut_cycles, let_yield
from mlops.ordering.view import View

_NO_OVERRIDES = Overrides()


def build_graph(
    objects: Iterable[KubeObject],
    rules: Sequence[Rule] = RULES,
    overrides: Overrides = _NO_OVERRIDES,
    *,
    default_namespace: str | None = None,
) -> Graph:
    """Put objects in order.

    Args:
        objects: objects of any origin, in any order; the result does not depend on the order.
        rules: rules to apply.
        overrides: what a person knows better.
        default_namespace: where an object of a namespaced kind goes that names no namespace; None makes it an error.

    Raises:
        OrderingError: an object twice, an object without its namespace or not in the form of the API, a webhook that a dry-run
            cannot ask, an override for an object that is not there, or a cycle that nothing may break.
    """
    differences = [(item, list(out_of_form(item))) for item in objects]
    wrong = [problem for _, found in differences for problem in found]
    sound = [item for item, found in differences if not found]
    kinds = Kinds(sound)
    ordered = tuple(sorted((_in_place(item, kinds, default_namespace) for item in sound), key=lambda item: item.ref))
    view = viewed(ordered, overrides)
    problems = [*wrong, *duplicates(ordered), *_without_namespace(ordered, kinds), *unfit_webhooks(view)]
    problems += [] if wrong else aimless(overrides, view)  # what an override names may be one that is left out here
    if problems:
        raise OrderingError("the objects cannot be put in order", problems)
    edges = overridden(_found(view, rules), overrides, view)
    kept, cuts = cut_cycles(let_yield(edges, frozenset(entry.rule for entry in overrides.ignore_if_cyclical)))
    return Graph(ordered, kept, find_gates(view, kept), cuts, findings(view), view)


def idle_overrides(
    objects: Iterable[KubeObject], rules: Sequence[Rule] = RULES, overrides: Overrides = _NO_OVERRIDES
) -> tuple[Problem, ...]:
    """Overrides that change nothing: of a whole, an edge to nobody or to itself, or an edge to remove that no rule sees.

    No part of :attr:`Graph.findings`: whoever deploys a part of the objects may go on without these.

    Args:
        objects: the objects of a graph.
        rules: rules of the graph.
        overrides: overrides of the graph.
    """
    view = viewed(tuple(objects), overrides)
    edges = _found(view, rules) if overrides.remove else []
    return tuple(idle(overrides, edges, view))


def _in_place(item: KubeObject, kinds: Kinds, default_namespace: str | None) -> KubeObject:
    """The object as the API server stores it: without namespace when its kind is cluster-wide, whatever the manifest says."""
    kind = kinds.get(item.group, item.kind)
    if kind is None or kind.namespaced == bool(item.namespace) or (kind.namespaced and default_namespace is None):
        return item
    namespace = default_namespace if kind.namespaced else None
    metadata: dict[str, Any] = {key: value for key, value in item.body["metadata"].items() if key != "namespace"}
    if namespace:
        metadata["namespace"] = namespace
    return KubeObject(item.api_version, item.kind, item.name, namespace, {**item.body, "metadata": metadata}, item.origin)


def _without_namespace(objects: Iterable[KubeObject], kinds: Kinds) -> Iterator[Problem]:
    for item in objects:
        kind = kinds.get(item.group, item.kind)
        if kind and kind.namespaced and not item.namespace:
            where = f"{item.ref} ({item.origin})"
            yield Problem(where, "no metadata.namespace", "a namespace: the kind is namespaced", "set it in an overlay")


def _found(view: View, rules: Sequence[Rule]) -> list[Edge]:
    known = set(view.by_ref)
    edges = {}
    for rule in rules:
        for found in rule.find(view):
            if (found.target in known or found.target.group == GATE_GROUP) and found.source != found.target:
                edges[found.source, found.target, rule.id, found.reason] = Edge(
                    found.source, found.target, rule.id, found.reason, found.strength or rule.strength, found.yields or rule.yields
                )
    return [edges[key] for key in sorted(edges)]
