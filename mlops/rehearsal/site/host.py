"""One throw-away SSH host: an overlay over the base image and namespaces of its own around a small init and a real sshd."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from mlops.rehearsal.site.firewall import Firewall
from mlops.rehearsal.site.layers import host_layer
from mlops.rehearsal.site.network import Network
from mlops.rehearsal.site.packages import SNAPD_INFO
from mlops.rehearsal.site.rooted import inside
from mlops.rehearsal.site.spec import HostSpec, SiteSpec
from mlops.rehearsal.site.systems import SYSTEMS
from mlops.rehearsal.site.units import Units
from mlops.rehearsal.site.view import HostView

BOOT_SECONDS = 15.0
SHUTDOWN_SECONDS = 5.0
# the same as in hostbin/boot.sh: what runs on a host never holds more than what its init holds
DROPPED = "-sys_admin,-sys_time,-sys_module,-sys_boot,-sys_rawio,-mknod,-syslog,-mac_admin,-sys_resource"


class Host:
    """A host of the site, inside the frame.

    Args:
        spec: the host.
        directory: the host's own directory.
        network: the site's network, to which the host attaches itself.
    """

    def __init__(self, spec: HostSpec, directory: Path, network: Network) -> None:
        self.spec = spec
        self.shared = directory / "shared"
        self.root = directory / "root"
        self.changes = directory / "upper"
        self.system = SYSTEMS[spec.os]
        self.facts = spec.facts
        self.view = HostView(directory / "view", self.shared, self.root, spec.name, self.system.kernel)
        self.firewall = Firewall()
        self.units = Units(self)
        self._directory = directory
        self._network = network
        self._process: subprocess.Popen[bytes] | None = None
        self._tools = directory
        self._below: tuple[Path, ...] = ()
        self._site: SiteSpec | None = None
        self._installations = 0
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The host's name."""
        return self.spec.name

    @property
    def machine_id(self) -> str:
        """What /etc/machine-id on its disk says."""
        return inside(self.root, "/etc/machine-id").read_text().strip()

    @property
    def snapd_version(self) -> str:
        """Version of snapd as the distribution packages it."""
        return self.facts.snapd or self.system.snapd

    def build(self, base: Path, stand_ins: Path, site: SiteSpec, tools: Path) -> None:
        """Makes the root file system and the network namespace.

        Args:
            base: the root file system of its operating system.
            stand_ins: the layer that all hosts of the system share.
            site: the whole site, for the names of the other hosts.
            tools: directory with the programs that the MicroK8s snap brings (kubectl).
        """
        self._site, self._tools, self._below = site, tools, (stand_ins, base)
        for path in (self.shared / "log", self.root):
            path.mkdir(parents=True)
        self.shared.chmod(0o755)
        self._install()
        self._network.attach(self.spec)

    def _install(self) -> None:
        """A fresh disk."""
        if self._site is None:
            raise RuntimeError(f"host {self.name} was not built")
        number, self._installations = self._installations, self._installations + 1
        seed = self._directory / f"seed-{number}"
        spec = dataclasses.replace(self.spec, facts=self.facts)
        text = "/".join((self._site.name, self.name, *([str(number)] if number else [])))
        derived = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        host_layer(seed, self._below[-1], self._site, spec, machine_id=self.facts.machine_id or derived)
        work = self._directory / "work"
        for path in (self.changes, work):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
        # a run directory may not hold ':' or ',': overlay options are separated by them
        layers = ":".join(str(path) for path in (seed, *self._below))
        options = f"lowerdir={layers},upperdir={self.changes},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(self.root)], check=True)
        self.firewall, self.units = Firewall(), Units(self)

    def reinstall(self) -> None:
        """Gives a host without power a fresh disk: another machine id, the same host key; nothing of before is left."""
        subprocess.run(["umount", str(self.root)], check=True)
        self.facts = dataclasses.replace(self.facts, machine_id="")
        self._install()

    def boot(self) -> None:
        """Starts init and waits until sshd answers.

        Raises:
            RuntimeError: sshd does not answer in time; with its log.
        """
        with self._lock:
            self.view.boot(self.facts)
            self.firewall.boot()
            self.units.boot()
            boot = resources.files("mlops.rehearsal.site") / "hostbin" / "boot.sh"
            enter = ["nsenter", f"--net={self._network.namespace(self.spec)}", "--"]
            unshare = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
            places = (self.shared, self._tools, self.view.directory)
            log = (self._directory / "boot.log").open("ab")
            with log:
                self._process = subprocess.Popen(
                    [*enter, *unshare, "sh", str(boot), str(self.root), self._host_name(), *map(str, places)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C on the terminal is for the driver, which then stops the site in order
                )

    def wait_for_sshd(self) -> None:
        """Waits until sshd answers.

        Raises:
            RuntimeError: not in time, or the host ended; with its logs.
        """
        deadline = time.monotonic() + BOOT_SECONDS
        while not self._answers():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"host {self.name}: sshd does not answer\n{self.log()}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.spec.address, self.spec.port), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
        return False

    def log(self) -> str:
        """What booting and sshd wrote."""
        paths = (self._directory / "boot.log", self.shared / "log" / "sshd.log")
        return "".join(path.read_text(errors="replace") for path in paths if path.exists())

    @property
    def running(self) -> bool:
        """Whether the host's init runs."""
        return self._process is not None and self._process.poll() is None

    def power_off(self) -> None:
        """Ends every process of the host at once, as a power loss does; what it wrote stays.

        Who is connected to it hears so at once. Of a real host that has lost its power the command plugin hears nothing: it gives
        up when 150 s of TCP keep-alive have gone by, with the same words.
        """
        with self._lock:
            if self._process is not None:
                inits = [os.pidfd_open(int(process)) for process in self._children()]
                self._process.kill()  # and with it its child, init
                self._process.wait()
                for init in inits:
                    # it is gone when all other processes of its namespace are: no connection is open when the interface goes down
                    select.select([init], [], [])
                    os.close(init)
                self._process = None
        self._network.unplug(self.spec)

    def shut_down(self) -> None:
        """Ends the host in order: its init asks every process to end. One that does not end in time loses its power."""
        if self._process is not None:
            os.kill(int(self._init()), signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(SHUTDOWN_SECONDS)
        self.power_off()

    def power_on(self) -> None:
        """Boots a host that was powered off."""
        self._network.plug(self.spec)
        self.boot()
        self.wait_for_sshd()

    def command(self, argv: Sequence[str]) -> list[str]:
        """Command line that runs a program on the host, as its root and with its root's limits.

        Raises:
            RuntimeError: the host is not running.
        """
        enter = ["nsenter", "--target", self._init(), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
        return [*enter, "/usr/bin/setpriv", f"--bounding-set={DROPPED}", *argv]

    def _init(self) -> str:
        if self._process is None:
            raise RuntimeError(f"host {self.name} is powered off")
        children = self._children()
        if not children:
            raise RuntimeError(f"host {self.name} has no init\n{self.log()}")
        return children[0]

    def _children(self) -> list[str]:
        if self._process is None or self._process.poll() is not None:
            return []
        return Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()

    def run(self, argv: Sequence[str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a program on the host and returns how it ended; does not raise for its exit code."""
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin", "HOME": "/root"}
        return subprocess.run(self.command(argv), input=stdin, capture_output=True, text=True, env=environment, check=False)

    def set_fact(self, **changes: Any) -> None:
        """Changes facts of the host while it runs, as if it had been so since boot.

        Args:
            changes: names and values of :class:`mlops.rehearsal.site.facts.HostFacts`.

        Raises:
            TypeError: there is no such fact.
        """
        before, self.facts = self.facts, dataclasses.replace(self.facts, **changes)
        self.view.change(self.facts)
        if self.facts.mtu != before.mtu:
            self._network.set_mtu(self.spec, self.facts.mtu)
        if self.facts.machine_id and self.facts.machine_id != before.machine_id:
            inside(self.root, "/etc/machine-id").write_text(f"{self.facts.machine_id}\n")
        info = inside(self.root, SNAPD_INFO)
        if self.facts.snapd != before.snapd and info.is_file():
            info.write_text(f"VERSION={self.snapd_version}\n")
        if self.running:
            self._mounted("hostname", self._host_name(), namespace="--uts")
            self._mounted("cp", "-a", f"{self.view.directory}/dev/.", f"{self.root}/dev/")

    def set_host_name(self, name: str) -> None:
        """Gives the host another name, for good."""
        inside(self.root, "/etc/hostname").write_text(f"{name}\n")
        self.set_fact(host_name=name)

    def _host_name(self) -> str:
        return self.facts.host_name or self.name

    def set_clock_offset(self, seconds: int) -> None:
        """Makes the host's ``date`` wrong by some seconds (0: right again)."""
        self.set_fact(clock_offset=seconds)

    def _mounted(self, *argv: str, namespace: str = "--mount") -> None:
        """Runs a program of the machine in a namespace of the host, with the driver's rights: root of a host may not mount."""
        subprocess.run(["nsenter", "--target", self._init(), namespace, *argv], check=True)

    def limit_space(self, path: str, kib: int) -> None:
        """Puts an empty file system of that size over a directory of the host, until :meth:`free_space` or a reboot."""
        self._mounted("mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=755", "small", f"{self.root}{path}")

    def free_space(self, path: str) -> None:
        """Takes away what :meth:`limit_space` put there."""
        self._mounted("umount", f"{self.root}{path}")

    def changed_files(self) -> list[str]:
        """Paths that differ from a fresh host, written since the first boot."""
        found = []
        for directory, _, files in os.walk(self.changes):
            found += ["/" + os.path.relpath(os.path.join(directory, file), self.changes) for file in files]  # noqa: PTH118
        return sorted(found)
