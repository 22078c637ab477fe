"""The mutation test of the order: without a hard edge some write is refused, or the edge is questioned.

An override takes an edge away, and a refused write names its object. So one run can take one edge away at each of many objects,
as long as none of them waits for another: what is refused at an object is then put down to the edge that is missing there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlops.ordering import Graph, ObjectRef, Strength
from mlops.ordering.rule import GATE_GROUP
from mlops.ordering.topology import sort
from mlops.ordering.view import ADMISSION

LATE = ObjectRef("batch", "Job", "default", "late")
"""A Job that takes :data:`LATE_SECONDS`, in the projects of the mutation test only."""
LATE_SECONDS = 60
"""Longer than anything else that an object may wait for."""
_LEADING_TO_BACKENDS = ("R14", "R22")


@dataclass(frozen=True, slots=True, order=True)
class Mutation:
    """A hard edge that is taken away.

    Attributes:
        source: object that waits.
        target: object, or gate, that it waits for.
        rules: rules that make the edge; all of them are taken away.
    """

    source: ObjectRef
    target: ObjectRef
    rules: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.source} -> {self.target} [{', '.join(self.rules)}]"

    def overrides(self) -> dict[str, list[dict[str, str]]]:
        """Sections of an ``order.yaml`` that take the edge away, and let the loss be seen."""
        if self.target.group == GATE_GROUP and self.target.kind.endswith("WebhookConfiguration"):
            return self._without_gate()
        remove = [_entry(self.source, self.target, rule) for rule in self.rules]
        # what the object waited for comes late
        return {"remove": remove, "add": [] if self.target.group == GATE_GROUP else [_entry(self.target, LATE)]}

    def _without_gate(self) -> dict[str, list[dict[str, str]]]:
        """One backend answers for several gates, and soft edges lead to it as well: without all of these.

        The guard comes before its backend and before the object: as long as there is no guard nothing is refused.
        """
        configuration = ObjectRef(ADMISSION, self.target.kind, "", self.target.name)
        remove = [_entry(self.source, "*.gate *", "R4"), *(_entry(self.source, "*", rule) for rule in _LEADING_TO_BACKENDS)]
        return {"remove": [*remove, _entry(configuration, "*", "R7")], "add": [_entry(self.source, configuration)]}


def _entry(source: ObjectRef, target: ObjectRef | str, rule: str | None = None) -> dict[str, str]:
    return {"from": str(source), "to": str(target), "reason": "mutation test", **({"rule": rule} if rule else {})}


@dataclass(frozen=True)
class MutationPlan:
    """What is tested, and what is not.

    Attributes:
        runs: edges by run; within a run no source waits for another one.
        implied: number of hard edges that follow from others: without them the order is the same.
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
    """Which nodes come before which, gates included; sets of nodes as integers."""

    def __init__(self, graph: Graph) -> None:
        nodes = sort([item.ref for item in graph.objects], graph.edges)
        self.bit = {ref: 1 << place for place, ref in enumerate(nodes)}
        self.targets: dict[ObjectRef, set[ObjectRef]] = {ref: set() for ref in nodes}
        for edge in graph.edges:
            self.targets[edge.source].add(edge.target)
        self.before: dict[ObjectRef, int] = {}
        for ref in nodes:
            self.before[ref] = 0
            for target in self.targets[ref]:
                self.before[ref] |= self.before[target] | self.bit[target]

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


def plan(graph: Graph) -> MutationPlan:
    """Plans the runs that take every hard edge away once, as far as the order depends on it.

    Args:
        graph: the objects.
    """
    reach = _Reach(graph)
    rules: dict[tuple[ObjectRef, ObjectRef], set[str]] = {}
    hard: set[tuple[ObjectRef, ObjectRef]] = set()
    for edge in graph.edges:
        ends = edge.source, edge.target
        rules.setdefault(ends, set()).add(edge.rule)
        if edge.strength is Strength.HARD:
            hard.add(ends)
    of_objects = {ends for ends in hard if ends[0].group != GATE_GROUP}
    tested = [ends for ends in sorted(of_objects) if not reach.implied(*ends)]
    mutations = [Mutation(source, target, tuple(sorted(rules[source, target]))) for source, target in tested]
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
