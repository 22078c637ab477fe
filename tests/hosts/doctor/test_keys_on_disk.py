"""Keys that ssh is given lie on no disk: a run that is killed leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from mlops.hosts.ssh import _folder
from tests.hosts.doctor.test_answers import BEHIND, DOOR

ROOT = Path(__file__).parents[3]
KILLED = """
import os, signal
from mlops.hosts.ssh import _folder
from tests.hosts.doctor.test_answers import BEHIND
with _folder([BEHIND]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_leaves_no_key(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert done.returncode == -signal.SIGKILL
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in left} == {"known_hosts"}


def test_ssh_reads_a_key_for_each_host_and_the_jump_host(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "id")], check=True)
    door = DOOR.model_copy(update={"key": (tmp_path / "id").read_text()})
    with _folder([BEHIND.model_copy(update={"door": door, "bastion": door})]) as folder:
        for name in ("node1", "bastion"):
            read = subprocess.run(
                ["ssh-keygen", "-y", "-f", str(folder / f"{name}.key")], capture_output=True, text=True, check=True
            )
            assert (tmp_path / "id.pub").read_text().startswith(read.stdout.rsplit(" ", 1)[0])
    assert not folder.exists()
