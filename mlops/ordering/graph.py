"""The graph of objects and gates: built by the rules, checked for cycles, asked for levels, dependencies and reasons."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mlops.errors import Problem
from mlops.ordering.gates import CrdEstablished, Gate, WebhookAnswers, WorkloadReady
from mlops.ordering.kinds import CRD_GROUP, Kinds
from mlops.ordering.objects import KubeObject, ObjectRef, OrderingError, duplicates
from mlops.ordering.rule import GATE_GROUP, Found, Rule, Strength, View
from mlops.ordering.rules import RULES
from mlops.ordering.rules_admission import gates as webhook_gates

_WAITED_FOR = {("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("batch", "Job")}


@dataclass(frozen=True, slots=True)
class Edge:
    """``source`` comes after ``target``, because of ``rule``.

    Attributes:
        source: dependent object or gate.
        target: object or gate that comes first.
        rule: id of the rule.
        reason: one clause.
        strength: what happens when the edge is not kept.
    """

    source: ObjectRef
    target: ObjectRef
    rule: str
    reason: str
    strength: Strength

    def __str__(self) -> str:
        return f"{self.source} -> {self.target} [{self.rule}, {self.strength.name.lower()}] {self.reason}"


@dataclass(frozen=True)
class Graph:
    """Objects in order. Nodes are objects and, between guarded objects and what makes a webhook answer, virtual gate nodes.

    Attributes:
        objects: the objects, sorted by identity.
        edges: all edges with rule and reason, sorted; ends are objects or gate nodes (:func:`mlops.ordering.rule.gate_of`).
        gates: all gates, sorted by the object they belong to.
        kinds: table of kinds, the CRDs of the set included.
    """

    objects: tuple[KubeObject, ...]
    edges: tuple[Edge, ...]
    gates: tuple[Gate, ...]
    kinds: Kinds = field(compare=False, repr=False)

    @cached_property
    def _edges_from(self) -> dict[ObjectRef, list[Edge]]:
        table: dict[ObjectRef, list[Edge]] = {}
        for edge in self.edges:
            table.setdefault(edge.source, []).append(edge)
        return table

    @cached_property
    def _order(self) -> tuple[ObjectRef, ...]:
        """Nodes, dependencies first, equals by identity."""
        return _sort([item.ref for item in self.objects], self.edges)

    @cached_property
    def _reduced(self) -> dict[ObjectRef, tuple[ObjectRef, ...]]:
        """Objects each object waits for directly: gates replaced by what they stand for, what follows from others left out."""
        bit = {ref: 1 << i for i, ref in enumerate(self._order)}
        reach: dict[ObjectRef, int] = {}  # all objects before a node, as a set of bits
        direct: dict[ObjectRef, set[ObjectRef]] = {}
        reduced = {}
        for ref in self._order:
            before: set[ObjectRef] = set()
            for edge in self._edges_from.get(ref, ()):
                before |= direct[edge.target] if edge.target.group == GATE_GROUP else {edge.target}
            direct[ref] = before
            implied = 0
            for target in before:
                implied |= reach[target]
            reach[ref] = implied
            for target in before:
                reach[ref] |= bit[target]
            if ref.group != GATE_GROUP:
                reduced[ref] = tuple(sorted(target for target in before if not implied & bit[target]))
        return reduced

    @cached_property
    def _by_ref(self) -> dict[ObjectRef, KubeObject]:
        return {item.ref: item for item in self.objects}

    def object(self, ref: ObjectRef) -> KubeObject:
        """The object of an identity.

        Raises:
            KeyError: not in the set.
        """
        return self._by_ref[ref]

    def in_order(self) -> tuple[KubeObject, ...]:
        """The objects, each after all that it waits for."""
        return tuple(self._by_ref[ref] for ref in self._order if ref.group != GATE_GROUP)

    def dependencies(self, ref: ObjectRef) -> tuple[ObjectRef, ...]:
        """Objects that an object waits for directly, after transitive reduction: enough to keep the whole order.

        Raises:
            KeyError: not in the set.
        """
        return self._reduced[ref]

    def levels(self) -> tuple[tuple[ObjectRef, ...], ...]:
        """Objects by length of the longest chain before them; no object waits for one of its own level."""
        depth: dict[ObjectRef, int] = {}
        for item in self.in_order():
            depth[item.ref] = max((depth[target] + 1 for target in self._reduced[item.ref]), default=0)
        levels: list[list[ObjectRef]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
        for ref, level in depth.items():
            levels[level].append(ref)
        return tuple(tuple(sorted(level)) for level in levels)

    def why(self, ref: ObjectRef) -> tuple[Edge, ...]:
        """Every edge that holds an object back, those of the gates it has to pass included.

        Raises:
            KeyError: not in the set.
        """
        self.object(ref)
        edges = self._edges_from.get(ref, [])
        return (*edges, *(e for edge in edges if edge.target.group == GATE_GROUP for e in self._edges_from.get(edge.target, ())))

    def gates_before(self, ref: ObjectRef) -> tuple[WebhookAnswers, ...]:
        """Gates to pass before an object is written."""
        return tuple(gate for gate in self.gates if gate.at == ref and isinstance(gate, WebhookAnswers))

    def gates_after(self, ref: ObjectRef) -> tuple[CrdEstablished | WorkloadReady, ...]:
        """Gates after which an object counts as there."""
        return tuple(gate for gate in self.gates if gate.at == ref and not isinstance(gate, WebhookAnswers))


def build_graph(objects: Iterable[KubeObject], rules: Sequence[Rule] = RULES) -> Graph:
    """Put objects in order.

    Args:
        objects: objects of any origin, in any order; the result does not depend on the order.
        rules: rules to apply.

    Raises:
        OrderingError: an object twice, an object in the wrong scope, or a cycle.
    """
    ordered = tuple(sorted(objects, key=lambda item: item.ref))
    view = View(ordered)
    problems = [*duplicates(ordered), *_scope_problems(view)]
    if problems:
        raise OrderingError("the objects cannot be put in order", problems)
    known = set(view.by_ref)
    edges = {}
    for rule in rules:
        for found in rule.find(view):
            if found.target in known or found.target.group == GATE_GROUP:
                edge = _edge(rule, found)
                edges[edge.source, edge.target, edge.rule, edge.reason] = edge
    result = tuple(edges[key] for key in sorted(edges))
    _sort([item.ref for item in ordered], result)  # a cycle is an error of the set, not of the first question
    gates: list[Gate] = [*webhook_gates(view), *_gates_after(ordered)]
    return Graph(ordered, result, tuple(sorted(gates, key=lambda gate: (gate.at, type(gate).__name__, gate.reason))), view.kinds)


def _edge(rule: Rule, found: Found) -> Edge:
    return Edge(found.source, found.target, rule.id, found.reason, found.strength or rule.strength)


def _scope_problems(view: View) -> Iterable[Problem]:
    for item in view.objects:
        kind = view.kinds.get(item.group, item.kind)
        if kind and kind.namespaced and not item.namespace:
            yield Problem(
                f"{item.ref} ({item.origin})",
                "no metadata.namespace",
                "a namespace: the kind is namespaced",
                "set it in an overlay",
            )
        if kind and not kind.namespaced and item.namespace:
            yield Problem(f"{item.ref} ({item.origin})", f"metadata.namespace {item.namespace}", "none: the kind is cluster-wide")


def _gates_after(objects: Iterable[KubeObject]) -> Iterable[Gate]:
    for item in objects:
        if (item.group, item.kind) == (CRD_GROUP, "CustomResourceDefinition"):
            yield CrdEstablished(item.ref, "objects of its kind are refused until it is established")
        elif (item.group, item.kind) in _WAITED_FOR:
            yield WorkloadReady(item.ref, "what needs it needs its pods, not its name")


def _sort(refs: Iterable[ObjectRef], edges: Iterable[Edge]) -> tuple[ObjectRef, ...]:
    """Topological order, dependencies first, equals by identity.

    Raises:
        OrderingError: there is a cycle; the shortest one is printed with the rules that made it.
    """
    waiting: dict[ObjectRef, set[ObjectRef]] = {ref: set() for ref in refs}
    dependents: dict[ObjectRef, list[ObjectRef]] = {}
    for edge in edges:
        waiting.setdefault(edge.target, set())
        known = waiting.setdefault(edge.source, set())
        if edge.target not in known:
            known.add(edge.target)
            dependents.setdefault(edge.target, []).append(edge.source)
    ready = [ref for ref, targets in waiting.items() if not targets]
    heapq.heapify(ready)
    done = []
    while ready:
        ref = heapq.heappop(ready)
        done.append(ref)
        for dependent in dependents.get(ref, ()):
            waiting[dependent].discard(ref)
            if not waiting[dependent]:
                heapq.heappush(ready, dependent)
    if len(done) < len(waiting):
        left = set(waiting) - set(done)
        raise _cycle_error([edge for edge in edges if edge.source in left and edge.target in left])
    return tuple(done)


def _cycle_error(edges: Sequence[Edge]) -> OrderingError:
    """The shortest cycle among edges that hold at least one, told edge by edge."""
    edges_from: dict[ObjectRef, list[Edge]] = {}
    for edge in edges:
        edges_from.setdefault(edge.source, []).append(edge)
    cycles = [cycle for start in sorted(edges_from) if (cycle := _shortest_way_back(start, edges_from))]
    cycle = min(cycles, key=len)
    problem = Problem(
        where=f"cycle of {len(cycle)}",
        found="\n".join(map(str, cycle)),
        allowed="no object may, through others, wait for itself",
        mend="take one of these references away, or narrow the webhook's namespaceSelector, objectSelector or rules",
    )
    return OrderingError("the objects wait for each other in a circle", [problem])


def _shortest_way_back(start: ObjectRef, edges_from: dict[ObjectRef, list[Edge]]) -> list[Edge]:
    """Breadth-first search from a node to itself; empty when there is no way back."""
    ways: dict[ObjectRef, list[Edge]] = {start: []}
    queue = [start]
    for ref in queue:
        for edge in edges_from.get(ref, ()):
            if edge.target == start:
                return [*ways[ref], edge]
            if edge.target not in ways:
                ways[edge.target] = [*ways[ref], edge]
                queue.append(edge.target)
    return []
