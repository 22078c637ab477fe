"""The frame's promise: nothing of it is left, however it ends, and nothing of the machine is changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.rehearsal.site.runs import run_directory
from tests.rehearsal.site.machine import DEADLINE, namespaces, now, snapshot, until
from tests.rehearsal.site.site_for_tests import SiteForTests

pytestmark = pytest.mark.site

# The inner command notes every namespace that exists in the frame, says that it is ready and stays.
STAY = 'readlink /proc/[0-9]*/ns/* 2>/dev/null | sort -u > "$NOTES"; touch "$NOTES.ready"; exec sleep 300'


class Shell:
    """A site with a command beside it, as a person would start it."""

    def __init__(self, site: Path, notes: Path, command: str = STAY) -> None:
        self.notes = notes
        argv = [sys.executable, "-m", "mlops.rehearsal.site.shell", "--spec", str(site / "spec.json"), "--", "sh", "-c", command]
        self.log = notes.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                argv,
                env={**os.environ, "NOTES": str(notes)},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait_ready(self) -> set[str]:
        """Waits until the command runs; returns the namespaces of the frame."""
        ready = Path(f"{self.notes}.ready")
        until(lambda: ready.exists() or self.process.poll() is not None, "the site does not come up")
        assert ready.exists(), self.log.read_text()
        return set(self.notes.read_text().split()) - {os.readlink(entry) for entry in Path("/proc/self/ns").iterdir()}  # noqa: PTH115


@pytest.fixture
def shells(cache: Path, made_site: SiteForTests, tmp_path: Path) -> Callable[[str], Shell]:
    return lambda name: Shell(tmp_path / "site", tmp_path / name)


@pytest.mark.parametrize(
    ("number", "whole_group", "code"),
    [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 143), (signal.SIGHUP, False, 129)],
    ids=["ctrl-c", "term", "hup"],
)
def test_a_signal_ends_everything(shells: Callable[[str], Shell], cache: Path, number: int, whole_group: bool, code: int) -> None:
    shell = shells("notes")
    inside = shell.wait_ready()
    assert len(inside) > 10
    assert inside <= namespaces()
    send, ended = os.killpg if whole_group else os.kill, now()
    send(shell.process.pid, number)
    assert shell.process.wait(DEADLINE) == code, shell.log.read_text()
    until(lambda: not inside & namespaces(ended), "namespaces are left", 5)
    assert list((cache / "rehearsals").iterdir()) == []


def test_kill_9_ends_everything_and_the_next_run_tidies_up(shells: Callable[[str], Shell], cache: Path) -> None:
    shell = shells("notes")
    inside = shell.wait_ready()
    ended = now()
    shell.process.kill()
    shell.process.wait()
    until(lambda: not inside & namespaces(ended), "namespaces are left", 5)
    (left, _) = sorted((cache / "rehearsals").iterdir())
    assert left.is_dir()
    with run_directory("next") as run:
        assert not left.exists()
        assert run.path.exists()
    assert list((cache / "rehearsals").iterdir()) == []


def test_two_at_once_do_not_meet_and_the_exit_code_is_the_commands(made_site: SiteForTests, cache: Path, tmp_path: Path) -> None:
    # both have the same addresses; each goes on only when the other one's hosts are up too
    template = """
        touch "$NOTES.ready"; i=0; until [ -e OTHER.ready ] || [ $((i+=1)) -gt 300 ]; do sleep 0.1; done
        ssh -F none -i "$KEYS/id" -o UserKnownHostsFile="$KEYS/known_hosts" deploy@192.168.50.11 sudo -n touch /etc/MINE
        cd "$SITE_DIRECTORY/hosts/node1/upper/etc" && ls MINE && ! ls THEIRS && exit 7"""
    os.environ["KEYS"] = str(tmp_path / "site")
    try:
        first, second = (
            Shell(
                tmp_path / "site",
                tmp_path / mine,
                template.replace("OTHER", str(tmp_path / theirs)).replace("MINE", mine).replace("THEIRS", theirs),
            )
            for mine, theirs in (("only-a", "only-b"), ("only-b", "only-a"))
        )
        codes = [shell.process.wait(60) for shell in (first, second)]
    finally:
        del os.environ["KEYS"]
    assert codes == [7, 7], first.log.read_text() + second.log.read_text()


def test_the_machine_is_unchanged(made_site: SiteForTests, cache: Path, tmp_path: Path) -> None:
    before = snapshot()
    tries = "sysctl -w vm.swappiness=$(cat /proc/sys/vm/swappiness); ip link add inside type bridge; exit 0"
    shell = Shell(tmp_path / "site", tmp_path / "notes", tries)
    assert shell.process.wait(DEADLINE) == 0, shell.log.read_text()
    assert "denied" in shell.log.read_text() or "Read-only" in shell.log.read_text()
    after = snapshot()
    assert before == after
