"""Bad days on one throw-away site under the real engine; the scenes are in inside_bad_days.py, which runs inside a frame."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

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

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.mark.engine
@pytest.mark.site
def test_bad_days(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    try:
        preflight.check(rootless=os.geteuid() != 0)
    except UserError as error:
        pytest.skip(f"this machine cannot hold a throw-away site: {error}")
    tools, base = resolve(TOOLS), base_images(print)
    lock = read_lock(ROOT / "manifests" / "sources.lock.yaml")
    fetch(lock.values(), Places.from_environment(checkout=ROOT, air_gap=None, mirrors=()), cache_folder(), report=print)
    site_file = HERE / "Pulumi.badday.yaml"
    with run_directory("badday") as run:
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
        scenes = [str(HERE / "inside_bad_days.py"), "--durations=0", "--durations-min=0.5"]
        code = run_in_frame(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *scenes],
            run,
            environment={**os.environ, "BAD_DAYS_PLAN": str(plan.file), "PYTHONPATH": str(ROOT)},
        )
        if code:
            keep_logs(run.path, tmp_path / "logs")
    output = "".join(capfd.readouterr())
    assert code == 0, f"{output}\nlogs: {tmp_path / 'logs'}"
    print(output)
