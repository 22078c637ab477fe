"""A test file that runs inside a frame, with the plan of a rehearsal: what its test outside has to do before and after."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from mlops.bundles import Places, fetch, read_lock
from mlops.errors import UserError
from mlops.folders import cache_folder
from mlops.rehearsal.run.outside import TOOLS, keep_logs, make_plan
from mlops.rehearsal.run.plan import Plan
from mlops.rehearsal.site import preflight
from mlops.rehearsal.site.frame import run_in_frame
from mlops.rehearsal.site.image import base_images
from mlops.rehearsal.site.runs import run_directory
from mlops.settings import read_site_file
from mlops.tools import resolve

ROOT = Path(__file__).parents[3]
_PLAN = "SITE_PLAN"


def run_on_a_site(inside: Path, site_file: Path, logs: Path, *options: str, environment: Mapping[str, str] | None = None) -> int:
    """Runs a test file inside a frame and returns pytest's exit code; skips where no frame can be opened.

    Args:
        inside: the test file; it asks :func:`given_plan` for the plan.
        site_file: what the plan is derived from.
        logs: where the logs of a run that failed are kept.
        options: of pytest, further ones.
        environment: further variables.
    """
    try:
        preflight.check(rootless=os.geteuid() != 0)
    except UserError as error:
        pytest.skip(f"this machine cannot hold a throw-away site: {error}")
    site = read_site_file(site_file)
    tools, base = resolve(TOOLS), base_images(print)
    lock = read_lock(ROOT / "manifests" / "sources.lock.yaml")
    fetch(lock.values(), Places.from_environment(checkout=ROOT, air_gap=None, mirrors=()), cache_folder(), report=print)
    with run_directory(site.name) as run:
        plan = make_plan(
            site_file,
            site,
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
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(inside), *options],
            run,
            environment={**os.environ, **(environment or {}), _PLAN: str(plan.file), "PYTHONPATH": str(ROOT)},
        )
        if code:
            keep_logs(run.path, logs)
    return code


def given_plan() -> Plan:
    """The plan, for who runs inside."""
    return Plan.load(Path(os.environ[_PLAN]))
