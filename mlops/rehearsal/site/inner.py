"""PID 1 of a frame: makes the machine's kernel settings read-only, brings up the loopback, starts the program and reaps everything.

Usage: ``python -m mlops.rehearsal.site.inner LOCK_FD PROGRAM ARGUMENT...``
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedBySignal(BaseException):
    """A signal asked the program to end; unwinding stops what it started. ``code`` is the exit code to end with."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


def raise_on_signals() -> None:
    """Turns the first INT, TERM or HUP into :class:`InterruptedBySignal` in the main thread; later ones are ignored."""

    def handler(number: int, _frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise InterruptedBySignal(number)

    for number in SIGNALS:
        signal.signal(number, handler)


def prepare() -> None:
    """What every frame needs before its program runs."""
    # In new namespaces root may still write vm.* and fs.* of the real machine: the whole frame sees them read-only.
    subprocess.run(["mount", "--bind", "/proc/sys", "/proc/sys"], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", "/proc/sys"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def main(arguments: list[str]) -> int:
    """Runs the program as a child and reaps until it has ended; returns its exit code."""
    lock, *argv = arguments
    fcntl.fcntl(int(lock), fcntl.F_SETFD, fcntl.FD_CLOEXEC)  # held here until the frame ends, by nobody else
    prepare()
    child = os.posix_spawnp(argv[0], argv, os.environ)

    def forward(number: int, _frame: FrameType | None) -> None:
        os.kill(child, number)

    for number in SIGNALS:
        signal.signal(number, forward)
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
