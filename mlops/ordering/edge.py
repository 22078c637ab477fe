"""An edge of the graph, and an edge that was cut."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlops.ordering.objects import ObjectRef
from mlops.ordering.rule import Strength, Yields


@dataclass(frozen=True, slots=True)
class Edge:
    """``source`` comes after ``target``, because of ``rule``.

    Attributes:
        source: dependent object or gate.
        target: object or gate that comes first.
        rule: id of the rule; ``override`` for an edge that a person added.
        reason: one clause.
        strength: what happens when the edge is not kept.
        yields: whether it may be cut to break a cycle.
        origin: file and entry of an edge that a person added, empty for one that a rule sees.
    """

    source: ObjectRef
    target: ObjectRef
    rule: str
    reason: str
    strength: Strength
    yields: Yields = Yields.NEVER
    origin: str = field(default="", compare=False)

    def __str__(self) -> str:
        origin = f" ({self.origin})" if self.origin else ""
        return f"{self.source} -> {self.target} [{self.rule}, {self.strength.name.lower()}] {self.reason}{origin}"


@dataclass(frozen=True, slots=True)
class Cut:
    """An edge that is not kept, because it closes a cycle.

    Attributes:
        edge: the edge.
        cycle: the whole cycle, the edge first.
    """

    edge: Edge
    cycle: tuple[Edge, ...]

    def __str__(self) -> str:
        return f"cut: {self.edge} ({self.edge.yields.why}; it closes a cycle of {len(self.cycle)})"
