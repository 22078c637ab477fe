"""Figures of the bench from its outcomes, and whether they reach the goals."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlops.rehearsal.bench.outcome import Installer, Outcome

MOST_OVER_CRITICAL_PATH = 1.15
"""Wall time of this program, in critical paths, the engine's own time not counted."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One installer over all seeds; seconds as (median, least, most).

    Attributes:
        installer: who.
        ready: runs that came to the end.
        runs: all runs.
        seconds: until everything was ready; None when no run came there.
        attempts: least and most.
        refused: least and most refused writes.
        writes: least and most writes.
        unknown: most objects refused by the installer itself.
        unseen_pods: most pods that slipped past a webhook.
        over_path: median of wall time over critical path; None as above.
    """

    installer: Installer
    ready: int
    runs: int
    seconds: tuple[float, float, float] | None
    attempts: tuple[int, int]
    refused: tuple[int, int]
    writes: tuple[int, int]
    unknown: int
    unseen_pods: int
    over_path: float | None


def rows(outcomes: Iterable[Outcome]) -> tuple[Row, ...]:
    """A row for each installer, in the order in which they first appear."""
    table: dict[Installer, list[Outcome]] = {}
    for outcome in outcomes:
        table.setdefault(outcome.installer, []).append(outcome)
    return tuple(_row(installer, runs) for installer, runs in table.items())


def _row(installer: Installer, runs: Sequence[Outcome]) -> Row:
    ended = [(run.ready_seconds, run.critical_seconds) for run in runs if run.ready_seconds is not None]
    seconds = [ready for ready, _ in ended]
    over = [ready / critical for ready, critical in ended if critical > 0]
    return Row(
        installer=installer,
        ready=len(ended),
        runs=len(runs),
        seconds=(statistics.median(seconds), min(seconds), max(seconds)) if seconds else None,
        attempts=_span(run.attempts for run in runs),
        refused=_span(len(run.refused) for run in runs),
        writes=_span(run.writes for run in runs),
        unknown=max(run.unknown for run in runs),
        unseen_pods=max(len(run.unseen_pods) for run in runs),
        over_path=statistics.median(over) if over else None,
    )


def _span(numbers: Iterable[int]) -> tuple[int, int]:
    found = list(numbers)
    return min(found), max(found)


def faults(outcomes: Iterable[Outcome], *, overhead_seconds: float | None) -> list[str]:
    """Goals that are missed, one sentence each.

    Args:
        outcomes: full-size runs of all installers, and other runs of this program.
        overhead_seconds: what this program takes when nothing has a delay; None leaves the goal for the wall time out.
    """
    every = list(outcomes)
    loops = {run.seed: run.ready_seconds for run in every if run.installer == "loop"}
    found = []
    for run in every:
        if run.installer != "program":
            continue
        if run.refused:
            found.append(f"{run.label}: {len(run.refused)} writes refused, the first: {run.refused[0]}")
        if run.ready_seconds is None:
            found.append(f"{run.label}: not ready, {', '.join(run.unready[:3]) or 'and nothing is missing'}")
            continue
        if run.unseen_pods:
            found.append(f"{run.label}: {len(run.unseen_pods)} pods slipped past a webhook: {', '.join(run.unseen_pods[:3])}")
        if overhead_seconds is not None:
            most = run.critical_seconds * MOST_OVER_CRITICAL_PATH + overhead_seconds
            if run.ready_seconds > most:
                found.append(f"{run.label}: {run.ready_seconds:.1f} s, the goal is {most:.1f} s")
        if (loop := loops.get(run.seed)) is not None and run.ready_seconds > loop:
            found.append(f"{run.label}: {run.ready_seconds:.1f} s, the loop took {loop:.1f} s")
    return found
