"""The seeded delays of the throw-away site, per object: known before a run."""

from __future__ import annotations

from mlops.ordering import Graph, ObjectRef
from mlops.rehearsal.bench.critical import Delays
from mlops.rehearsal.controllers.table import acts_after_seconds, ready_after_seconds
from mlops.rehearsal.site.kwok import DELAY_ANNOTATION, JOB_MS, start_delay_seconds


def seeded(graph: Graph, *, seed: str, scale: float) -> Delays:
    """What the site will take for each workload.

    Args:
        graph: the objects.
        seed: seed of the site.
        scale: factor on the delays.
    """

    def start(ref: ObjectRef) -> float:
        template = graph.object(ref).spec.get("template") or {}
        annotations = (template.get("metadata") or {}).get("annotations") or {}
        told = annotations.get(DELAY_ANNOTATION)
        seconds = _seconds(told) if told else start_delay_seconds(seed, ref.namespace, ref.kind, ref.name, scale)
        if ref.kind == "Job":
            seconds += JOB_MS / 1000 * scale
        return seconds + ready_after_seconds(seed, ref.namespace, ref.name, scale)

    def act(ref: ObjectRef) -> float:
        known = seed, ref.namespace, ref.name, scale
        return acts_after_seconds(*known) - ready_after_seconds(*known)

    return Delays(start, act)


def _seconds(text: str) -> float:
    """A duration as kwok takes it, in milliseconds or seconds."""
    return float(text.removesuffix("ms")) / 1000 if text.endswith("ms") else float(text.removesuffix("s"))
