"""The form of a rule: one piece of knowledge about order, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from mlops.ordering.objects import ObjectRef
from mlops.ordering.view import View

GATE_GROUP = "gate"


class Strength(Enum):
    """What happens when an edge is not kept."""

    HARD = "the API server refuses the write"
    SOFT = "stored, but not ready until the other is there"
    SILENT = "stored and ready, but wrong: no error will tell"


class Yields(Enum):
    """Whether an edge may be cut to break a cycle, and before which others; smaller goes first."""

    DELETION = 0, "it is wished for on removal only, and the order of creation comes first"
    ON_REQUEST = 1, "an override says that its rule may be ignored where it closes a cycle"
    DIALLED = 2, "a name in a pod's settings is a guess"
    CONTROLLER = 3, "a controller works on its objects whenever it comes"
    TARGET = 4, "what follows another object looks for it again and again"
    IGNORED = 5, "the write goes through, unseen by the webhook"
    RIGHTS = 6, "a controller asks again until it has its rights"
    NEVER = 9, "never cut"

    @property
    def place(self) -> int:
        """Place in the order of cuts."""
        return int(self.value[0])

    @property
    def why(self) -> str:
        """Why the cut does little harm."""
        return str(self.value[1])


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule finds: ``source`` needs ``target`` first.

    Attributes:
        source: the dependent object (or gate).
        target: what must be there before; edges to objects outside the set are dropped by the graph.
        reason: why, one clause.
        strength: overrides the rule's own strength where the object decides (failurePolicy); None otherwise.
        yields: overrides the rule's own place in the order of cuts; None otherwise.
    """

    source: ObjectRef
    target: ObjectRef
    reason: str
    strength: Strength | None = None
    yields: Yields | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One piece of knowledge about order.

    Attributes:
        id: short stable name, e.g. ``R4``.
        says: the rule in one sentence.
        strength: what happens when it is not kept.
        find: the edges it sees in a set of objects; pure.
        yields: whether its edges may be cut to break a cycle.
    """

    id: str
    says: str
    strength: Strength
    find: Callable[[View], Iterable[Found]]
    yields: Yields = Yields.NEVER


def gate_of(effective: ObjectRef) -> ObjectRef:
    """The virtual node "this is effective": webhooks of a configuration, or conversion webhook of a CRD.

    It takes several objects (configuration, Service, workload, CA injector) to make a webhook answer, and many objects wait for all
    of them. The node stands between the two; it is never written to a cluster.
    """
    return ObjectRef(GATE_GROUP, effective.kind, "", effective.name)
