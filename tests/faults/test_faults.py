"""The fault table under the real engine: a third of it in turn, or all of it (`make test-faults`)."""

from __future__ import annotations

import json
import os
import sys
import time
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
from tests.faults.cases import CASES, THIRDS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SECONDS_OF_A_DAY = 24 * 60 * 60


def chosen(wish: str, day: int) -> tuple[str, list[str]]:
    """The cases of this run: all, a third by its name, cases by theirs, or without a wish the third whose turn it is today."""
    wish = wish or THIRDS[day % len(THIRDS)]
    names = [case.name for case in CASES if wish in {"all", case.third} or case.name in wish.split()]
    if not names:
        pytest.fail(f"FAULTS={wish}: neither all, nor one of {', '.join(THIRDS)}, nor names of cases")
    return wish, names


@pytest.mark.engine
@pytest.mark.site
@pytest.mark.faults
def test_faults(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    try:
        preflight.check(rootless=os.geteuid() != 0)
    except UserError as error:
        pytest.skip(f"this machine cannot hold a throw-away site: {error}")
    wish, names = chosen(os.environ.get("FAULTS", ""), int(time.time()) // SECONDS_OF_A_DAY)
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
