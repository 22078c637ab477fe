"""What overrides do to a set of objects and its edges; and which of them do nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlops.errors import Problem
from mlops.ordering.edge import Edge
from mlops.ordering.objects import KubeObject, ObjectRef
from mlops.ordering.overrides import Overrides, RemovedEdge, named
from mlops.ordering.rule import GATE_GROUP, Strength
from mlops.ordering.view import WEBHOOK_CONFIGURATIONS, View

_OBJECT = "an object of the set, as Kind.group namespace/name"
_MEND = "mlops graph --levels lists the objects"


def viewed(objects: tuple[KubeObject, ...], overrides: Overrides) -> View:
    """The objects as rules see them, with what overrides know of webhook configurations."""
    return View(
        objects,
        filled_in=_filled_in(overrides, objects),
        self_injecting=frozenset(
            ref for entry in overrides.self_injecting for ref in _configurations(entry.configuration, objects)
        ),
    )


def overridden(edges: list[Edge], overrides: Overrides, view: View) -> list[Edge]:
    """The edges without those that overrides remove and with those that they add, sorted."""
    gone = {id(edge) for entry in overrides.remove for edge in _removed(entry, edges)}
    kept = [edge for edge in edges if id(edge) not in gone]
    added = {
        Edge(source, target, "override", entry.reason, Strength[entry.strength.upper()], origin=entry.place)
        for entry in overrides.add
        for source in named(entry.source, view.by_ref)
        for target in named(entry.target, view.by_ref)
        if source != target
    }
    return sorted([*kept, *added], key=lambda e: (e.source, e.target, e.rule, e.reason))


def _removed(entry: RemovedEdge, edges: Iterable[Edge]) -> list[Edge]:
    """Edges that an entry means; what gates wait for is no matter of overrides."""
    meant = [edge for edge in edges if edge.source.group != GATE_GROUP and entry.rule in {None, edge.rule}]
    sources = set(named(entry.source, {edge.source for edge in meant}))
    targets = set(named(entry.target, {edge.target for edge in meant}))
    return [edge for edge in meant if edge.source in sources and edge.target in targets]


def aimless(overrides: Overrides, view: View) -> Iterator[Problem]:
    """Overrides for objects that are not there: a slip of the pen, or left over from an older version."""
    sources = [(entry.place, entry.source) for entry in overrides.add]
    sources += [(entry.place, entry.source) for entry in overrides.remove]
    configurations = [(entry.place, entry.configuration) for entry in overrides.self_injecting]
    configurations += [(entry.place, entry.configuration) for entry in overrides.rules_at_run_time]
    for place, pattern in sources:
        if not named(pattern, view.by_ref):
            yield Problem(f"{place}.from", pattern, _OBJECT, _MEND)
    for place, pattern in configurations:
        if not _configurations(pattern, view.objects):
            yield Problem(f"{place}.configuration", pattern, "a webhook configuration of the set, as Kind.group name", _MEND)


def idle(overrides: Overrides, edges: Sequence[Edge], view: View) -> Iterator[Problem]:
    """Overrides that change nothing, which is right in a part of something bigger: a target may be in another bundle.

    Args:
        overrides: the overrides.
        edges: the edges that the rules see.
        view: the objects.
    """
    for entry in overrides.add:
        targets = named(entry.target, view.by_ref)
        if not targets:
            yield Problem(f"{entry.place}.to", entry.target, _OBJECT, _MEND)
        elif named(entry.source, view.by_ref) == targets and len(targets) == 1:
            yield Problem(f"{entry.place}.to", f"{entry.target}, the object itself", "another object than in `from`")
    for gone in overrides.remove:
        if not _removed(gone, edges):
            rule = f" of rule {gone.rule}" if gone.rule else ""
            found = f"{gone.source} -> {gone.target}: there is no such edge{rule}"
            yield Problem(gone.place, found, "an edge of the set", f"mlops graph --why '{gone.source}' lists them, or take it out")


def _configurations(pattern: str, objects: Iterable[KubeObject]) -> list[ObjectRef]:
    return named(pattern, (item.ref for item in objects if item.kind in WEBHOOK_CONFIGURATIONS))


def _filled_in(overrides: Overrides, objects: Sequence[KubeObject]) -> dict[ObjectRef, tuple[Mapping[str, Any], ...]]:
    return {ref: entry.bodies() for entry in overrides.rules_at_run_time for ref in _configurations(entry.configuration, objects)}
