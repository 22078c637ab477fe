"""The engine of a rehearsal is set as a person's own is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.rehearsal.run.engine import STATE_OPTIONS, Engine
from mlops.tools.shell import ENGINE_SETTINGS


def engine(**extra: str) -> Engine:
    return Engine(project=Path("/checkout"), home=Path("/run"), stack="site", path=(), extra=extra)


def test_the_products_settings_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENGINE_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    assert ENGINE_SETTINGS.items() <= engine().environment().items()


def test_a_run_may_choose_otherwise() -> None:
    assert engine(PULUMI_PARALLEL="4").environment()["PULUMI_PARALLEL"] == "4"


def test_the_state_lies_as_the_readme_tells() -> None:
    readme = Path(__file__).parents[3].joinpath("README.md").read_text(encoding="utf-8")
    assert f"pulumi login 'file:///srv/mlops-state{STATE_OPTIONS}'" in readme
    assert engine().environment()["PULUMI_BACKEND_URL"] == f"file:///run/state{STATE_OPTIONS}"
