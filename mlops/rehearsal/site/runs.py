"""Where a rehearsal keeps its files: one locked directory per run, and the removal of those whose owner is gone."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlops.folders import cache_folder

FRAME_PID_FILE = "frame.pid"
"""In a run's directory: process id of the frame's outer process, whose only child is PID 1 of the frame."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run's directory.

    Attributes:
        path: the directory; everything the run writes is below it.
        lock: descriptor of the lock file. The run is alive as long as any process holds it open.
    """

    path: Path
    lock: int


@contextmanager
def run_directory(name: str, *, keep: bool = False) -> Iterator[Run]:
    """A new directory for one run, locked while in use and removed afterwards.

    First removes what runs that were killed have left behind.

    Args:
        name: start of the directory's name, e.g. the site's name.
        keep: leave the directory for the user to look at; the next run removes it.
    """
    root = cache_folder() / "rehearsals"
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(root)
    path, lock_path, lock = _claim(root, name)
    try:
        yield Run(path, lock)
    finally:
        if not keep:
            remove_tree(path)
            lock_path.unlink(missing_ok=True)
        os.close(lock)


def _claim(root: Path, name: str) -> tuple[Path, Path, int]:
    while True:
        path = root / f"{name}-{secrets.token_hex(3)}"
        lock_path = root / f"{path.name}.lock"
        lock = os.open(lock_path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # a sweep may have unlinked the file between open and flock: then the name is free again
        if lock_path.exists() and lock_path.stat().st_ino == os.fstat(lock).st_ino:
            path.mkdir(mode=0o700)
            return path, lock_path, lock
        os.close(lock)


def sweep(root: Path) -> list[Path]:
    """Removes the directories of runs that no process holds any more; returns them."""
    removed = []
    for lock_path in sorted(root.glob("*.lock")):
        lock = os.open(lock_path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            path = lock_path.with_suffix("")
            remove_tree(path)
            lock_path.unlink(missing_ok=True)
            removed.append(path)
        finally:
            os.close(lock)
    return removed


def remove_tree(path: Path) -> None:
    """Removes a tree whose files may belong to subordinate ids of this user."""
    if not path.exists():
        return
    if os.geteuid() == 0:
        shutil.rmtree(path)
    else:
        subprocess.run(["unshare", "-U", "--map-auto", "--map-root-user", "rm", "-rf", "--", str(path)], check=True)
