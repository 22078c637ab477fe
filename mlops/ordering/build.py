"""Builds the graph: objects in their place, edges by rules, overrides, cuts, gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlops.errors import Problem
from mlops.ordering.checks import findings, unfit_webhooks
from mlops.ordering.edge import Edge
from mlops.ordering.errors import OrderingError
from mlops.ordering.gating import find_gates
from mlops.ordering.graph import Graph
from mlops.ordering.kinds import Kinds
from mlops.ordering.objects import KubeObject, ObjectRef, duplicates
from mlops.ordering.overrides import Overrides, named
from mlops.ordering.rule import GATE_GROUP, Rule, Strength
from mlops.ordering.rules import RULES
from mlops.ordering.topology import cut_cycles, let_yield
from mlops.ordering.view import View

_NO_OVERRIDES = Overrides()
_OUT_OF_FORM = (AttributeError, KeyError, TypeError, ValueError)


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
    every = list(objects)
    try:
        return _build(every, rules, overrides, default_namespace)
    except _OUT_OF_FORM as error:
        problems = list(_out_of_form(every, rules, default_namespace))
        if not problems:  # no object fails on its own: then it is not an object's fault
            raise
        raise OrderingError("the objects cannot be read", problems) from error


def _build(every: list[KubeObject], rules: Sequence[Rule], overrides: Overrides, default_namespace: str | None) -> Graph:
    kinds = Kinds(every)
    ordered = tuple(sorted((_in_place(item, kinds, default_namespace) for item in every), key=lambda item: item.ref))
    problems = [*duplicates(ordered), *_without_namespace(ordered, kinds)]
    view = View(
        ordered,
        filled_in=_filled_in(overrides, ordered),
        self_injecting=frozenset(
            ref for entry in overrides.self_injecting for ref in _configurations(entry.configuration, ordered)
        ),
    )
    problems += [*unfit_webhooks(view), *_aimless(overrides, view)]
    if problems:
        raise OrderingError("the objects cannot be put in order", problems)
    edges = _overridden(_found(view, rules), overrides, view)
    kept, cuts = cut_cycles(let_yield(edges, frozenset(entry.rule for entry in overrides.ignore_if_cyclical)))
    return Graph(ordered, kept, find_gates(view, kept), cuts, findings(view), view)


def _out_of_form(objects: Iterable[KubeObject], rules: Sequence[Rule], default_namespace: str | None) -> Iterator[Problem]:
    """Objects that cannot be read even on their own, for instance a text where the API has a list."""
    for item in objects:
        try:
            _build([item], rules, _NO_OVERRIDES, default_namespace)
        except OrderingError:
            continue
        except _OUT_OF_FORM as error:
            allowed = f"the form that the API has for {item.kind} ({item.api_version})"
            mend = "kubectl apply --dry-run=server tells which field is wrong"
            yield Problem(f"{item.ref} ({item.origin})", f"{type(error).__name__}: {error}", allowed, mend)


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


def _overridden(edges: list[Edge], overrides: Overrides, view: View) -> list[Edge]:
    for entry in overrides.remove:
        sources, targets = set(named(entry.source, view.by_ref)), set(named(entry.target, [e.target for e in edges]))
        edges = [e for e in edges if not (e.source in sources and e.target in targets and entry.rule in {None, e.rule})]
    added = {
        Edge(source, target, "override", entry.reason, Strength[entry.strength.upper()])
        for entry in overrides.add
        for source in named(entry.source, view.by_ref)
        for target in named(entry.target, view.by_ref)
        if source != target
    }
    return sorted([*edges, *added], key=lambda e: (e.source, e.target, e.rule, e.reason))


def _configurations(pattern: str, objects: Iterable[KubeObject]) -> list[ObjectRef]:
    return named(pattern, (item.ref for item in objects if item.kind.endswith("WebhookConfiguration")))


def _filled_in(overrides: Overrides, objects: Sequence[KubeObject]) -> dict[ObjectRef, tuple[Mapping[str, Any], ...]]:
    return {ref: entry.bodies() for entry in overrides.rules_at_run_time for ref in _configurations(entry.configuration, objects)}


def _aimless(overrides: Overrides, view: View) -> Iterator[Problem]:
    """Overrides that name nothing: a slip of the pen, or left over from an older version. Targets may be in another bundle."""
    objects = [("add", i, entry.source) for i, entry in enumerate(overrides.add)]
    objects += [("remove", i, entry.source) for i, entry in enumerate(overrides.remove)]
    configurations = [("selfInjecting", i, entry.configuration) for i, entry in enumerate(overrides.self_injecting)]
    configurations += [("rulesAtRunTime", i, entry.configuration) for i, entry in enumerate(overrides.rules_at_run_time)]
    aimless = [(entry, "an object") for entry in objects if not named(entry[2], view.by_ref)]
    aimless += [(entry, "a webhook configuration") for entry in configurations if not _configurations(entry[2], view.objects)]
    for (section, i, pattern), what in aimless:
        allowed = f"{what} of the set, as Kind.group namespace/name"
        yield Problem(f"overrides, {section}[{i}]", pattern, allowed, "mlops graph --levels lists them")
