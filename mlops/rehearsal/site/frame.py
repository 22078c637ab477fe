"""The frame: namespaces of its own for a whole rehearsal, so that nothing leaves it and its end is the end of everything in it.

A frame is a network, mount, PID (and, for an ordinary user, user) namespace around one program. PID 1 of the frame is
:mod:`mlops.rehearsal.site.inner`; when it ends, in whatever way, the kernel ends every process of the frame and drops its mounts
and interfaces. ``setpriv --pdeathsig KILL`` ties it to the process that opened it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from mlops.rehearsal.site import preflight
from mlops.rehearsal.site.runs import FRAME_PID_FILE, Run

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How long a frame may take to end by itself after a signal; then it is killed. The program inside has nothing to save.
GRACE_SECONDS = 20.0


def run_in_frame(argv: Sequence[str], run: Run, *, environment: Mapping[str, str] | None = None) -> int:
    """Runs a program in a frame of its own, on the caller's terminal, and waits for it.

    Must be called from the main thread: signals are passed on, and the frame dies with the thread that opened it.

    Args:
        argv: program and arguments; it sees itself as root, with no network but what it makes.
        run: the run's directory, held locked until the last process of the frame is gone.
        environment: environment of the program; this process's own when not given.

    Returns:
        The program's exit code; 128 + signal number when a signal ended it, also when it had to be killed after one.

    Raises:
        UserError: this machine cannot open a frame; says everything that is missing.
    """
    rootless = os.geteuid() != 0
    preflight.check(rootless=rootless)
    command = [
        *preflight.namespace_command(rootless=rootless),
        sys.executable,
        "-m",
        "mlops.rehearsal.site.inner",
        str(run.lock),
        *argv,
    ]
    received: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if process is not None:
            _signal_frame(process, number, kill=len(received) > 1)

    previous = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        process = subprocess.Popen(command, pass_fds=[run.lock], env=None if environment is None else dict(environment))
        (run.path / FRAME_PID_FILE).write_text(str(process.pid))
        for number in received:  # arrived before the frame stood
            _signal_frame(process, number, kill=False)
        return _exit_code(_wait(process, received))
    finally:
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait(process: subprocess.Popen[bytes], received: list[int]) -> int:
    remaining = GRACE_SECONDS
    while True:
        try:
            status = process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            if received:
                remaining -= 0.5
            if remaining <= 0:
                process.kill()
        else:
            # killed here for want of an end: what the caller asked for is the reason to tell
            return -received[0] if received and status == -signal.SIGKILL else status


def _exit_code(status: int) -> int:
    return status if status >= 0 else 128 - status


def _signal_frame(process: subprocess.Popen[bytes], number: int, *, kill: bool) -> None:
    # unshare itself ignores INT and TERM while it waits: its child, PID 1 of the frame, is the one to tell
    if kill:
        process.kill()
        return
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    pids = [int(text) for text in children.read_text().split()] if children.exists() else []
    if pids:
        os.kill(pids[0], number)
    else:
        process.kill()
