"""The hook that halts a step between two commands (mlops/rehearsal/site/hostbin/fault.sh), in a bash of this machine."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

_STEP = """
set -Eeuo pipefail
STEP=prepare
helper() { mkdir -p "$1"; }
outside() { mkdir -p "$WHERE/before"; }
apply() {
  local text
  text=$(echo 'in a subshell'; mkdir -p "$WHERE/subshell")
  helper "$WHERE/one"
  mkdir -p "$WHERE/two"
  if [ -n "$text" ]; then mkdir -p "$WHERE/three"; fi
}
outside
apply
echo done
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fault").mkdir()
    os.mkfifo(tmp_path / "fault" / "go")
    hook = (resources.files("mlops.rehearsal.site") / "hostbin" / "fault.sh").read_text(encoding="utf-8")
    assert "FAULT_DIRECTORY=/run/site/fault\n" in hook
    (tmp_path / "fault.sh").write_text(hook.replace("/run/site/fault\n", f"{tmp_path}/fault\n"), encoding="utf-8")
    return tmp_path


@pytest.fixture
def step(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The step, started; whoever wants it halted writes ``fault/armed`` before."""
    environment = {"PATH": os.environ["PATH"], "BASH_ENV": str(folder / "fault.sh"), "WHERE": str(folder)}
    process = subprocess.Popen(
        ["bash", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    yield process
    process.kill()
    process.wait()


def trace(folder: Path) -> list[str]:
    return [line.split("\t")[2] for line in (folder / "fault" / "trace").read_text(encoding="utf-8").splitlines()]


def test_commands_below_the_step_are_counted_and_those_of_subshells_are_not(folder: Path, step: subprocess.Popen[str]) -> None:
    out, _ = step.communicate(_STEP, timeout=20)
    assert (step.returncode, out) == (0, "done\n")
    found = trace(folder)
    assert [command for command in found if "mkdir" in command] == [
        'mkdir -p "$1"',
        'mkdir -p "$WHERE/two"',
        'mkdir -p "$WHERE/three"',
    ]
    assert not [command for command in found if command.startswith(("[", "local", "text="))]


@pytest.mark.parametrize(
    ("place", "there"),
    [
        ('prepare - mkdir -p "$WHERE/two"', ["before", "one", "subshell"]),
        ("prepare - mkdir*three*", ["before", "one", "subshell", "two"]),
        ("prepare 1 -", ["before"]),
        ("microk8s 1 -", ["before", "one", "subshell", "three", "two"]),
        ("prepare - no such command", ["before", "one", "subshell", "three", "two"]),
    ],
)
def test_a_step_halts_before_the_command_that_is_named_and_goes_on(
    folder: Path, step: subprocess.Popen[str], place: str, there: list[str]
) -> None:
    (folder / "fault" / "armed").write_text(f"{place}\n", encoding="utf-8")
    assert step.stdin is not None
    step.stdin.write(_STEP)
    step.stdin.close()
    struck, deadline = folder / "fault" / "struck", time.monotonic() + 20
    while not struck.exists() and step.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    folders = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != "fault")
    assert folders == there
    if step.poll() is None:
        process, name, _, _ = struck.read_text(encoding="utf-8").split("\t")
        assert (int(process), name) == (step.pid, "prepare")
        (folder / "fault" / "armed").unlink()
        (folder / "fault" / "go").write_text("go\n", encoding="utf-8")
    assert step.wait(20) == 0
