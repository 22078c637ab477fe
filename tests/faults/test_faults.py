"""The fault table under the real engine: a third of it in turn, or all of it (`make test-faults`)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from tests.faults.cases import CASES, THIRDS
from tests.rehearsal.run.on_a_site import run_on_a_site
from tests.turns import todays

HERE = Path(__file__).parent


def chosen(wish: str) -> tuple[str, list[str]]:
    """What this run is called, and the names of its cases.

    By a wish: all of them, a third by its name, or cases by theirs. Without one: the third whose turn it is.
    """
    wish = wish or " ".join(todays(THIRDS))
    found = [case.name for case in CASES if wish == "all" or {case.third, case.name} & set(wish.split())]
    if not found:
        pytest.fail(f"FAULTS={wish}: neither all, nor one of {', '.join(THIRDS)}, nor names of cases")
    return wish, found


@pytest.mark.engine
@pytest.mark.site
@pytest.mark.faults
def test_faults(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wish, names = chosen(os.environ.get("FAULTS", ""))
    results = tmp_path / "results.jsonl"
    code = run_on_a_site(
        HERE / "inside_faults.py",
        HERE / "Pulumi.faults.yaml",
        tmp_path / "logs",
        environment={"FAULTS_CASES": " ".join(names), "FAULTS_RESULTS": str(results)},
    )
    output = "".join(capfd.readouterr())
    with capfd.disabled():
        report(f"faults: {wish} (FAULTS=all|{'|'.join(THIRDS)}, or names of cases)", results)
    assert code == 0, f"{output}\nlogs: {tmp_path / 'logs'}"


def report(title: str, results: Path) -> None:
    """Prints a row for each case that ran."""
    table = Table(title=title)
    for column in ("case", "struck", "next up, s", "all, s", "result"):
        table.add_column(column, overflow="fold")
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else []:
        row = json.loads(line)
        table.add_row(*(row.get(name, "") for name in ("case", "struck", "again", "seconds", "result")))
    Console(width=132).print(table)
