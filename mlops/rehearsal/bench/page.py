"""The measured part of docs/benchmarks.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlops.errors import Problem, UserError
from mlops.rehearsal.bench.mutation import Mutation
from mlops.rehearsal.bench.outcome import INSTALLERS, Outcome
from mlops.rehearsal.bench.statistics import Row, faults, rows
from mlops.rehearsal.bench.verdict import Verdict

_COLUMNS = (
    "Installer",
    "at the end",
    "seconds until all is ready",
    "/ critical path",
    "attempts",
    "refused writes",
    "writes",
    "refused by kubectl itself",
    "pods past a webhook",
)
BEGINS, ENDS = "<!-- begin: written by make bench -->", "<!-- end: written by make bench -->"


@dataclass
class Figures:
    """All that was measured.

    Attributes:
        machine: one line about it, with the date.
        commands: command of the command line to seconds (median, least, most).
        rehearsal: figures of a whole rehearsal, as its report gives them; empty when there was none.
        without_delays: this program on a site without delays.
        full: everything installed, by each installer.
        small: guarded objects and what they wait for, by this program.
        mutations: missing edge to what became of it.
        implied: hard edges that follow from others.
        behind_gates: hard edges behind gates.
        others: hard edges outside the small set that were not tested.
        settings: variables of the engine.
        seconds: of the whole bench.
        stopped: why it ended before its time; empty when it did not.
    """

    machine: str
    commands: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    rehearsal: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    without_delays: Outcome | None = None
    full: list[Outcome] = field(default_factory=list)
    small: list[Outcome] = field(default_factory=list)
    mutations: Mapping[Mutation, Verdict] = field(default_factory=dict)
    implied: int = 0
    behind_gates: int = 0
    others: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    stopped: str = ""

    @property
    def overhead_seconds(self) -> float | None:
        """What this program takes when nothing has a delay."""
        return self.without_delays.ready_seconds if self.without_delays else None

    def faults(self) -> list[str]:
        """Goals that are missed."""
        none = [self.without_delays] if self.without_delays else []
        return [
            *([self.stopped] if self.stopped else []),
            *faults([*none, *self.full], overhead_seconds=self.overhead_seconds),
            *faults(self.small, overhead_seconds=None),
        ]


def page(figures: Figures) -> str:
    """Markdown, without headings of the page itself."""
    parts = [
        [f"{figures.machine}; {figures.seconds / 60:.0f} minutes in all."],
        [f"**It ended early**, what follows is not all: {figures.stopped}"] if figures.stopped else [],
        _installers(figures),
        _paths(figures.full),
        _small(figures.small),
        _mutations(figures),
        _commands(figures.commands),
        _rehearsal(figures.rehearsal),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def write_page(file: Path, text: str) -> None:
    """Puts the measured part into a page, between its two marks.

    Raises:
        UserError: the page has no marks.
    """
    old = file.read_text(encoding="utf-8")
    before, begins, rest = old.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not (begins and ends):
        problem = Problem(str(file), "the marks are missing", f"the lines {BEGINS} and {ENDS}")
        raise UserError("the figures cannot be written", [problem])
    file.write_text(f"{before}{BEGINS}\n\n{text}\n{ENDS}{after}", encoding="utf-8")


def _installers(figures: Figures) -> list[str]:
    if not figures.full:
        return []
    seeds = len({outcome.seed for outcome in figures.full})
    lines = [
        f"## {figures.full[0].objects} objects, {seeds} seed{'s' if seeds > 1 else ''}, a fresh cluster for each run",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|---" * len(_COLUMNS) + "|",
    ]
    table = rows(figures.full)
    lines += [_installer(row) for row in table]
    by_name = {row.installer: row for row in table}
    ours = by_name.get("program")
    ratios = [
        f"{other.seconds[0] / ours.seconds[0]:.2f} x as long as this program: {INSTALLERS[name]}"
        for name, other in by_name.items()
        if name != "program" and ours and ours.seconds and other.seconds
    ]
    if ratios:
        lines += ["", "; ".join(ratios) + " (medians)."]
    if figures.overhead_seconds is not None:
        lines += ["", f"This program with all delays set to 0: {figures.overhead_seconds:.1f} s."]
    if figures.settings:
        lines += ["", "Engine: " + ", ".join(f"`{name}={value}`" for name, value in sorted(figures.settings.items())) + "."]
    missed = figures.faults()
    return [*lines, "", "Goals: all reached." if not missed else "Goals missed:", *(f"- {fault}" for fault in missed)]


def _installer(row: Row) -> str:
    seconds = "-" if row.seconds is None else _spread(row.seconds)
    over = "-" if row.over_path is None else f"{row.over_path:.2f}"
    cells = [
        INSTALLERS[row.installer],
        f"ready, {row.ready} of {row.runs} runs",
        seconds,
        over,
        _span(row.attempts),
        _span(row.refused),
        _span(row.writes),
        str(row.unknown),
        str(row.unseen_pods),
    ]
    return f"| {' | '.join(cells)} |"


def _spread(seconds: tuple[float, float, float]) -> str:
    median, least, most = seconds
    return f"{median:.1f}" if least == most else f"{median:.1f} ({least:.1f} to {most:.1f})"


def _span(numbers: tuple[int, int]) -> str:
    least, most = numbers
    return str(least) if least == most else f"{least} to {most}"


def _paths(full: Sequence[Outcome]) -> list[str]:
    ours = [outcome for outcome in full if outcome.installer == "program" and outcome.ready_seconds is not None]
    return [
        f"- seed {outcome.seed}: critical path {outcome.critical_seconds:.1f} s, this program {outcome.ready_seconds:.1f} s"
        for outcome in ours
    ]


def _small(small: Sequence[Outcome]) -> list[str]:
    if not small:
        return []
    refused = sum(len(outcome.refused) for outcome in small)
    ready = sum(outcome.ready_seconds is not None for outcome in small)
    return [
        f"## {small[0].objects} objects: those that webhooks look at, and what they wait for",
        "",
        f"{len(small)} more seeds, this program: ready in {ready} of {len(small)} runs, {refused} refused writes in all.",
    ]


def _mutations(figures: Figures) -> list[str]:
    if not figures.mutations:
        return []
    counts = Counter(figures.mutations.values())
    left_out = (
        f"{figures.implied} edges that follow from others; {figures.behind_gates} behind gates (a gate asks by itself, "
        f"so it is taken away as a whole); {figures.others} of objects outside this set"
    )
    lines = [
        "## Hard edges taken away, one at each of many objects in a run",
        "",
        "| What became of the object | edges |",
        "|---|---|",
        *(f"| {verdict.value} | {counts[verdict]} |" for verdict in Verdict if counts[verdict]),
        "",
        f"Not taken away: {left_out}.",
    ]
    questioned = [mutation for mutation, verdict in figures.mutations.items() if verdict is Verdict.NOTHING]
    if questioned:
        lines += ["", "Questioned:", *(f"- `{mutation}`" for mutation in sorted(questioned))]
    return lines


def _commands(commands: Mapping[str, tuple[float, float, float]]) -> list[str]:
    if not commands:
        return []
    lines = ["## Command line and rehearsal", "", "| Command, median (least to most) | seconds |", "|---|---|"]
    return [*lines, *(f"| {name} | {median:.2f} ({least:.2f} to {most:.2f}) |" for name, (median, least, most) in commands.items())]


def _rehearsal(rehearsal: Mapping[str, Mapping[str, float]]) -> list[str]:
    lines: list[str] = []
    for title, table in rehearsal.items():
        lines += ["", f"| {title} | seconds |", "|---|---|", *(f"| {name} | {seconds:.1f} |" for name, seconds in table.items())]
    return lines[1:]
