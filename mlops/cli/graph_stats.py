"""Figures of a graph by bundle or file: how much there is, and what it asks of the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mlops.bundles import images
from mlops.bundles.requests import quantity, replicas, requests
from mlops.cli.graph_text import summary
from mlops.objectset.units import is_member
from mlops.ordering import Graph, KubeObject
from mlops.ordering.kinds import CRD_GROUP
from mlops.ordering.rule import GATE_GROUP
from mlops.ordering.view import workload

_LINE = 100  # bytes that a member of a set leaves in the state: its name and a digest
_COPIES = 3  # of any other object: inputs, outputs, and the provider's copy of the inputs


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
    count = replicas(item)
    if running:
        figures.cpu += count * requests(running.pod, "cpu")
        figures.memory += count * requests(running.pod, "memory")
    claims: list[tuple[int, Any]] = [(1, item.body)] if (item.group, item.kind) == ("", "PersistentVolumeClaim") else []
    if (item.group, item.kind) == ("apps", "StatefulSet"):
        claims += [(count, claim) for claim in item.spec.get("volumeClaimTemplates") or ()]
    for times, claim in claims:
        asked = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
        figures.storage += times * quantity(asked.get("storage"))
