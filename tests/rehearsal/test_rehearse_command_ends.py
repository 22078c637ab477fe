"""Rehearsals that do not run to their end: Ctrl-C, kill -9, a fault; all three at once, since none may disturb another."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.rehearsal.site.runs import run_directory
from tests.rehearsal.command import Rehearsal, seconds_until_end
from tests.rehearsal.site.machine import alive, namespaces, now, snapshot, until

pytestmark = [pytest.mark.engine, pytest.mark.site]


@pytest.fixture
def rehearsals(
    program: Path, rehearsal_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Rehearsal, Rehearsal, Rehearsal]]:
    """One on a terminal, one whose output goes to a file, and one of a site whose channel the snap store does not have."""
    monkeypatch.setenv("MLOPS_CACHE_DIR", str(rehearsal_cache))
    faulty = tmp_path / "faulty"
    shutil.copytree(program, faulty, symlinks=True)
    site_file = faulty / "Pulumi.cloud.yaml"
    site_file.write_text(site_file.read_text().replace("1.35/stable", "1.33/edge"))
    made = (
        Rehearsal("cloud", checkout=program, cache=rehearsal_cache, log=tmp_path / "terminal", terminal=True),
        Rehearsal("cloud", checkout=program, cache=rehearsal_cache, log=tmp_path / "file"),
        Rehearsal("cloud", checkout=faulty, cache=rehearsal_cache, log=tmp_path / "fault"),
    )
    yield made
    for rehearsal in made:
        rehearsal.stop()


def test_however_it_ends_nothing_is_left(
    rehearsals: tuple[Rehearsal, Rehearsal, Rehearsal], rehearsal_cache: Path, tmp_path: Path
) -> None:
    before = snapshot()
    on_terminal, killed, faulty = rehearsals

    on_terminal.wait_for_up()
    processes, inside = on_terminal.inside()
    assert len(processes) > 10
    assert len(inside) > 5
    ended = now()
    on_terminal.press_ctrl_c()
    assert seconds_until_end(on_terminal) < 20
    assert on_terminal.process.returncode == 130, on_terminal.text
    assert (alive(processes), inside & namespaces(ended)) == (set(), set())
    assert "interrupted" in on_terminal.text
    assert "Traceback" not in on_terminal.text

    killed.wait_for_up()
    processes, inside = killed.inside()
    ended = now()
    killed.process.kill()
    killed.process.wait()
    until(lambda: not alive(processes), "processes are left", 5)
    until(lambda: not inside & namespaces(ended), "namespaces are left", 5)

    assert faulty.end(120) == 1
    check_the_fault(faulty.text)

    root = rehearsal_cache / "rehearsals"
    (left,) = [path for path in root.iterdir() if path.is_dir()]
    with run_directory("next"):
        assert not left.exists()
    assert list(root.iterdir()) == []
    assert snapshot() == before


def check_the_fault(text: str) -> None:
    verdict = text[text.index("failed: 1 fault(s)") :].splitlines()
    assert verdict[1].startswith("  - up, cluster-cloud1-microk8s: onprem-mlops: host cloud1 (step microk8s): 'snap install"), text
    assert "not available on 1.33/edge" in verdict[2], text
    logs = Path(verdict[-1].removeprefix("logs: "))
    assert "not available on 1.33/edge" in (logs / "engine/logs/up.log").read_text()
    assert list(logs.glob("site/hosts/cloud1/shared/log/sshd.log"))
