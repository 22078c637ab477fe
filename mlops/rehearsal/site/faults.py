"""Halts a step between two of its commands and lets a test do something to the host meanwhile: a cut, a power loss.

sshd of each host sets BASH_ENV to ``hostbin/fault.sh``, which counts a step's commands in a DEBUG trap. A host is armed for a place
in a step; the driver polls the host's own directory, acts, and ends the halt. The steps' scripts are the real ones, unchanged.
"""

from __future__ import annotations

import errno
import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from mlops.rehearsal.site.host import Host
from mlops.rehearsal.site.site import ThrowAwaySite

FAULT = "fault"
_POLL_SECONDS = 0.02
_ON_HOST = "/run/site/fault/fault.sh"
# sudo gives a step a new environment; BASH_ENV is let through on hosts of the fault table only
_SUDOERS = 'Defaults env_keep += "BASH_ENV"\n'
# from the halted shell up: the processes of its SSH connection, but not the sshd that listens, whose parent is init
_CUT = r"""
pid=$1
while [ "$pid" -gt 1 ]; do
  name= parent=
  while read -r key value _; do
    case "$key" in Name:) name=$value ;; PPid:) parent=$value ;; esac
  done <"/proc/$pid/status"
  case "$name" in sshd*) if [ "$parent" -gt 1 ]; then sessions="$pid ${sessions-}"; fi ;; esac
  pid=$parent
done
kill -KILL $sessions
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a step, as the step's shell was about to run it.

    Attributes:
        step: the step's name.
        index: the how manieth of that run of the step, from 1.
        text: the command, not expanded, so no secret stands in it.
        process: process id of the step's shell on its host; 0 when read from a trace.
    """

    step: str
    index: int
    text: str
    process: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where to halt.

    Attributes:
        step: the step's name.
        index: before which command, from 1; None for the first that matches ``pattern``.
        pattern: a bash pattern for the command's text.
    """

    step: str
    index: int | None = None
    pattern: str = "-"


class Faults:
    """The hosts of a site, made ready to be halted.

    Args:
        site: started.
    """

    def __init__(self, site: ThrowAwaySite) -> None:
        self._site = site
        self._armed: dict[str, Callable[[Command], None]] = {}
        self._struck: dict[str, Command] = {}
        self._acting: dict[str, threading.Thread] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="faults", daemon=True)

    def install(self) -> None:
        """Makes every host ready: the hook, sshd's variable, sudo's exception; begins to watch."""
        for host in self._site.hosts.values():
            self.install_on(host)
        self._thread.start()

    def install_on(self, host: Host) -> None:
        """Makes one host ready; again after it was installed anew."""
        directory = host.shared / FAULT
        directory.mkdir(exist_ok=True)
        (directory / "fault.sh").write_bytes((resources.files("mlops.rehearsal.site") / "hostbin" / "fault.sh").read_bytes())
        if not (directory / "go").exists():
            os.mkfifo(directory / "go", 0o600)
        self._set_variable(host)

    @staticmethod
    def _set_variable(host: Host) -> None:
        line = f"SetEnv BASH_ENV={_ON_HOST}"
        script = f"""set -eu
            grep -qx '{line}' /etc/ssh/sshd_config || printf '%s\\n' '{line}' >>/etc/ssh/sshd_config
            cat >/etc/sudoers.d/faults
            pkill -HUP -o -x sshd"""
        done = host.run(["sh", "-c", script], stdin=_SUDOERS)
        if done.returncode != 0:
            raise RuntimeError(f"host {host.name}: {done.stderr}")
        host.wait_for_sshd()

    def stop(self) -> None:
        """Ends the watch."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def arm(self, host: str, place: Place, action: Callable[[Command], None]) -> None:
        """Has the host halt at a place, once; ``action`` then runs in a thread of the watch, and the halt ends with it."""
        directory = self._site.hosts[host].shared / FAULT
        self._struck.pop(host, None)
        (directory / "struck").unlink(missing_ok=True)
        self._armed[host] = action
        index = "-" if place.index is None else str(place.index)
        (directory / "armed").write_text(f"{place.step} {index} {place.pattern}\n")

    def disarm(self, host: str) -> Command | None:
        """Takes back what :meth:`arm` did, and waits for the end of an action under way: a host that reboots is there again.

        Returns:
            The command before which the host was halted; None when that never came.
        """
        self._armed.pop(host, None)
        (self._site.hosts[host].shared / FAULT / "armed").unlink(missing_ok=True)
        if acting := self._acting.pop(host, None):
            acting.join()
        return self._struck.get(host)

    def trace(self, host: str) -> list[Command]:
        """The commands that steps have run on a host since :meth:`forget`, in order."""
        file = self._site.hosts[host].shared / FAULT / "trace"
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []
        found = []
        for line in lines:
            step, index, text = line.split("\t", 2)
            found.append(Command(step, int(index), text))
        return found

    def forget(self) -> None:
        """Begins new traces."""
        for host in self._site.hosts.values():
            (host.shared / FAULT / "trace").unlink(missing_ok=True)

    def cut(self, host: str, process: int) -> None:
        """Kills the SSH connection that a process of the host belongs to, as a network fault does in the end; the process lives."""
        done = self._site.hosts[host].run(["sh", "-euc", _CUT, "cut", str(process)])
        if done.returncode != 0:
            raise RuntimeError(f"host {host}: {done.stderr}")

    def kill(self, host: str, process: int) -> None:
        """Kills a process of the host, as the kernel does for want of memory."""
        self._site.hosts[host].run(["kill", "-KILL", str(process)])

    def fill(self, host: str, path: str) -> None:
        """Fills the file system of a directory: a copy of it, full to the last block, until :meth:`empty` or a reboot.

        What is written there meanwhile is lost with :meth:`empty`: nothing of it was written to the end.
        """
        script = """set -eu
            size=$(du -sk "$1" | cut -f 1)
            mkdir -p /tmp/full
            mount -t tmpfs -o "size=$((size + size / 4 + 2048))k,mode=755" full /tmp/full
            cp -a "$1/." /tmp/full/
            cat /dev/zero >/tmp/full/filler 2>/dev/null || test -s /tmp/full/filler
            mount --move /tmp/full "$1" """
        self._mounting(host, ["chroot", str(self._site.hosts[host].root), "sh", "-c", script, "fill", path])

    def empty(self, host: str, path: str) -> None:
        """Takes away what :meth:`fill` put there."""
        self._mounting(host, ["umount", "--lazy", f"{self._site.hosts[host].root}{path}"])

    def _mounting(self, host: str, argv: list[str]) -> None:
        # with the driver's rights in the host's mount namespace: root of a host may not mount
        pid = self._site.hosts[host].command([])[2]
        done = subprocess.run(["nsenter", "--target", pid, "--mount", *argv], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"host {host}: {done.stderr}")

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            for host in list(self._armed):
                file = self._site.hosts[host].shared / FAULT / "struck"
                if file.exists():
                    self._act(host, file.read_text(encoding="utf-8", errors="replace").rstrip("\n"))

    def _act(self, host: str, line: str) -> None:
        process, step, index, text = line.split("\t", 3)
        action = self._armed.pop(host, None)
        if action is None:
            return
        directory = self._site.hosts[host].shared / FAULT
        (directory / "armed").unlink(missing_ok=True)
        command = self._struck[host] = Command(step, int(index), text, int(process))

        def act() -> None:
            try:
                action(command)
            finally:
                _go_on(str(directory / "go"))

        self._acting[host] = threading.Thread(target=act, name=f"fault-{host}", daemon=True)
        self._acting[host].start()


def _go_on(fifo: str) -> None:
    """Ends the halt; a shell that was killed in it is not waited for."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        try:
            descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            os.write(descriptor, b"go\n")
            os.close(descriptor)
            return
