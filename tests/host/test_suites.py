"""The suites: what is sent to a node, and that their shell is sound. tests/rehearsal/site/inside_prepare.py runs them on hosts."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.host.run import archive, main, run_suites

HERE = Path(__file__).parent
SUITES = sorted(HERE.glob("*.bats"))


def test_what_is_sent_runs_where_it_is_unpacked(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive())) as tar:
        tar.extractall(tmp_path, filter="data")
    count = ["env", "-i", "PATH=/usr/bin:/bin", str(tmp_path / "bats/bin/bats"), "--count", str(tmp_path / "suite")]
    counted = subprocess.run(count, capture_output=True, text=True, check=True).stdout
    assert int(counted) == sum(len(re.findall("^@test ", file.read_text(), re.MULTILINE)) for file in SUITES) == 25


def test_a_machine_without_bats_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(FileNotFoundError, match="apt-get install bats"):
        archive()


def test_steps_that_are_not_deployed_are_skipped_and_failures_come_back() -> None:
    # on this machine instead of a node, as a root of its own: no step was deployed here
    done = run_suites(["unshare", "--map-root-user", "sh", "-c"], host="none", steps=())
    lines = done.stdout.splitlines()
    assert lines[0] == "1..25", done.stdout + done.stderr
    assert sum("# skip step " in line for line in lines) >= 15, done.stdout
    assert done.returncode == 1
    assert any(line.startswith("not ok ") and "recorded files" in line for line in lines), done.stdout


def test_too_few_words_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["node1"]) == 2
    assert "Usage:" in capsys.readouterr().err


@pytest.mark.parametrize("file", [*SUITES, HERE / "helper.bash"], ids=lambda file: file.name)
def test_their_shell_is_clean(file: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not on this machine")
    done = subprocess.run(["shellcheck", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
