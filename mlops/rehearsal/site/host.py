"""One throw-away SSH host: an overlay over the base image and namespaces of its own around a small init and a real sshd."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from mlops.rehearsal.site.layers import host_layer
from mlops.rehearsal.site.network import Network
from mlops.rehearsal.site.spec import HostSpec, SiteSpec

BOOT_SECONDS = 15.0
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
        self._directory = directory
        self._network = network
        self._process: subprocess.Popen[bytes] | None = None
        self._tools = directory
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The host's name."""
        return self.spec.name

    def build(self, base: Path, stand_ins: Path, site: SiteSpec, tools: Path) -> None:
        """Makes the root file system and the network namespace.

        Args:
            base: the base root file system.
            stand_ins: the layer that all hosts share.
            site: the whole site, for the names of the other hosts.
            tools: directory with the programs that the MicroK8s snap brings (kubectl).
        """
        seed = host_layer(self._directory / "seed", base, site, self.spec)
        for path in (self.shared / "log", self.root, self.changes, self._directory / "work"):
            path.mkdir(parents=True)
        self.shared.chmod(0o755)
        self._tools = tools
        # a run directory may not hold ':' or ',': overlay options are separated by them
        layers = ":".join(str(path) for path in (seed, stand_ins, base))
        options = f"lowerdir={layers},upperdir={self.changes},workdir={self._directory / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(self.root)], check=True)
        self._network.attach(self.spec)

    def boot(self) -> None:
        """Starts init and waits until sshd answers.

        Raises:
            RuntimeError: sshd does not answer in time; with its log.
        """
        with self._lock:
            boot = resources.files("mlops.rehearsal.site") / "hostbin" / "boot.sh"
            enter = ["nsenter", f"--net={self._network.namespace(self.spec)}", "--"]
            unshare = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
            log = (self._directory / "boot.log").open("ab")
            with log:
                self._process = subprocess.Popen(
                    [*enter, *unshare, "sh", str(boot), str(self.root), self.name, str(self.shared), str(self._tools)],
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
        """Ends every process of the host at once, as a power loss does; what it wrote stays."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._process = None
        self._network.unplug(self.spec)

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
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        if not children:
            raise RuntimeError(f"host {self.name} has no init\n{self.log()}")
        return children[0]

    def run(self, argv: Sequence[str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a program on the host and returns how it ended; does not raise for its exit code."""
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin", "HOME": "/root"}
        return subprocess.run(self.command(argv), input=stdin, capture_output=True, text=True, env=environment, check=False)

    def set_clock_offset(self, seconds: int) -> None:
        """Makes the host's ``date`` wrong by some seconds (0: right again)."""
        (self.shared / "clock-offset").write_text(f"{seconds}\n" if seconds else "")

    def limit_space(self, path: str, kib: int) -> None:
        """Puts an empty file system of that size over a directory of the host, until :meth:`free_space` or a reboot."""
        mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=755", "small", f"{self.root}{path}"]
        subprocess.run(["nsenter", "--target", self._init(), "--mount", *mount], check=True)

    def free_space(self, path: str) -> None:
        """Takes away what :meth:`limit_space` put there."""
        subprocess.run(["nsenter", "--target", self._init(), "--mount", "umount", f"{self.root}{path}"], check=True)

    def changed_files(self) -> list[str]:
        """Paths that differ from a fresh host, written since the first boot."""
        found = []
        for directory, _, files in os.walk(self.changes):
            found += ["/" + os.path.relpath(os.path.join(directory, file), self.changes) for file in files]  # noqa: PTH118
        return sorted(found)
