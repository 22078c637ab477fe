"""The graph of objects and gates: asked for levels, dependencies, ways, reasons, and the order of removal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from mlops.errors import Problem
from mlops.ordering import deletion
from mlops.ordering.edge import Cut, Edge
from mlops.ordering.errors import OrderingError
from mlops.ordering.gates import CaBundlePresent, Gate, GateAfter, NamespaceMade, WebhookAnswers
from mlops.ordering.kinds import Kinds
from mlops.ordering.objects import KubeObject, ObjectRef
from mlops.ordering.rule import GATE_GROUP
from mlops.ordering.topology import reduce, shortest_way, sort
from mlops.ordering.view import View


@dataclass(frozen=True)
class Graph:
    """Objects in order. Nodes are objects and, between guarded objects and what makes a webhook answer, virtual gate nodes.

    Attributes:
        objects: the objects, sorted by identity.
        edges: all edges with rule and reason, sorted; ends are objects or gate nodes (:func:`mlops.ordering.rule.gate_of`).
        gates: all gates, sorted by the object they belong to.
        cuts: edges that are not kept, because each closes a cycle.
        findings: what is missing or ambiguous among the objects; a part of something bigger may well have some.
    """

    objects: tuple[KubeObject, ...]
    edges: tuple[Edge, ...]
    gates: tuple[Gate, ...]
    cuts: tuple[Cut, ...]
    findings: tuple[Problem, ...]
    _view: View = field(compare=False, repr=False)

    @property
    def kinds(self) -> Kinds:
        """Table of kinds, the CRDs of the set included."""
        return self._view.kinds

    @cached_property
    def _edges_from(self) -> dict[ObjectRef, list[Edge]]:
        table: dict[ObjectRef, list[Edge]] = {}
        for edge in self.edges:
            table.setdefault(edge.source, []).append(edge)
        return table

    @cached_property
    def _order(self) -> tuple[ObjectRef, ...]:
        """Nodes, dependencies first, equals by identity."""
        return sort([item.ref for item in self.objects], self.edges)

    @cached_property
    def _reduced(self) -> dict[ObjectRef, tuple[ObjectRef, ...]]:
        """Objects each object waits for directly: gates replaced by what they stand for, what follows from others left out."""
        direct: dict[ObjectRef, set[ObjectRef]] = {}
        for ref in self._order:
            before: set[ObjectRef] = set()
            for edge in self._edges_from.get(ref, ()):
                before |= direct[edge.target] if edge.target.group == GATE_GROUP else {edge.target}
            direct[ref] = before
        objects = {ref: before for ref, before in direct.items() if ref.group != GATE_GROUP}
        return {ref: tuple(sorted(targets)) for ref, targets in reduce(objects).items()}

    @cached_property
    def _by_ref(self) -> dict[ObjectRef, KubeObject]:
        return {item.ref: item for item in self.objects}

    def object(self, ref: ObjectRef) -> KubeObject:
        """The object of an identity.

        Raises:
            KeyError: not in the set.
        """
        return self._by_ref[ref]

    def identify(self, item: KubeObject) -> ObjectRef:
        """Identity of an object in the graph, which leaves out the namespace of cluster-wide kinds."""
        kind = self.kinds.get(item.group, item.kind)
        return ObjectRef(item.group, item.kind, (item.namespace or "") if kind is None or kind.namespaced else "", item.name)

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

    @cached_property
    def _gates_at(self) -> dict[ObjectRef, list[Gate]]:
        table: dict[ObjectRef, list[Gate]] = {}
        for gate in self.gates:
            table.setdefault(gate.at, []).append(gate)
        return table

    def gates_before(self, ref: ObjectRef) -> tuple[WebhookAnswers, ...]:
        """Webhooks that must answer before an object is written: each proved by a dry-run of the object itself."""
        return tuple(g for g in self._gates_at.get(ref, ()) if isinstance(g, WebhookAnswers) and g.probe == "itself")

    def pod_gates_before(self, ref: ObjectRef) -> tuple[WebhookAnswers, ...]:
        """Webhooks that must answer before the pods of a workload are created: each proved by a dry-run of :meth:`pod_of`."""
        return tuple(g for g in self._gates_at.get(ref, ()) if isinstance(g, WebhookAnswers) and g.probe == "its pods")

    def bundles_before(self, ref: ObjectRef) -> tuple[CaBundlePresent, ...]:
        """Configurations that must carry their CA before an object is written."""
        return tuple(g for g in self._gates_at.get(ref, ()) if isinstance(g, CaBundlePresent))

    @cached_property
    def _made(self) -> dict[str, NamespaceMade]:
        return {gate.namespace: gate for gate in reversed(self.gates) if isinstance(gate, NamespaceMade)}

    def namespace_before(self, ref: ObjectRef) -> NamespaceMade | None:
        """The gate of the namespace that an object lies in, where a controller makes it; None where it is written."""
        return self._made.get(ref.namespace) if ref.namespace else None

    def has_gates(self, ref: ObjectRef) -> bool:
        """Whether anything has to be asked before an object is written."""
        before = (self.namespace_before, self.bundles_before, self.gates_before, self.pod_gates_before)
        return any(gates(ref) for gates in before)

    def gates_after(self, ref: ObjectRef) -> tuple[GateAfter, ...]:
        """Gates after which an object counts as there."""
        return tuple(g for g in self._gates_at.get(ref, ()) if not isinstance(g, WebhookAnswers | CaBundlePresent))

    def pod_of(self, ref: ObjectRef) -> KubeObject:
        """A pod of a workload as admission sees it.

        Raises:
            KeyError: no workload of the set.
        """
        return self._view.workload_of[ref].as_pod

    def way(self, source: ObjectRef, target: ObjectRef) -> tuple[Edge, ...]:
        """Shortest chain of edges by which an object waits for another; empty when it does not."""
        return shortest_way(source, target, self.edges)

    def critical_path(self, cost: Callable[[ObjectRef], float] = lambda _: 1.0) -> tuple[ObjectRef, ...]:
        """The chain of objects, first to last, that takes longest however many are written at once.

        Args:
            cost: what it takes to write an object and to see it ready, in any unit; every object the same by default.
        """
        total: dict[ObjectRef, float] = {}
        before: dict[ObjectRef, ObjectRef | None] = {}
        for item in self.in_order():
            last = max(self._reduced[item.ref], key=lambda ref: (total[ref], ref), default=None)
            before[item.ref] = last
            total[item.ref] = cost(item.ref) + (total[last] if last is not None else 0.0)
        chain: list[ObjectRef] = []
        ref = max(total, key=lambda ref: (total[ref], ref), default=None)
        while ref is not None:
            chain.append(ref)
            ref = before[ref]
        return tuple(reversed(chain))

    @cached_property
    def removal(self) -> deletion.Removal:
        """The order of removal."""
        return deletion.removal(self._view, self.edges)

    def deletion_order(self) -> tuple[ObjectRef, ...]:
        """The objects in the order in which to remove them, one by one."""
        return self.removal.order

    def require_complete(self) -> None:
        """Insist that nothing is missing or ambiguous: for a whole platform, where nothing else is in the cluster.

        Raises:
            OrderingError: all findings.
        """
        if self.findings:
            raise OrderingError("the objects are no whole", self.findings)
