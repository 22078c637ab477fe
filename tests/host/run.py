"""Runs the bats suites of this folder on a node, over SSH. Nothing is installed there: bats and the suites are sent along.

Usage: ``python -m tests.host.run HOST_NAME "STEP STEP ..." ssh [OPTION ...] USER@ADDRESS``

The login user is root or may use sudo without a password.
"""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
# bats finds its parts relative to its program; these are the folders of an installation
_PARTS = ("bin/bats", "lib/bats-core", "libexec/bats-core")
_RUN = r"""set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
tar -x -z -C "$directory"
as_root=''
[ "$(id -u)" = 0 ] || as_root='sudo -n'
$as_root env HOST_NAME={host} STEPS={steps} "$directory/bats/bin/bats" --tap "$directory/suite"
"""


def archive() -> bytes:
    """Bats of this machine and the suites, as a compressed tar.

    Raises:
        FileNotFoundError: bats is not installed here.
    """
    program = shutil.which("bats")
    if program is None:
        raise FileNotFoundError("bats is not on PATH (Debian: apt-get install bats)")
    root = Path(program).resolve().parents[1]
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for part in _PARTS:
            tar.add(root / part, f"bats/{part}")
        for file in sorted([*HERE.glob("*.bats"), *HERE.glob("*.bash")]):
            tar.add(file, f"suite/{file.name}")
    return target.getvalue()


def run_suites(ssh: Sequence[str], *, host: str, steps: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Runs all suites on a node; does not raise for tests that fail.

    Args:
        ssh: command line that runs what is appended to it on the node, e.g. ``ssh deploy@192.0.2.11``.
        host: the node's name.
        steps: the steps that were deployed there and have a record.

    Returns:
        TAP on standard output; exit code 0 when nothing failed.
    """
    script = _RUN.replace("{host}", shlex.quote(host)).replace("{steps}", shlex.quote(" ".join(steps)))
    done = subprocess.run([*ssh, script], input=archive(), capture_output=True, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def main(arguments: Sequence[str]) -> int:
    """Runs them, prints what they say and returns their exit code."""
    if len(arguments) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    host, steps, *ssh = arguments
    done = run_suites(ssh, host=host, steps=steps.split())
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
