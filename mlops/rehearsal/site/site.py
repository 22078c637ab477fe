"""The throw-away site as one thing: started and stopped by the driver or a test, inside a frame."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from mlops.rehearsal.site.controlplane import ControlPlane
from mlops.rehearsal.site.daemon import Daemon, Fault
from mlops.rehearsal.site.host import Host
from mlops.rehearsal.site.journal import Journal
from mlops.rehearsal.site.layers import stand_in_layer
from mlops.rehearsal.site.network import Network
from mlops.rehearsal.site.spec import SiteSpec
from mlops.rehearsal.site.standins import StandIns


class ThrowAwaySite:
    """SSH hosts on a network of their own, whose ``microk8s`` brings up a real control plane. A context manager.

    Must be made inside a frame (:func:`mlops.rehearsal.site.frame.run_in_frame`), as its root.

    Args:
        spec: the site.
        tools: paths of ``kubectl``, ``etcd``, ``kube-apiserver``, ``kube-controller-manager``, ``kube-scheduler`` and ``kwok``.
        workdir: an empty directory of the run.
        base: root file system from :func:`mlops.rehearsal.site.image.base_image`, made before the frame was opened.
    """

    def __init__(self, spec: SiteSpec, tools: Mapping[str, Path], workdir: Path, base: Path) -> None:
        self.spec = spec
        self.workdir = workdir
        self._tools = tools
        self._base = base
        self._network = Network(spec, workdir / "netns")
        self.hosts = {entry.name: Host(entry, workdir / "hosts" / entry.name, self._network) for entry in spec.all_hosts}
        self.control_plane = ControlPlane(spec, tools, workdir / "cluster", self._network.namespace)
        self.stand_ins = StandIns(spec, self.hosts, self.control_plane, self.reboot)
        self.daemon = Daemon(self.stand_ins.handle, self.reboot)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Brings up the network and all hosts; no cluster yet: a host's ``snap install microk8s`` starts that.

        Raises:
            RuntimeError: a host does not come up; with its log.
        """
        self.workdir.mkdir(parents=True, exist_ok=True)
        self._network.start()
        stand_ins = stand_in_layer(self.workdir / "stand-ins", self._base)
        tools = self._snap_tools()
        for host in self.hosts.values():
            host.build(self._base, stand_ins, self.spec, tools)
            self.daemon.listen(host.name, host.shared)
            host.boot()
        for host in self.hosts.values():
            host.wait_for_sshd()

    def stop(self) -> None:
        """Ends every process of the site. Mounts and interfaces go with the frame, directories with the run."""
        self.control_plane.stop()
        for host in self.hosts.values():
            if host.running:
                host.power_off()
        self.daemon.stop()

    def _snap_tools(self) -> Path:
        directory = self.workdir / "snap-tools"
        directory.mkdir()
        if "kubectl" in self._tools:
            target = directory / "kubectl"
            target.touch(mode=0o755)
            subprocess.run(["mount", "--bind", str(self._tools["kubectl"]), str(target)], check=True)
        return directory

    def reboot(self, name: str) -> None:
        """Takes a host's power away and gives it back; returns when its sshd answers again."""
        self.power_off(name)
        self.power_on(name)

    def power_off(self, name: str) -> None:
        """Takes a host's power away; its control plane goes down with it."""
        if name == self.control_plane.host:
            self.control_plane.stop()
        self.hosts[name].power_off()

    def power_on(self, name: str) -> None:
        """Boots a host; what it ran before comes up again."""
        self.hosts[name].power_on()
        if name == self.control_plane.host:
            self.control_plane.start()

    def inject(self, fault: Fault) -> None:
        """Makes the next calls of a stand-in go wrong."""
        self.daemon.inject(fault)

    def journal(self, name: str) -> Journal:
        """What a host's stand-ins were asked to do."""
        return self.daemon.journals[name]

    def netns_exec(self, name: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Runs a program of this machine in a host's network namespace."""
        namespace = self._network.namespace(self.spec.host(name))
        return subprocess.run(["nsenter", f"--net={namespace}", "--", *argv], capture_output=True, text=True, check=False)

    def network_namespace(self, name: str) -> Path:
        """File of a host's network namespace, for ``nsenter --net=FILE``."""
        return self._network.namespace(self.spec.host(name))

    def kubeconfig_path(self) -> Path:
        """Kubeconfig of an administrator other than the deployer (user ``site-stand-in``); exists once the cluster does."""
        return self.control_plane.kubeconfig

    @property
    def audit_log(self) -> Path:
        """The API server's audit log: one JSON event per line, all writes."""
        return self.control_plane.audit_log

    @property
    def address(self) -> str:
        """The address from which the frame's own programs reach the hosts."""
        return str(self.spec.router(self.spec.networks[0]).ip)
