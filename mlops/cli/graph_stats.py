"""Figures of a graph by bundle or file: how much there is, and what it asks of the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mlops.bundles import images
from mlops.cli.graph_text import summary
from mlops.objectset.units import is_member
from mlops.ordering import Graph, KubeObject
from mlops.ordering.kinds import CRD_GROUP
from mlops.ordering.rule import GATE_GROUP
from mlops.ordering.view import workload

_LINE = 100  # bytes that a member of a set leaves in the state: its name and a digest
_COPIES = 3  # of any other object: inputs, outputs, and the provider's copy of the inputs
_REPLICAS = {
    "Job": "parallelism",
    **dict.fromkeys(("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"), "replicas"),
}


@dataclass
class _Figures:
    objects: int = 0
    definitions: int = 0
    edges: int = 0
    size: int = 0
    state: int = 0
    largest: int = 0
    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)
    storage: Decimal = Decimal(0)
    items: list[KubeObject] = field(default_factory=list)


def stats(order: Graph) -> Iterator[str]:
    """Figures by origin: objects, CRDs, edges, bytes, images, and what is asked of the cluster."""
    table: dict[str, _Figures] = {}
    for item in order.objects:
        for name in (_origin(item), "together"):
            _count(table.setdefault(name, _Figures()), item)
    for edge in order.edges:
        if edge.source.group != GATE_GROUP:
            table[_origin(order.object(edge.source))].edges += 1
        table["together"].edges += 1
    width = max(map(len, table), default=0)
    yield f"{'':{width}} objects  CRDs edges      bytes      state    largest images   CPU  memory volumes"
    for name in (*sorted(set(table) - {"together"}), *(["together"] if table else [])):
        f = table[name]
        yield (
            f"{name:{width}} {f.objects:>7} {f.definitions:>5} {f.edges:>5} {f.size:>10,} {f.state:>10,} {f.largest:>10,} "
            f"{len(images(f.items)):>6} {f.cpu.normalize():>5f} {f.memory / 2**20:>4.0f}Mi {f.storage / 2**30:>5.0f}Gi"
        )
    yield "bytes: objects as JSON."
    yield "state: estimated bytes in the engine's state; CRDs, RBAC, ConfigMaps and the like go in as sets and leave a line each."
    yield "CPU, memory: requests of all replicas; of a DaemonSet, those of one node."
    yield summary(order)


def _origin(item: KubeObject) -> str:
    return item.origin.partition(", document")[0] or "-"


def _count(figures: _Figures, item: KubeObject) -> None:
    size = len(json.dumps(item.body, separators=(",", ":")).encode())
    figures.objects += 1
    figures.definitions += item.group == CRD_GROUP
    figures.size += size
    figures.state += _LINE if is_member(item) else _COPIES * size
    figures.largest = max(figures.largest, size)
    figures.items.append(item)
    running = workload(item)
    replicas = item.spec.get(_REPLICAS.get(item.kind, ""))
    replicas = 1 if replicas is None else replicas
    if running:
        figures.cpu += replicas * _requests(running.pod, "cpu")
        figures.memory += replicas * _requests(running.pod, "memory")
    claims: list[tuple[int, Any]] = [(1, item.body)] if (item.group, item.kind) == ("", "PersistentVolumeClaim") else []
    if (item.group, item.kind) == ("apps", "StatefulSet"):
        claims += [(replicas, claim) for claim in item.spec.get("volumeClaimTemplates") or ()]
    for times, claim in claims:
        requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
        figures.storage += times * quantity(requests.get("storage"))


def _requests(pod: Any, resource: str) -> Decimal:
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
