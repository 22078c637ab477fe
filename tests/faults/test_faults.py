"""The fault table under the real engine: a part of it in turn, or all of it (`make test-faults`)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from tests.faults.cases import CASES, PARTS, THIRDS, Case, part
from tests.rehearsal.run.on_a_site import run_on_a_site

HERE = Path(__file__).parent
SECONDS_OF_A_DAY = 24 * 60 * 60


def chosen(wish: str, day: int) -> tuple[str, list[str], list[Case]]:
    """The cases of this run, and those that it leaves out because they are unproven.

    By a wish: all of them, a third or a part by its name, or cases by theirs, proven or not. Without one: the part whose turn it is
    today, a sixth of the table, because a third would take about eight minutes.
    """
    if not wish:
        turn = PARTS[day % len(PARTS)]
        cases = part(turn)
        return turn, [case.name for case in cases if not case.unproven], [case for case in cases if case.unproven]
    found = part(wish) if wish in PARTS else [case for case in CASES if wish in {"all", case.third} or case.name in wish.split()]
    if not found:
        pytest.fail(f"FAULTS={wish}: neither all, nor one of {', '.join((*THIRDS, *PARTS))}, nor names of cases")
    return wish, [case.name for case in found], []


@pytest.mark.engine
@pytest.mark.site
@pytest.mark.faults
def test_faults(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wish, names, left_out = chosen(os.environ.get("FAULTS", ""), int(time.time()) // SECONDS_OF_A_DAY)
    results = tmp_path / "results.jsonl"
    code = run_on_a_site(
        HERE / "inside_faults.py",
        HERE / "Pulumi.faults.yaml",
        tmp_path / "logs",
        environment={"FAULTS_CASES": " ".join(names), "FAULTS_RESULTS": str(results)},
    )
    output = "".join(capfd.readouterr())
    with capfd.disabled():
        report(f"faults: {wish} (FAULTS=all|{'|'.join(THIRDS)}, or names of cases)", results, left_out)
    assert code == 0, f"{output}\nlogs: {tmp_path / 'logs'}"


def report(title: str, results: Path, left_out: Sequence[Case]) -> None:
    """Prints a row for each case that ran, and one for each that did not because it is unproven."""
    table = Table(title=title)
    for column in ("case", "struck", "next up, s", "all, s", "result"):
        table.add_column(column, overflow="fold")
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else []:
        row = json.loads(line)
        table.add_row(*(row.get(name, "") for name in ("case", "struck", "again", "seconds", "result")))
    for case in left_out:
        table.add_row(case.name, "", "", "", f"left out: {case.unproven}")
    Console(width=132).print(table)
