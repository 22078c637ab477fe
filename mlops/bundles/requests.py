"""What objects ask of a cluster's nodes: processors, memory, pods, and the registries of their images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mlops.bundles.images import images
from mlops.ordering import KubeObject
from mlops.ordering.kinds import CRD_GROUP
from mlops.ordering.view import workload

REPLICAS = {
    "Job": "parallelism",
    **dict.fromkeys(("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"), "replicas"),
}
_PER_NODE = "DaemonSet"


@dataclass(frozen=True, slots=True)
class Demand:
    """Sums of requests.

    Attributes:
        cpu: processors that all replicas ask for.
        memory: bytes that all replicas ask for.
        pods: their number.
        node_cpu: processors that DaemonSets ask for on each node.
        node_memory: bytes that DaemonSets ask for on each node.
        node_pods: pods of DaemonSets on each node.
        registries: registries of all images, as images name them.
    """

    cpu: float = 0
    memory: int = 0
    pods: int = 0
    node_cpu: float = 0
    node_memory: int = 0
    node_pods: int = 0
    registries: tuple[str, ...] = ()


def demand(objects: Iterable[KubeObject]) -> Demand:
    """What the pods of objects ask for, as the scheduler counts it."""
    items = tuple(objects)
    shared, each = [Decimal(0)] * 3, [Decimal(0)] * 3
    for item in items:
        running = workload(item)
        if not running:
            continue
        table, count = (each, 1) if item.kind == _PER_NODE else (shared, replicas(item))
        table[0] += count * requests(running.pod, "cpu")
        table[1] += count * requests(running.pod, "memory")
        table[2] += count
    # a definition of a kind is large and names no image
    registries = sorted({registry_of(image) for image in images(item for item in items if item.group != CRD_GROUP)})
    return Demand(float(shared[0]), int(shared[1]), int(shared[2]), float(each[0]), int(each[1]), int(each[2]), tuple(registries))


def replicas(item: KubeObject) -> int:
    """Pods that run at once; 1 when it does not say."""
    found = item.spec.get(REPLICAS.get(item.kind, ""))
    return 1 if found is None else int(found)


def registry_of(image: str) -> str:
    """Registry of an image; ``docker.io`` when it names none.

    Source: distribution/reference, splitDockerDomain.
    """
    first, slash, _ = image.partition("/")
    return first if slash and (first == "localhost" or "." in first or ":" in first) else "docker.io"


def requests(pod: Any, resource: str) -> Decimal:
    """What a pod asks for: its containers together, or its greediest init container when that is more."""

    def asked(containers: Iterable[Any]) -> list[Decimal]:
        return [quantity(((c.get("resources") or {}).get("requests") or {}).get(resource)) for c in containers]

    together = sum(asked(pod.get("containers") or ()), Decimal(0))
    return max([together, *asked(pod.get("initContainers") or ())])


_UNITS = {unit: Decimal(1000) ** -power for power, unit in enumerate("mun", 1)}
_UNITS |= {unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)}
_UNITS |= {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)}


def quantity(value: object) -> Decimal:
    """A Kubernetes quantity as a number; nothing is 0. What is none is refused before (:mod:`mlops.ordering.forms`).

    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    text = str(value or 0).strip()
    unit = next((unit for unit in sorted(_UNITS, key=len, reverse=True) if text.endswith(unit)), "")
    return Decimal(text.removesuffix(unit)) * _UNITS.get(unit, 1)
