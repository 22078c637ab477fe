"""The fault table under the real engine: a part of it in turn, or all of it (`make test-faults`)."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from mlops.bundles import Places, fetch, read_lock
from mlops.errors import UserError
from mlops.folders import cache_folder
from mlops.rehearsal.run.outside import TOOLS, keep_logs, make_plan
from mlops.rehearsal.site import preflight
from mlops.rehearsal.site.frame import run_in_frame
from mlops.rehearsal.site.image import base_images
from mlops.rehearsal.site.runs import run_directory
from mlops.settings import read_site_file
from mlops.tools import resolve
from tests.faults.cases import CASES, PARTS, THIRDS, Case, part

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
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
    try:
        preflight.check(rootless=os.geteuid() != 0)
    except UserError as error:
        pytest.skip(f"this machine cannot hold a throw-away site: {error}")
    wish, names, left_out = chosen(os.environ.get("FAULTS", ""), int(time.time()) // SECONDS_OF_A_DAY)
    tools, base = resolve(TOOLS), base_images(print)
    lock = read_lock(ROOT / "manifests" / "sources.lock.yaml")
    fetch(lock.values(), Places.from_environment(checkout=ROOT, air_gap=None, mirrors=()), cache_folder(), report=print)
    site_file, results = HERE / "Pulumi.faults.yaml", tmp_path / "results.jsonl"
    with run_directory("faults") as run:
        plan = make_plan(
            site_file,
            read_site_file(site_file),
            checkout=ROOT,
            workdir=run.path,
            tools=tools,
            base=base,
            delay_scale=0,
            keep=False,
            preparation={},
            console=Console(),
        )
        code = run_in_frame(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "inside_faults.py")],
            run,
            environment={
                **os.environ,
                "FAULTS_PLAN": str(plan.file),
                "FAULTS_CASES": " ".join(names),
                "FAULTS_RESULTS": str(results),
                "PYTHONPATH": str(ROOT),
            },
        )
        if code:
            keep_logs(run.path, tmp_path / "logs")
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
