"""Runs jobs, one or several at a time, each in a process and a frame of its own; says when each begins and ends."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from mlops.errors import Problem, UserError
from mlops.rehearsal.bench.outcome import Job, Outcome

_GRACE_SECONDS = 30.0


class Runner:
    """Runs jobs and keeps the time of the whole bench.

    Args:
        console: where to say how far it is.
        folder: for the jobs' files.
    """

    def __init__(self, console: Console, folder: Path) -> None:
        self._console = console
        self._folder = folder
        self._began = time.monotonic()
        self._number = 0

    def say(self, text: str) -> None:
        """A line with the time since the bench began."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        self._console.print(f"{minutes:3d}:{seconds:02d}  {text}", markup=False)

    def new_file(self, kind: str) -> Path:
        """A file name that no other job has."""
        self._number += 1
        return self._folder / f"{self._number:03d}-{kind}.json"

    def run(self, jobs: Sequence[Job], *, at_once: int = 1) -> list[Outcome]:
        """Runs jobs.

        Args:
            jobs: the jobs.
            at_once: how many at the same time; 1 where time is measured.

        Returns:
            Their outcomes, in the jobs' order.

        Raises:
            UserError: a job ended without an outcome.
        """
        waiting = iter(jobs)
        running: dict[int, tuple[Job, subprocess.Popen[bytes]]] = {}
        with _ended(running):
            while True:
                for job in _next(waiting, at_once - len(running)):
                    process = self._start(job)
                    running[os.pidfd_open(process.pid)] = job, process
                if not running:
                    return [Outcome.load(job.result) for job in jobs]
                ready, _, _ = select.select(list(running), [], [])
                for descriptor in ready:
                    job, process = running.pop(descriptor)
                    os.close(descriptor)
                    self._finish(job, process.wait())

    def _start(self, job: Job) -> subprocess.Popen[bytes]:
        file = self.new_file("job")
        job.save(file)
        self.say(f"{job.label}: begins")
        # it ends with this process, whatever ends this one
        tied = ["setpriv", "--pdeathsig", "TERM"]
        return subprocess.Popen([*tied, sys.executable, "-m", "mlops.rehearsal.bench.frame", str(file)])

    def _finish(self, job: Job, code: int) -> None:
        if not job.result.exists():
            problem = Problem(job.label, f"exit code {code}", "an outcome", "its own words and the place of its logs stand above")
            raise UserError("a run of the bench has failed", [problem])
        self.say(f"{job.label}: {told(Outcome.load(job.result))}")


def told(outcome: Outcome) -> str:
    """An outcome in one line."""
    words = [f"{len(outcome.refused)} of {outcome.writes} writes refused"]
    if outcome.ready_seconds is None:
        words.insert(0, f"not ready ({len(outcome.unready)} objects are not) after {outcome.accepted_seconds:.0f} s")
    else:
        words.insert(0, f"ready after {outcome.ready_seconds:.1f} s (critical path {outcome.critical_seconds:.1f} s)")
    if outcome.attempts > 1:
        words.append(f"{outcome.attempts} attempts")
    if outcome.unseen_pods:
        words.append(f"{len(outcome.unseen_pods)} pods slipped past a webhook")
    return ", ".join(words)


def _next(waiting: Iterable[Job], number: int) -> Iterator[Job]:
    for _, job in zip(range(number), waiting, strict=False):
        yield job


@contextmanager
def _ended(running: dict[int, tuple[Job, subprocess.Popen[bytes]]]) -> Iterator[None]:
    """Ends what still runs when the block is left, by whatever."""
    try:
        yield
    finally:
        for _, process in running.values():
            process.terminate()
        for descriptor, (_, process) in running.items():
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(descriptor)
