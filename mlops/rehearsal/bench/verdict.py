"""What became of the edges that were taken away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from mlops.ordering import Graph, ObjectRef
from mlops.rehearsal.bench.mutation import Mutation
from mlops.rehearsal.bench.outcome import Outcome


class Verdict(Enum):
    """What happened at the object of a missing edge, the clearest first."""

    REFUSED = "the API server refused the write"
    FAILED = "the provider found no such kind, and gave up or tried again: no request, so no refused write"
    HELD = "a gate before the object still held it back"
    NOTHING = "nothing: the edge is questioned"


def verdict(graph: Graph, mutation: Mutation, outcome: Outcome) -> Verdict:
    """What a run showed of one of its missing edges.

    Args:
        graph: the objects.
        mutation: the edge.
        outcome: of the run that tested it.
    """
    requested = {requested_as(graph, source) for source in mutation.sources}
    if requested & set(outcome.refused_at):
        return Verdict.REFUSED
    names = tuple(map(resource_name, mutation.sources))
    if any(failed.endswith(names) for failed in (*outcome.failed_at, *outcome.retried_at)):
        return Verdict.FAILED
    # the gate for a namespace that a controller makes asks by reading, which no audit log tells
    held = requested & set(outcome.asked_at) or mutation.rules == ("R23",)
    return Verdict.HELD if held else Verdict.NOTHING


def clearest(known: Mapping[Mutation, Verdict], found: Iterable[tuple[Mutation, Verdict]]) -> dict[Mutation, Verdict]:
    """Verdicts over several seeds: the clearest counts."""
    order = list(Verdict)
    merged = dict(known)
    for mutation, new in found:
        merged[mutation] = min(merged.get(mutation, Verdict.NOTHING), new, key=order.index)
    return merged


def undecided(known: Mapping[Mutation, Verdict], runs: Sequence[Sequence[Mutation]]) -> list[tuple[Mutation, ...]]:
    """The runs again, without the edges that have shown a refusal."""
    left = [tuple(m for m in run if known[m] not in {Verdict.REFUSED, Verdict.FAILED}) for run in runs]
    return [run for run in left if run]


def requested_as(graph: Graph, ref: ObjectRef) -> str:
    """An object as the audit log names it (:attr:`mlops.rehearsal.run.audit.Write.what`)."""
    item = graph.object(ref)
    plural = graph.kinds.rest_path(item).collection.rsplit("/", 1)[-1]
    resource = f"{plural}.{ref.group}" if ref.group else plural
    return f"{resource} {ref.namespace}/{ref.name}" if ref.namespace else f"{resource} {ref.name}"


def resource_name(ref: ObjectRef) -> str:
    """End of the name that an object has in the stack; in front of it stands its bundle."""
    return f"/{ref.kind}/{ref.namespace}/{ref.name}" if ref.namespace else f"/{ref.kind}/{ref.name}"
