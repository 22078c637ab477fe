"""The critical path: the least time in which the objects can be ready, however many are written at once and however fast.

Only what is true of any installer counts: edges without which the API server refuses the write, and what an object needs to
become ready (pods wait for what they mount, a Certificate for its issuer). Edges that this project keeps for other reasons would
make the path longer and the project look better; they are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlops.ordering import Edge, Graph, NamespaceMade, ObjectRef, Strength
from mlops.ordering.rule import GATE_GROUP
from mlops.ordering.topology import sort

Delay = Callable[[ObjectRef], float]
"""Object to seconds."""

_WORKLOADS = {"DaemonSet", "Deployment", "Job", "StatefulSet"}
# What a pod cannot start without: its account, what it mounts, and the webhooks that look at it.
_PODS_NEED = {"R5", "R10", "R12", "R13"}
_ISSUING = {"Certificate", "ClusterIssuer", "Issuer"}
# Its issuer, the CA of that, its controller.
_ISSUING_NEEDS = {"R14", "R22"}
# A namespace that a custom resource makes needs the controller that makes it.
_MAKING_NEEDS = {"R22", "override"}


@dataclass(frozen=True)
class Delays:
    """What the throw-away site's own waits are, known before a run because they are seeded.

    Attributes:
        start: a workload to the seconds from the creation of its pods until they are Ready (a Job's: until it has completed).
        act: a workload to the seconds from its Ready until it acts: answers as a webhook, injects, issues, makes a namespace.
    """

    start: Delay
    act: Delay


@dataclass(frozen=True)
class CriticalPath:
    """The longest chain.

    Attributes:
        seconds: its length.
        chain: objects and gates on it that take time, first to last, each with the seconds when it is ready.
    """

    seconds: float
    chain: tuple[tuple[ObjectRef, float], ...]


def critical_path(graph: Graph, delays: Delays) -> CriticalPath:
    """The longest chain of start delays over the edges that bind any installer.

    Args:
        graph: the objects.
        delays: what takes time.
    """
    makers = {gate.at for gate in graph.gates if isinstance(gate, NamespaceMade)}
    edges = [edge for edge in graph.edges if binds(edge, makers)]
    targets: dict[ObjectRef, list[ObjectRef]] = {}
    for edge in edges:
        targets.setdefault(edge.source, []).append(edge.target)
    ready: dict[ObjectRef, float] = {}
    came: dict[ObjectRef, ObjectRef | None] = {}
    for ref in sort([item.ref for item in graph.objects], edges):
        before = {target: ready[target] + _act(ref, target, delays) for target in targets.get(ref, ())}
        last = max(before, key=lambda target: (before[target], target), default=None)
        came[ref] = last
        ready[ref] = (before[last] if last is not None else 0.0) + (delays.start(ref) if ref.kind in _WORKLOADS else 0.0)
    chain: list[tuple[ObjectRef, float]] = []
    place = max(ready, key=lambda ref: (ready[ref], ref), default=None)
    seconds = 0.0 if place is None else ready[place]
    while place is not None:
        previous = came[place]
        if ready[place] > (0.0 if previous is None else ready[previous]):
            chain.append((place, ready[place]))
        place = previous
    return CriticalPath(seconds, tuple(reversed(chain)))


def binds(edge: Edge, makers: set[ObjectRef]) -> bool:
    """Whether any installer has to keep an edge for everything to be accepted, ready and not silently wrong.

    Args:
        edge: an edge of the graph.
        makers: custom resources that make namespaces.
    """
    if edge.strength is Strength.HARD:
        return True
    kind, rule = edge.source.kind, edge.rule
    if kind in _WORKLOADS:
        return rule in _PODS_NEED
    if kind in _ISSUING:
        return rule in _ISSUING_NEEDS
    return edge.source in makers and rule in _MAKING_NEEDS


def _act(ref: ObjectRef, target: ObjectRef, delays: Delays) -> float:
    """What waits for a controller or a webhook waits for its first act, not for its pods alone."""
    acted_on = ref.group == GATE_GROUP or ref.kind not in _WORKLOADS
    return delays.act(target) if acted_on and target.kind in _WORKLOADS else 0.0
