"""local.Command and local.run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops.rehearsal.standins.command.resources import provider
from mlops.rehearsal.standins.values import ARCHIVE, ASSET, SIGNATURE, UNKNOWN

COMMAND = "command:local:Command"


@pytest.fixture
def local(client: Callable[..., Any]) -> Any:
    return client(provider())


def test_runs_with_stdin_environment_and_directory(local: Any, tmp_path: Path) -> None:
    given = {"create": 'cat; echo "$WORD"; pwd', "stdin": "in\n", "environment": {"WORD": "w"}, "dir": str(tmp_path)}
    identity, outputs = local.create(COMMAND, given)
    assert identity.startswith("it")
    assert outputs["stdout"].splitlines() == ["in", "w", str(tmp_path)]
    assert outputs["stderr"] == ""


def test_interpreter(local: Any) -> None:
    assert local.create(COMMAND, {"create": "a b", "interpreter": ["printf", "<%s>"]})[1]["stdout"] == "<a b>"


def test_failure_names_status_command_and_output(local: Any) -> None:
    with pytest.raises(local.aborted) as failure:
        local.create(COMMAND, {"create": "echo no; exit 3"})
    assert str(failure.value) == 'exit status 3: running "echo no; exit 3":\nno\n'
    with pytest.raises(local.aborted, match=r'^exec: "/nonexistent": no such file or directory: running'):
        local.create(COMMAND, {"create": "x", "interpreter": ["/nonexistent"]})
    with pytest.raises(local.aborted, match=r"^signal: killed: running"):
        local.create(COMMAND, {"create": "kill -9 $$"})


def test_update_delete_and_previous_output(local: Any, tmp_path: Path) -> None:
    given = {"create": f"touch {tmp_path}/f; echo made", "update": 'echo "<$PULUMI_COMMAND_STDOUT>"', "delete": f"rm {tmp_path}/f"}
    _, state = local.create(COMMAND, given)
    assert local.update(COMMAND, state, given)["stdout"] == "<made>"
    assert local.update(COMMAND, state, {"delete": "true"})["stdout"] == "made"
    local.delete(COMMAND, state)
    assert not (tmp_path / "f").exists()


def test_nothing_to_create(local: Any) -> None:
    assert local.create(COMMAND, {"delete": "true"})[1]["stdout"] == ""


def test_preview_runs_nothing(local: Any, tmp_path: Path) -> None:
    _, outputs = local.create(COMMAND, {"create": f"touch {tmp_path}/f", "assetPaths": ["*"]}, preview=True)
    assert not (tmp_path / "f").exists()
    assert {name for name, value in outputs.items() if value == UNKNOWN} == {"stdout", "stderr", "assets"}


def test_files_by_rules(local: Any, tmp_path: Path) -> None:
    for name in ("assets/logos/logo.svg", "src/index.js", "src/deep/other.js", "src/secret.js"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    rules = ["assets/**", "src/*.js", "!**secret.*"]
    _, outputs = local.create(COMMAND, {"create": "true", "dir": str(tmp_path), "assetPaths": rules, "archivePaths": rules})
    assert sorted(outputs["assets"]) == ["assets/logos/logo.svg", "src/index.js"]
    assert outputs["assets"]["src/index.js"] == {SIGNATURE: ASSET, "path": f"{tmp_path}/src/index.js"}
    assert outputs["archive"][SIGNATURE] == ARCHIVE


def test_long_line_with_logging_is_refused(local: Any) -> None:
    with pytest.raises(local.aborted, match="official provider would hang"):
        local.create(COMMAND, {"create": "head -c 70000 /dev/zero; sleep 60"})


def test_cancel_kills_the_command_and_what_it_started(local: Any, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    failures: list[str] = []

    def run() -> None:
        try:
            local.create(COMMAND, {"create": f"sleep 60 & echo $! >{mark}; wait"})
        except local.aborted as error:
            failures.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: mark.exists() and mark.read_text().strip())
    local.provider.cancel()
    thread.join(5)
    assert failures[0].startswith("signal: killed: running")
    wait_for(lambda: not running(int(mark.read_text())))


def test_nothing_starts_after_a_cancel(local: Any) -> None:
    local.provider.cancel()
    with pytest.raises(local.aborted, match="context canceled"):
        local.create(COMMAND, {"create": "true"})


def test_run_function(local: Any) -> None:
    results = local.invoke("command:local:run", {"command": "echo $0", "interpreter": ["/bin/sh", "-c"]})
    assert results["stdout"] == "/bin/sh"
    assert results["command"] == "echo $0"


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
