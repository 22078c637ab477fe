"""Figures are counted, held against the goals and told, the same for all installers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops.errors import UserError
from mlops.ordering import ObjectRef
from mlops.rehearsal.bench.mutation import Mutation
from mlops.rehearsal.bench.outcome import Installer, Outcome
from mlops.rehearsal.bench.page import BEGINS, ENDS, Figures, page, write_page
from mlops.rehearsal.bench.statistics import faults, rows
from mlops.rehearsal.bench.verdict import Verdict


def outcome(installer: Installer, seed: str, ready: float | None, **more: Any) -> Outcome:
    told: dict[str, Any] = {
        "label": f"{installer} {seed}",
        "installer": installer,
        "seed": seed,
        "objects": 727,
        "attempts": 1,
        "accepted_seconds": 50.0,
        "ready_seconds": ready,
        "critical_seconds": 60.0,
        "writes": 700,
        "refused": (),
        "asked": 0,
        "unknown": 0,
        "unready": (),
        "unseen_pods": (),
    }
    return Outcome.model_validate({**told, **more})


def test_an_outcome_survives_its_file(tmp_path: Path) -> None:
    file = tmp_path / "outcome.json"
    before = outcome("loop", "1", 90.0, refused=("404 patch services n/s: no",), refused_at=("services n/s",))
    before.save(file)
    assert Outcome.load(file) == before


def test_a_row_is_over_all_seeds_of_an_installer() -> None:
    runs = [
        outcome("program", "1", 66.0),
        outcome("loop", "1", 200.0, attempts=3, refused=("a", "b"), unknown=9),
        outcome("program", "2", 60.0),
        outcome("program", "3", None),
        outcome("loop", "2", 100.0, attempts=2, writes=900, unseen_pods=("n/p",)),
    ]
    ours, loop = rows(runs)
    assert (ours.installer, ours.ready, ours.runs, ours.seconds) == ("program", 2, 3, (63.0, 60.0, 66.0))
    assert ours.over_path == pytest.approx(1.05)
    assert (loop.attempts, loop.refused, loop.writes, loop.unknown, loop.unseen_pods) == ((2, 3), (0, 2), (700, 900), 9, 1)


@pytest.mark.parametrize(
    ("ours", "loop", "overhead", "missed"),
    [
        (outcome("program", "1", 88.9), 100.0, 20.0, ""),  # 60 s x 1.15 + 20 s = 89 s
        (outcome("program", "1", 89.1), 100.0, 20.0, "the goal is 89.0 s"),
        (outcome("program", "1", 89.1), 100.0, None, ""),
        (outcome("program", "1", 80.0), 79.0, 20.0, "the loop took 79.0 s"),
        (outcome("program", "1", 80.0, refused=("404 patch x",)), 100.0, 20.0, "1 writes refused, the first: 404 patch x"),
        (outcome("program", "1", None, unready=("Deployment n/d",)), 100.0, 20.0, "not ready, Deployment n/d"),
        (outcome("program", "1", 80.0, unseen_pods=("n/p",)), 100.0, 20.0, "1 pods slipped past a webhook: n/p"),
    ],
)
def test_a_missed_goal_is_a_fault(ours: Outcome, loop: float, overhead: float | None, missed: str) -> None:
    found = faults([ours, outcome("loop", "1", loop, refused=("x",))], overhead_seconds=overhead)
    assert len(found) == bool(missed)
    assert missed in "".join(found)


def test_a_loop_of_another_seed_is_no_measure() -> None:
    assert faults([outcome("program", "1", 80.0), outcome("loop", "2", 70.0)], overhead_seconds=None) == []


def test_the_page_tells_all_figures() -> None:
    refused, nothing = (
        Mutation(ObjectRef("", "Service", "n", name), ObjectRef("", "Namespace", "", "n"), ("R1",), ()) for name in "ab"
    )
    figures = Figures(
        machine="a machine",
        commands={"`mlops tools`": (0.5, 0.4, 0.6)},
        rehearsal={"Rehearsal of baremetal, phase": {"up": 90.0}},
        without_delays=outcome("program", "0", 20.0, critical_seconds=0.0),
        full=[outcome("program", "1", 80.0), outcome("loop", "1", 160.0, attempts=4, refused=("x",) * 7)],
        small=[outcome("program", "2", 70.0, objects=170)],
        mutations={refused: Verdict.REFUSED, nothing: Verdict.NOTHING},
        implied=3,
        behind_gates=4,
        others=5,
        seconds=600,
    )
    text = page(figures)
    assert "| this program | ready, 1 of 1 runs | 80.0 | 1.33 | 1 | 0 | 700 | 0 | 0 |" in text
    assert "| 160.0 | 2.67 | 4 | 7 | 700 | 0 | 0 |" in text
    assert "2.00 x as long as this program: `kubectl apply` in a loop, kustomize's order" in text
    assert "This program with all delays set to 0: 20.0 s." in text
    assert "Goals: all reached." in text
    assert "1 more seeds, this program: ready in 1 of 1 runs, 0 refused writes in all." in text
    assert f"| {Verdict.REFUSED.value} | 1 |" in text
    assert "3 edges that follow from others; 4 behind gates" in text
    assert "- `Service n/b -> Namespace n [R1]`" in text
    assert "Service n/a" not in text
    assert "| `mlops tools` | 0.50 (0.40 to 0.60) |" in text
    assert "| up | 90.0 |" in text


def test_a_goal_missed_without_delays_or_by_a_small_seed_is_told() -> None:
    figures = Figures(
        machine="m", without_delays=outcome("program", "0", None), small=[outcome("program", "9", 60.0, refused=("x",))]
    )
    assert len(figures.faults()) == 2


def test_only_the_measured_part_of_the_page_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    file.write_text(f"# By hand\n\n{BEGINS}\nold\n{ENDS}\n\nalso by hand\n")
    write_page(file, "new\n")
    assert file.read_text() == f"# By hand\n\n{BEGINS}\n\nnew\n\n{ENDS}\n\nalso by hand\n"


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    file.write_text("by hand\n")
    with pytest.raises(UserError, match="marks are missing"):
        write_page(file, "new\n")
    assert file.read_text() == "by hand\n"


def test_a_bench_that_ended_early_says_so_and_keeps_what_it_has() -> None:
    found = Figures(machine="here", commands={"`mlops`": (1.0, 1.0, 1.0)}, stopped="a run of the bench has failed")
    assert "**It ended early**, what follows is not all: a run of the bench has failed" in page(found)
    assert "| `mlops` | 1.00" in page(found)
    assert found.faults() == ["a run of the bench has failed"]
