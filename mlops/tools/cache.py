"""Where the programs are kept: outside the checkout, shared by all checkouts of one user, by name, version and recipe."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlops.folders import cache_folder
from mlops.tools.pins import Pin, Platform


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of finished programs.

    ``tools/<name>/<version>-<digest>/<name>`` holds a program and what came beside it. It appears by a rename and is never
    changed afterwards, so what is there is whole: work goes on in ``work/``, under a lock per recipe in ``locks/``.

    Attributes:
        root: the folder; made on first use.
        platform: whose programs these are; part of the digest, as a home folder can be shared by machines.
    """

    root: Path
    platform: Platform

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Cache:
        """The user's cache on this platform."""
        return cls(cache_folder(environ), Platform.here())

    def folder(self, pin: Pin) -> Path:
        """The folder of a finished program, there or not."""
        return self.root / "tools" / pin.name / f"{pin.version}-{pin.digest(self.platform)}"

    def find(self, pin: Pin) -> Path | None:
        """The finished program, None when it has yet to be made."""
        path = self.folder(pin) / pin.name
        return path if os.access(path, os.X_OK) else None

    @contextmanager
    def working(self, recipe: str, waiting: Callable[[], None]) -> Iterator[Path]:
        """An empty folder to make programs of one recipe in, for one process at a time.

        What a killed process left there is removed first. The kernel drops the lock of a process that dies.

        Args:
            recipe: name of the Go recipe that the programs share.
            waiting: called once when another process is at work on the recipe.
        """
        locks = self.root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / f"{recipe}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
            work = self.root / "work" / recipe
            if work.exists():
                shutil.rmtree(work)
            work.mkdir(parents=True)
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def publish(self, pin: Pin, made: Path) -> Path:
        """Moves a folder with the finished program to its place in one step; returns the program's path."""
        folder = self.folder(pin)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():  # without a usable program, or find() had found it
            shutil.rmtree(folder)
        made.rename(folder)
        return folder / pin.name
