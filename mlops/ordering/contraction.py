"""Graph contraction: objects that are written together become one node, wherever that closes no circle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from graphlib import TopologicalSorter

from mlops.ordering.graph import Graph
from mlops.ordering.objects import KubeObject
from mlops.ordering.topology import reduce


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Objects that are written in one step.

    Attributes:
        label: what they have in common; None for an object of its own.
        members: the objects, each after those it waits for.
        dependencies: units it waits for directly, as places in the result of :func:`contract`; those before its own.
    """

    label: str | None
    members: tuple[KubeObject, ...]
    dependencies: tuple[int, ...]


def contract(graph: Graph, label: Callable[[KubeObject], str | None]) -> tuple[Unit, ...]:
    """The objects in as few steps as their order allows.

    An object joins the first unit of its label that does not wait, through others, for something that waits for the unit.

    Args:
        graph: objects and order.
        label: objects with the same may be written together; None for those that stay alone.

    Returns:
        Units, each after those that it waits for, and of those that could be next the one with the longest chain behind it (list
        scheduling: what is begun first ends first, where there is less room than work). The same whatever the order of the objects
        was.
    """
    unit_of: dict[object, int] = {}
    members: list[list[KubeObject]] = []
    before: list[set[int]] = []
    labels: list[str | None] = []
    for item in graph.in_order():
        direct = {unit_of[ref] for ref in graph.dependencies(item.ref)}
        wanted = label(item)
        alike = () if wanted is None else (number for number, known in enumerate(labels) if known == wanted)
        number = next((number for number in alike if not _reaches(direct - {number}, number, before)), len(members))
        if number == len(members):
            members.append([])
            before.append(set())
            labels.append(wanted)
        members[number].append(item)
        before[number] |= direct - {number}
        unit_of[item.ref] = number
    behind = _longest_chain_behind(before)
    # a dependency's chain is longer than that of what waits for it, so this order is a topological one
    order = sorted(range(len(members)), key=lambda number: (-behind[number], number))
    place = {number: position for position, number in enumerate(order)}
    reduced = reduce({place[number]: {place[needed] for needed in before[number]} for number in order})
    return tuple(
        Unit(label=labels[number], members=tuple(members[number]), dependencies=tuple(sorted(reduced[place[number]])))
        for number in order
    )


def _longest_chain_behind(before: list[set[int]]) -> list[int]:
    """Of each unit, how many wait for it one after the other."""
    behind = [0] * len(before)
    for number in reversed(tuple(TopologicalSorter(dict(enumerate(before))).static_order())):
        for needed in before[number]:
            behind[needed] = max(behind[needed], behind[number] + 1)
    return behind


def _reaches(starts: set[int], goal: int, before: list[set[int]]) -> bool:
    """Whether one of the units waits, through others, for a unit."""
    seen, work = set(starts), list(starts)
    while work:
        number = work.pop()
        if number == goal:
            return True
        fresh = before[number] - seen
        seen |= fresh
        work += fresh
    return False
