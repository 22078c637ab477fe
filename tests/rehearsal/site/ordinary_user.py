"""An ordinary user with subordinate ids, who exists for one command of a test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops.rehearsal.site.image import image_name, images_directory
from mlops.rehearsal.site.systems import DEFAULT

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
USER = 54321


@contextmanager
def home_directory() -> Iterator[Path]:
    """A home for the user; pytest's own temporary directories are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="rehearser-"))
    os.chown(directory, USER, USER)
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def as_user(
    home: Path, *command: str, checkout: Path = ROOT, show: Iterable[Path] = (), subordinate: str = "", seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Runs a command as the user.

    Args:
        home: from :func:`home_directory`.
        command: program and arguments.
        checkout: folder with the program, in the home or this one.
        show: further directories that the user must be able to read.
        subordinate: line of /etc/subuid and /etc/subgid instead of the user's own.
        seconds: how long it may take.
    """
    shown = [str(path) for path in (ROOT, sys.base_prefix, sys.prefix, *show)]
    script = ["unshare", "--mount", "sh", str(HERE / "as_ordinary_user.sh"), str(home), *shown, "--"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(checkout), "SUBORDINATE": subordinate}
    return subprocess.run(
        [*script, *command],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=seconds,
        cwd=checkout,
        stdin=subprocess.DEVNULL,
    )


def give_image(home: Path, base: Path) -> None:
    """The machine's image under the user's ids, instead of a second mmdebstrap."""
    image = home / "cache" / "images" / images_directory(USER).name / image_name(DEFAULT)
    archive = home / "base.tar"
    subprocess.run(["tar", "-c", "--exclude=./dev/*", "-C", str(base / image_name(DEFAULT)), "-f", str(archive), "."], check=True)
    unpack = f"mkdir {image} && tar -x -C {image} -f {archive}"
    done = as_user(home, "sh", "-c", f"mkdir -p {image.parent} && unshare -U --map-auto --map-root-user sh -c '{unpack}'")
    assert done.returncode == 0, done.stderr
    archive.unlink()
