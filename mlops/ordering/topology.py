"""Order and cycles of a set of edges: topological sort, strongly connected parts, the shortest cycle, cuts."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from mlops.errors import Problem
from mlops.ordering.edge import Cut, Edge
from mlops.ordering.errors import OrderingError
from mlops.ordering.objects import ObjectRef
from mlops.ordering.rule import GATE_GROUP, Strength, Yields

Node = TypeVar("Node")


def sort(refs: Iterable[ObjectRef], edges: Iterable[Edge], rank: Mapping[ObjectRef, int] | None = None) -> tuple[ObjectRef, ...]:
    """Topological order, dependencies first; among equals by rank, then by identity.

    Args:
        refs: all nodes; nodes that only edges know are added.
        edges: edges between them.
        rank: smaller comes first where the edges leave a choice.

    Raises:
        OrderingError: there is a cycle; the shortest one is printed with the rules that made it.
    """
    waiting: dict[ObjectRef, set[ObjectRef]] = {ref: set() for ref in refs}
    dependents: dict[ObjectRef, list[ObjectRef]] = {}
    edges = list(edges)
    for edge in edges:
        waiting.setdefault(edge.target, set())
        known = waiting.setdefault(edge.source, set())
        if edge.target not in known:
            known.add(edge.target)
            dependents.setdefault(edge.target, []).append(edge.source)
    ranks = rank or {}
    ready = [(ranks.get(ref, 0), ref) for ref, targets in waiting.items() if not targets]
    heapq.heapify(ready)
    done = []
    while ready:
        _, ref = heapq.heappop(ready)
        done.append(ref)
        for dependent in dependents.get(ref, ()):
            waiting[dependent].discard(ref)
            if not waiting[dependent]:
                heapq.heappush(ready, (ranks.get(dependent, 0), dependent))
    if len(done) < len(waiting):
        left = set(waiting) - set(done)
        raise cycle_error([edge for edge in edges if edge.source in left and edge.target in left])
    return tuple(done)


def reduce(before: Mapping[Node, Collection[Node]]) -> dict[Node, tuple[Node, ...]]:
    """Transitive reduction: of what each node waits for, that which does not follow from the rest.

    Args:
        before: what each node waits for; nodes in topological order.
    """
    bit = {node: 1 << place for place, node in enumerate(before)}
    reach: dict[Node, int] = {}  # all nodes before one, as a set of bits
    reduced = {}
    for node, targets in before.items():
        implied = 0
        for target in targets:
            implied |= reach[target]
        reach[node] = implied
        for target in targets:
            reach[node] |= bit[target]
        reduced[node] = tuple(target for target in targets if not implied & bit[target])
    return reduced


def cut_cycles(edges: Sequence[Edge]) -> tuple[tuple[Edge, ...], tuple[Cut, ...]]:
    """Take edges away until there is no cycle, those that yield first before the others; edges that never yield stay.

    Args:
        edges: edges in their order; the result does not depend on anything else.

    Returns:
        The edges that stay, and the cuts.

    Raises:
        OrderingError: a cycle of edges none of which yields.
    """
    cuts: list[Cut] = []
    within = list(edges)
    while knots := _knots(within):
        within = []
        for knot in knots:
            edge = min((e for e in knot if e.yields is not Yields.NEVER), key=_order_of_cuts, default=None)
            if edge is None:
                raise cycle_error(knot)
            cuts.append(Cut(edge, (edge, *_way(edge.target, edge.source, _edges_from(knot)))))
            within += [e for e in knot if e is not edge]
    gone = {id(cut.edge) for cut in cuts}
    return tuple(e for e in edges if id(e) not in gone), tuple(sorted(cuts, key=lambda cut: _order_of_cuts(cut.edge)))


def _order_of_cuts(edge: Edge) -> tuple[int, ObjectRef, ObjectRef, str, str]:
    return edge.yields.place, edge.source, edge.target, edge.rule, edge.reason


def _edges_from(edges: Iterable[Edge]) -> dict[ObjectRef, list[Edge]]:
    table: dict[ObjectRef, list[Edge]] = {}
    for edge in edges:
        table.setdefault(edge.source, []).append(edge)
    return table


def _knots(edges: Sequence[Edge]) -> list[list[Edge]]:
    """Edges of each strongly connected part that holds a cycle, in the order given (Kosaraju: once forward, once back)."""
    targets: dict[ObjectRef, list[ObjectRef]] = {}
    sources: dict[ObjectRef, list[ObjectRef]] = {}
    for edge in edges:
        targets.setdefault(edge.source, []).append(edge.target)
        sources.setdefault(edge.target, []).append(edge.source)
    seen: set[ObjectRef] = set()
    finished = [ref for start in targets for ref in _finished(start, targets, seen)]
    part: dict[ObjectRef, int] = {}
    seen = set()
    for number, start in enumerate(reversed(finished)):
        part |= dict.fromkeys(_finished(start, sources, seen), number)
    knots: dict[int, list[Edge]] = {}
    for edge in edges:
        if part[edge.source] == part[edge.target]:
            knots.setdefault(part[edge.source], []).append(edge)
    return list(knots.values())


def _finished(start: ObjectRef, following: Mapping[ObjectRef, list[ObjectRef]], seen: set[ObjectRef]) -> Iterator[ObjectRef]:
    """Nodes that can be reached and were not seen yet, each after those behind it."""
    if start in seen:
        return
    seen.add(start)
    work = [(start, iter(following.get(start, ())))]
    while work:
        rest = work[-1][1]
        fresh = next((target for target in rest if target not in seen), None)
        if fresh is None:
            yield work.pop()[0]
        else:
            seen.add(fresh)
            work.append((fresh, iter(following.get(fresh, ()))))


def _way(start: ObjectRef, goal: ObjectRef, edges_from: Mapping[ObjectRef, list[Edge]]) -> list[Edge]:
    """Shortest way from one node to another; empty when start is the goal or there is none."""
    came: dict[ObjectRef, Edge] = {}
    queue = [start]
    for ref in queue:
        if ref == goal:
            break
        for edge in edges_from.get(ref, ()):
            if edge.target not in came and edge.target != start:
                came[edge.target] = edge
                queue.append(edge.target)
    way: list[Edge] = []
    while goal != start and goal in came:
        way.append(came[goal])
        goal = came[goal].source
    return way[::-1]


def shortest_way(start: ObjectRef, goal: ObjectRef, edges: Iterable[Edge]) -> tuple[Edge, ...]:
    """Shortest way along edges, from a dependent to what it waits for; empty when there is none."""
    return tuple(_way(start, goal, _edges_from(edges)))


def cycle_error(edges: Sequence[Edge]) -> OrderingError:
    """The shortest cycle among edges that hold at least one, told edge by edge, with advice."""
    table = _edges_from(edges)
    cycles = []
    for edge in edges:
        back = _way(edge.target, edge.source, table)
        if back or edge.target == edge.source:
            cycles.append([edge, *back])
    shortest = min(cycles, key=len)
    # told from its smallest member on, wherever it was met
    first = min(range(len(shortest)), key=lambda i: shortest[i].source)
    cycle = shortest[first:] + shortest[:first]
    problem = Problem(
        where=f"cycle of {len(cycle)}",
        found="\n".join(map(str, cycle)),
        allowed="no object may, through others, wait for itself",
        mend=_advice(cycle),
    )
    return OrderingError("the objects wait for each other in a circle", [problem])


def _advice(cycle: Sequence[Edge]) -> str:
    """What to change, by the rules that made the cycle."""
    for edge in cycle:
        if edge.rule == "R5":
            return (
                f"the webhook refuses pods that it needs itself (https://book.kubebuilder.io/reference/webhook-bootstrap-problem):\n"
                f"leave {edge.source} out of {edge.target.kind} {edge.target.name}, by a label on its namespace\n"
                f"that the webhook's namespaceSelector excludes, or one on its pods that its objectSelector excludes"
            )
    if any(edge.target.group == GATE_GROUP for edge in cycle):
        return (
            "take one of these references away, narrow the webhook's namespaceSelector, objectSelector or rules, "
            "or remove an edge in the bundle's order.yaml"
        )
    return "take one of these references away, or remove an edge in the bundle's order.yaml"


def let_yield(edges: Iterable[Edge], rules: frozenset[str]) -> list[Edge]:
    """The edges, those of some rules marked as the first to cut. What the API server refuses without is never cut."""
    return [
        replace(edge, yields=Yields.ON_REQUEST) if edge.rule in rules and edge.strength is not Strength.HARD else edge
        for edge in edges
    ]
