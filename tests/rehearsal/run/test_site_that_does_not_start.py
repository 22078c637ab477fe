"""When the throw-away site itself does not come up, the user reads why, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.rehearsal.run import inside
from mlops.rehearsal.run.plan import Plan
from mlops.rehearsal.site.inner import InterruptedBySignal
from mlops.rehearsal.site.spec import SiteSpec


class DeadSite:
    """A site one of whose hosts does not boot."""

    error: BaseException = RuntimeError("host metal1: sshd does not answer\nmount: no space left on device")

    def __init__(self, *_arguments: object) -> None:
        pass

    def start(self) -> None:
        raise self.error


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    plan = Plan(
        stack="s",
        checkout=tmp_path,
        workdir=tmp_path,
        base=tmp_path,
        tools={},
        path=(),
        site_file="",
        secret_values={},
        changes=(),
        keep=False,
        on_destroy="keep",
        preparation={},
    )
    plan.save()
    SiteSpec("s", "mlops.example", (), "192.168.50.0/24").save(plan.spec_file)
    monkeypatch.setattr(inside, "ThrowAwaySite", DeadSite)
    monkeypatch.setattr(inside, "raise_on_signals", lambda: None)
    return plan


def test_the_hosts_own_words_are_told(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert inside.main([str(plan.file)]) == 1
    said = capsys.readouterr().out
    assert "The throw-away site does not start." in said
    assert "found:   host metal1: sshd does not answer\n" in said
    assert "no space left on device" in said


def test_an_interrupt_is_no_fault(plan: Plan, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeadSite, "error", InterruptedBySignal(2))
    assert inside.main([str(plan.file)]) == 130
    assert "interrupted" in capsys.readouterr().out
