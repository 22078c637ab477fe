"""depart.sh by the real bash, with MicroK8s and snapd played: when a host goes, and how it goes on after every cut."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest

SCRIPTS = resources.files("mlops.hosts").joinpath("scripts")
LIBRARIES = "\n".join(SCRIPTS.joinpath(f"{name}.sh").read_text(encoding="utf-8") for name in ("lib", "cluster", "depart"))
WHOLE = ("leave", "remove", "unprepare")


@dataclass(frozen=True)
class Case:
    """``mark`` is what the cluster says of the node: yes, no, or silent; ``progress`` how far an earlier run came.

    ``done`` is what is done, in order; ``left`` what is remembered then, None for nothing.
    """

    name: str
    mark: str = "yes"
    reset: str = "keep"
    installed: bool = True
    progress: str | None = None
    leave_fails: bool = False
    fails: bool = False
    done: tuple[str, ...] = WHOLE
    left: str | None = None
    told: str = "nothing of it is left there"


CASES = (
    Case("taken out"),
    Case("taken out, where a destroy resets", reset="reset"),
    Case("not taken out", mark="no", done=(), told="stays as it is"),
    Case("nobody to ask", mark="silent", fails=True, done=(), told="the cluster does not answer"),
    Case("destroyed with reset", mark="no", reset="reset", done=("remove", "unprepare")),
    Case("destroyed with reset, cluster gone already", mark="silent", reset="reset", done=("remove", "unprepare")),
    Case("MicroK8s was never there", mark="no", installed=False, done=("unprepare",)),
    Case("leave refuses", leave_fails=True, fails=True, done=("leave",), left="checked", told="microk8s leave ended with an error"),
    Case(
        "leave refuses again",
        progress="checked",
        leave_fails=True,
        fails=True,
        done=("leave",),
        left="checked",
        told="declare the host lost",
    ),
    Case("cut before leaving", progress="checked", mark="silent"),
    Case("cut while it left", progress="leaving", mark="silent", leave_fails=True, told="nothing of it is left there"),
    Case("cut after it had left", progress="left", mark="silent", done=("remove", "unprepare")),
    Case("cut after the snap was removed", progress="left", installed=False, mark="silent", done=("unprepare",)),
)


def run(case: Case, state: Path) -> subprocess.CompletedProcess[str]:
    if case.progress is not None:
        (state / "departing").write_text(f"{case.progress}\n")
    answer = {"yes": "printf true", "no": ":", "silent": "return 1"}[case.mark]
    text = f"""{LIBRARIES}
STEP=depart HOST_NAME=w1 RESET={case.reset} installed={"yes" if case.installed else "no"}
STATE={state} PROGRESS={state}/departing LAUNCH_FILE={state}/launch
is_installed() {{ [ "$installed" = yes ]; }}
kubectl() {{ {answer}; }}
unprepare() {{ echo did unprepare; }}
wait_for_running_change() {{ :; }}
quiet() {{
  case "$*" in
    *leave) echo did leave; {"return 2" if case.leave_fails else "return 0"} ;;
    'snap remove --purge microk8s') echo did remove; installed=no ;;
  esac
}}
trap 'unforeseen "$LINENO" "$BASH_COMMAND"' ERR
reset
"""
    return subprocess.run(["bash", "-s"], input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_when_a_host_goes(case: Case, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    done = run(case, state)
    assert (done.returncode != 0) is case.fails, done.stderr
    assert tuple(line.removeprefix("did ") for line in done.stdout.splitlines() if line.startswith("did ")) == case.done
    assert case.told in done.stdout + done.stderr
    assert "ended with exit code" not in done.stderr
    progress = state / "departing"
    assert (progress.read_text().strip() if progress.exists() else None) == case.left
    if "unprepare" in case.done:
        assert not state.exists(), "records and all"


def test_backups_of_the_database_outlive_the_host(tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "backups").mkdir(parents=True)
    (state / "deployed").mkdir()
    (state / "backups/dqlite-v1.35.4.tar.gz").touch()
    done = run(Case("first control plane"), state)
    assert done.returncode == 0, done.stderr
    assert [str(path.relative_to(state)) for path in state.rglob("*")] == ["backups", "backups/dqlite-v1.35.4.tar.gz"]
    assert f"nothing of it is left there but {state}/backups, the backups" in done.stdout
