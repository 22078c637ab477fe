"""The mutation test of the order: without a hard edge some write is refused, or the edge is questioned.

An override takes an edge away, and a refused write names its object. So one run can take one edge away at each of many objects,
as long as none of them waits for another: what is refused at an object is then put down to the edge that is missing there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter

from mlops.ordering import Graph, ObjectRef, Strength, Unit
from mlops.ordering.rule import GATE_GROUP
from mlops.ordering.view import ADMISSION

LATE = ObjectRef("batch", "Job", "default", "late")
"""A Job that takes :data:`LATE_SECONDS`, in the projects of the mutation test only."""
LATE_SECONDS = 60
"""Longer than anything else that an object may wait for."""
_LEADING_TO_BACKENDS = ("R14", "R22")


@dataclass(frozen=True, slots=True, order=True)
class Mutation:
    """Hard edges between two steps, taken away together.

    Attributes:
        source: the first object of the step that waits.
        target: the first object of the step, or the gate, that it waits for.
        rules: rules that make the edges; all of them are taken away.
        edges: what is taken away, all edges between objects of the two steps: source, target and rule.
    """

    source: ObjectRef
    target: ObjectRef
    rules: tuple[str, ...]
    edges: tuple[tuple[ObjectRef, ObjectRef, str], ...]

    def __str__(self) -> str:
        return f"{self.source} -> {self.target} [{', '.join(self.rules)}]"

    @property
    def sources(self) -> tuple[ObjectRef, ...]:
        """Objects that lose an edge."""
        return tuple(sorted({source for source, _, _ in self.edges}))

    def overrides(self) -> dict[str, list[dict[str, str]]]:
        """Sections of an ``order.yaml`` that take the edges away, and let the loss be seen."""
        if self.target.group == GATE_GROUP and self.target.kind.endswith("WebhookConfiguration"):
            return self._without_gate()
        remove = [_entry(*edge) for edge in self.edges]
        # what the object waited for comes late
        return {"remove": remove, "add": [] if self.target.group == GATE_GROUP else [_entry(self.target, LATE)]}

    def _without_gate(self) -> dict[str, list[dict[str, str]]]:
        """One backend answers for several gates, and soft edges lead to it as well: without all of these.

        The guard comes before its backend and before the object: as long as there is no guard nothing is refused.
        """
        configuration = ObjectRef(ADMISSION, self.target.kind, "", self.target.name)
        remove = [_entry(configuration, "*", "R7")]
        for source in self.sources:
            remove += [_entry(source, "*.gate *", "R4"), *(_entry(source, "*", rule) for rule in _LEADING_TO_BACKENDS)]
        return {"remove": remove, "add": [_entry(source, configuration) for source in self.sources]}


def _entry(source: ObjectRef, target: ObjectRef | str, rule: str | None = None) -> dict[str, str]:
    return {"from": str(source), "to": str(target), "reason": "mutation test", **({"rule": rule} if rule else {})}


@dataclass(frozen=True)
class MutationPlan:
    """What is tested, and what is not.

    Attributes:
        runs: edges by run; within a run no source waits for another one.
        implied: number of pairs of steps whose hard edges follow from others: without them the order is the same.
        behind_gates: number of hard edges from a gate to what stands behind it. The gate asks the webhook itself before each
            guarded object, so these only keep workers from waiting; they are tested by taking the gate away as a whole.
    """

    runs: tuple[tuple[Mutation, ...], ...]
    implied: int
    behind_gates: int

    @property
    def mutations(self) -> tuple[Mutation, ...]:
        """All edges that are tested."""
        return tuple(mutation for run in self.runs for mutation in run)


class _Reach:
    """Which steps come before which, gates included; sets of nodes as integers. A step is named by its first object."""

    def __init__(self, graph: Graph, steps: Iterable[Unit]) -> None:
        self._first = {item.ref: step.members[0].ref for step in steps for item in step.members}
        self.targets: dict[ObjectRef, set[ObjectRef]] = {self.step(ref): set() for ref in self._first}
        for edge in graph.edges:
            source, target = self.step(edge.source), self.step(edge.target)
            if source != target:
                self.targets.setdefault(source, set()).add(target)
        nodes = tuple(TopologicalSorter({node: sorted(targets) for node, targets in self.targets.items()}).static_order())
        self.bit = {ref: 1 << place for place, ref in enumerate(nodes)}
        self.before: dict[ObjectRef, int] = {}
        for ref in nodes:
            self.before[ref] = 0
            for target in self.targets.get(ref, ()):
                self.before[ref] |= self.before[target] | self.bit[target]

    def step(self, ref: ObjectRef) -> ObjectRef:
        """The node that stands for an object; a gate stands for itself."""
        return self._first.get(ref, ref)

    def before_without(self, source: ObjectRef, target: ObjectRef) -> int:
        """What comes before the source even without the edge to the target."""
        found = 0
        for other in self.targets[source]:
            if other != target:
                found |= self.before[other] | self.bit[other]
        return found

    def implied(self, source: ObjectRef, target: ObjectRef) -> bool:
        """Whether the source comes after the target even without the edge between them."""
        return bool(self.before_without(source, target) & self.bit[target])


def plan(graph: Graph, steps: Iterable[Unit]) -> MutationPlan:
    """Plans the runs that take every hard edge away once, as far as the order depends on it.

    Args:
        graph: the objects.
        steps: what is written together (:func:`mlops.objectset.units.units`): edges within a step are left to it, and those between
            two steps are taken away together.
    """
    reach = _Reach(graph, steps)
    edges: dict[tuple[ObjectRef, ObjectRef], list[tuple[ObjectRef, ObjectRef, str]]] = {}
    hard: set[tuple[ObjectRef, ObjectRef]] = set()
    for edge in graph.edges:
        ends = reach.step(edge.source), reach.step(edge.target)
        edges.setdefault(ends, []).append((edge.source, edge.target, edge.rule))
        if edge.strength is Strength.HARD and ends[0] != ends[1]:
            hard.add(ends)
    of_objects = {ends for ends in hard if ends[0].group != GATE_GROUP}
    tested = [ends for ends in sorted(of_objects) if not reach.implied(*ends)]
    rules = {ends: tuple(sorted({rule for _, _, rule in edges[ends]})) for ends in tested}
    mutations = [Mutation(*ends, rules[ends], tuple(sorted(edges[ends]))) for ends in tested]
    return MutationPlan(_runs(mutations, reach), len(of_objects) - len(tested), len(hard) - len(of_objects))


@dataclass
class _Run:
    """Sets of nodes as integers: sources, all that comes before them, that without the missing edges, and what comes late."""

    mutations: list[Mutation]
    sources: int = 0
    before: int = 0
    still_before: int = 0
    late: int = 0


def _runs(mutations: Iterable[Mutation], reach: _Reach) -> tuple[tuple[Mutation, ...], ...]:
    """First fit, the objects with most before them first.

    An object that still waits for something that comes late for the sake of another one would not come early enough to be refused.
    """
    runs: list[_Run] = []
    for mutation in sorted(mutations, key=lambda m: (-reach.before[m.source].bit_count(), m)):
        own, before = reach.bit[mutation.source], reach.before[mutation.source]
        still = reach.before_without(mutation.source, mutation.target)
        late = 0 if mutation.target.group == GATE_GROUP else reach.bit[mutation.target]
        for run in runs:
            apart = not own & (run.sources | run.before) and not before & run.sources
            if apart and not still & run.late and not late & run.still_before:
                break
        else:
            runs.append(run := _Run([]))
        run.mutations.append(mutation)
        run.sources |= own
        run.before |= before
        run.still_before |= still
        run.late |= late
    return tuple(tuple(sorted(run.mutations)) for run in runs)


def closure(graph: Graph, roots: Iterable[ObjectRef]) -> frozenset[ObjectRef]:
    """Objects and all that they wait for, directly or not; gates are passed through and left out.

    Args:
        graph: the objects.
        roots: where to begin.
    """
    targets: dict[ObjectRef, list[ObjectRef]] = {}
    for edge in graph.edges:
        targets.setdefault(edge.source, []).append(edge.target)
    seen: set[ObjectRef] = set()
    work: list[ObjectRef] = list(roots)
    while work:
        ref = work.pop()
        if ref not in seen:
            seen.add(ref)
            work.extend(targets.get(ref, ()))
    return frozenset(ref for ref in seen if ref.group != GATE_GROUP)


def guarded(graph: Graph) -> tuple[ObjectRef, ...]:
    """Objects that webhooks look at."""
    return tuple(item.ref for item in graph.objects if graph.gates_before(item.ref))
