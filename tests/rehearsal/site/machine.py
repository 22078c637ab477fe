"""What tests look at on the machine itself: its settings, its namespaces, its processes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

DEADLINE = 30.0
# Settings that the kernel itself changes all the time.
VOLATILE = (
    "/proc/sys/fs/",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/kernel/pty/nr",
    "/proc/sys/kernel/random/",
    "/proc/sys/net/netfilter/nf_conntrack_count",
)


def until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def now() -> int:
    """Clock ticks since the machine was started, as /proc has the start of a process."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def namespaces(began_by: int | None = None) -> set[str]:
    """Every namespace that a process of this machine is in.

    Args:
        began_by: only processes that began by then (:func:`now`): the number of a namespace that has gone is given to the next one,
            which may be that of another test beside this one.
    """
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if began_by is None or int((entry / "stat").read_text().rpartition(")")[2].split()[19]) <= began_by:
                found |= {os.readlink(name) for name in (entry / "ns").iterdir()}  # noqa: PTH115 - it is no path
        except OSError:
            continue  # the process has ended meanwhile
    return found


def snapshot() -> dict[str, object]:
    """What a rehearsal must not change."""
    settings = {}
    for path in Path("/proc/sys").rglob("*"):
        if str(path).startswith(VOLATILE):
            continue
        try:
            settings[str(path)] = path.read_bytes() if path.is_file() else b""
        except OSError:
            settings[str(path)] = b"unreadable"
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return {
        "sysctls": settings,
        "inotify": [Path("/proc/sys/fs/inotify", name).read_text() for name in ("max_user_instances", "max_user_watches")],
        "users": [Path(name).read_text() for name in ("/etc/passwd", "/etc/group", "/etc/hosts", "/etc/subuid")],
        "mounts": sorted(line.split()[3:5] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "links": sorted(line.split(" ", 2)[1] for line in links.splitlines()),
    }


def family(process: int) -> set[tuple[int, str]]:
    """A process and everything that it started: process id and time of start, which together are unique."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        parents[int(entry.parent.name)] = int(fields[1]), fields[19]
    found: set[tuple[int, str]] = set()
    new = {process}
    while new:
        found |= {(pid, parents[pid][1]) for pid in new if pid in parents}
        new = {pid for pid, (parent, _) in parents.items() if parent in new}
    return found


def namespaces_of(processes: set[tuple[int, str]]) -> set[str]:
    """The namespaces that these processes are in and this one is not."""
    found = set()
    for pid, _ in processes:
        try:
            found |= {os.readlink(entry) for entry in Path(f"/proc/{pid}/ns").iterdir()}  # noqa: PTH115 - it is no path
        except OSError:
            continue
    return found - {os.readlink(entry) for entry in Path("/proc/self/ns").iterdir()}  # noqa: PTH115


def alive(processes: set[tuple[int, str]]) -> set[tuple[int, str]]:
    """Those of the processes that still run."""
    left = set()
    for pid, started in processes:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[19] == started and fields[0] != "Z":
            left.add((pid, started))
    return left
