"""The form of a rule, and what a rule may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from mlops.ordering.kinds import Kinds
from mlops.ordering.objects import KubeObject, ObjectRef

GATE_GROUP = "gate"
WEBHOOK_CONFIGURATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_POD_TEMPLATE_KINDS = {
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("apps", "ReplicaSet"),
    ("batch", "Job"),
}


class Strength(Enum):
    """What happens when an edge is not kept."""

    HARD = "the API server refuses the write"
    SOFT = "stored, but not ready until the other is there"
    SILENT = "stored and ready, but wrong: no error will tell"


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """What a rule finds: ``source`` needs ``target`` first.

    Attributes:
        source: the dependent object (or gate).
        target: what must be there before; edges to objects outside the set are dropped by the graph.
        reason: why, one clause.
        strength: overrides the rule's own strength where the object decides (failurePolicy); None otherwise.
    """

    source: ObjectRef
    target: ObjectRef
    reason: str
    strength: Strength | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One piece of knowledge about order.

    Attributes:
        id: short stable name, e.g. ``R4``.
        says: the rule in one sentence.
        strength: what happens when it is not kept.
        find: the edges it sees in a set of objects; pure.
    """

    id: str
    says: str
    strength: Strength
    find: Callable[[View], Iterable[Found]]


class View:
    """The objects as rules want to see them, indexed once.

    Args:
        objects: objects, each once.
    """

    def __init__(self, objects: tuple[KubeObject, ...]) -> None:
        self.objects = objects
        self.by_ref = {item.ref: item for item in objects}
        self.kinds = Kinds(objects)

    @cached_property
    def _by_kind(self) -> dict[tuple[str, str], list[KubeObject]]:
        table: dict[tuple[str, str], list[KubeObject]] = {}
        for item in self.objects:
            table.setdefault((item.group, item.kind), []).append(item)
        return table

    def of_kind(self, group: str, *kinds: str) -> Iterator[KubeObject]:
        """Objects of a group and of one of the kinds."""
        for kind in kinds:
            yield from self._by_kind.get((group, kind), ())

    def of_group(self, group: str) -> Iterator[KubeObject]:
        """Objects of a group."""
        return (item for item in self.objects if item.group == group)

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        """Everything that runs pods."""
        return tuple(w for item in self.objects if (w := workload(item)))

    @cached_property
    def _workloads_in(self) -> dict[str, list[Workload]]:
        table: dict[str, list[Workload]] = {}
        for item in self.workloads:
            table.setdefault(item.ref.namespace, []).append(item)
        return table

    def workloads_behind(self, service: ObjectRef) -> tuple[ObjectRef, ...]:
        """Workloads whose pods a Service selects; empty for a Service without selector or outside the set."""
        item = self.by_ref.get(service)
        selector = (item.spec.get("selector") or {}) if item else {}
        if not selector:
            return ()
        return tuple(w.ref for w in self._workloads_in.get(service.namespace, ()) if selector.items() <= w.labels.items())

    def labels_of_namespace(self, name: str) -> Mapping[str, str] | None:
        """Labels of a namespace with the one that the API server adds, None when the namespace is not in the set."""
        item = self.by_ref.get(ObjectRef("", "Namespace", "", name))
        return None if item is None else {**item.labels, "kubernetes.io/metadata.name": name}


@dataclass(frozen=True, slots=True)
class Workload:
    """An object that runs pods.

    Attributes:
        ref: its identity.
        labels: labels of its pods.
        pod: pod spec.
    """

    ref: ObjectRef
    labels: Mapping[str, str]
    pod: Mapping[str, Any]

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """All containers, init containers included."""
        return [*(self.pod.get("initContainers") or ()), *(self.pod.get("containers") or ())]


def workload(item: KubeObject) -> Workload | None:
    """The workload in an object, None when it runs no pods."""
    if (item.group, item.kind) == ("", "Pod"):
        template: Mapping[str, Any] = item.body
    elif (item.group, item.kind) == ("batch", "CronJob"):
        template = ((item.spec.get("jobTemplate") or {}).get("spec") or {}).get("template") or {}
    elif (item.group, item.kind) in _POD_TEMPLATE_KINDS:
        template = item.spec.get("template") or {}
    else:
        return None
    return Workload(item.ref, (template.get("metadata") or {}).get("labels") or {}, template.get("spec") or {})


def gate_of(configuration: ObjectRef) -> ObjectRef:
    """The virtual node "the webhooks of this configuration are effective".

    Only a webhook configuration has one: it takes several objects (configuration, Service, workload, CA injector) to make its
    webhooks answer, and many objects wait for all of them. It is never written to a cluster.
    """
    return ObjectRef(GATE_GROUP, configuration.kind, "", configuration.name)
