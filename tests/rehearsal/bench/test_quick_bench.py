"""One small seed of the bench, for real: the program alone, on a fresh cluster, with the delays of the site."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlops.errors import UserError
from mlops.rehearsal.bench.bench import QUICK, run_bench
from mlops.rehearsal.bench.page import Figures
from mlops.rehearsal.run.display import make_console
from mlops.rehearsal.site import preflight

pytestmark = [pytest.mark.engine, pytest.mark.site]
CHECKOUT = Path(__file__).resolve().parents[3]


def test_no_write_is_refused_and_everything_gets_ready() -> None:
    try:
        preflight.check(rootless=os.geteuid() != 0)
    except UserError as error:
        pytest.skip(f"this machine cannot hold a throw-away site: {error}")
    said, figures = io.StringIO(), Figures(machine="CI")
    run_bench(CHECKOUT, make_console(said), replace(QUICK, installers=("program",), delay_scale=0.5), figures)
    (run,) = figures.full
    assert figures.faults() == [], said.getvalue()
    assert run.objects > 100
    assert run.critical_seconds > 5
    assert run.ready_seconds is not None
    assert run.ready_seconds > run.critical_seconds, "the site has no delays, or the critical path is not theirs"
