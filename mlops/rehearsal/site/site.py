"""The throw-away site as one thing: started and stopped by the driver or a test, inside a frame."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from mlops.rehearsal.site.controlplane import ControlPlane
from mlops.rehearsal.site.daemon import Daemon, Fault
from mlops.rehearsal.site.host import Host
from mlops.rehearsal.site.image import image_name
from mlops.rehearsal.site.interception import Interception
from mlops.rehearsal.site.journal import Journal
from mlops.rehearsal.site.layers import stand_in_layer
from mlops.rehearsal.site.network import Network
from mlops.rehearsal.site.resolver import Resolver
from mlops.rehearsal.site.spec import SiteSpec
from mlops.rehearsal.site.standins import StandIns


class ThrowAwaySite:
    """SSH hosts on a network of their own, whose ``microk8s`` brings up a real control plane. A context manager.

    Must be made inside a frame (:func:`mlops.rehearsal.site.frame.run_in_frame`), as its root.

    Args:
        spec: the site.
        tools: paths of ``kubectl``, ``etcd``, ``kube-apiserver``, ``kube-controller-manager``, ``kube-scheduler`` and ``kwok``.
        workdir: an empty directory of the run.
        base: folder of images from :func:`mlops.rehearsal.site.image.base_images`, made before the frame was opened.
    """

    def __init__(self, spec: SiteSpec, tools: Mapping[str, Path], workdir: Path, base: Path) -> None:
        self.spec = spec
        self.workdir = workdir
        self._tools = tools
        self._base = base
        self._network = Network(spec, workdir / "netns")
        names = {name: address for name, address in spec.proxy_addresses.items() if name != address}
        self._resolver = Resolver(names, (str(spec.router(network).ip) for network in spec.networks))
        self.proxy = Interception(spec, workdir / "proxy") if spec.proxy else None
        self.hosts = {entry.name: Host(entry, workdir / "hosts" / entry.name, self._network) for entry in spec.all_hosts}
        self.control_plane = ControlPlane(spec, tools, workdir / "cluster", self._network.namespace)
        self.stand_ins = StandIns(spec, self.hosts, self.control_plane, self.reboot)
        self.daemon = Daemon(self.stand_ins.handle, self.power_cut)

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
        self._resolver.start()
        if self.proxy:
            self.proxy.start()
        images = {system: self._base / image_name(system) for system in self.spec.systems}
        layers = {system: stand_in_layer(self.workdir / "stand-ins" / system, image, system) for system, image in images.items()}
        tools = self._snap_tools()
        for host in self.hosts.values():
            host.build(images[host.spec.os], layers[host.spec.os], self.spec, tools)
            if self.proxy:
                self.proxy.be_public(host)
            self.daemon.listen(host.name, host.shared)
            host.boot()
            self.stand_ins.snapd.boot(host.name)
        for host in self.hosts.values():
            host.wait_for_sshd()

    def stop(self) -> None:
        """Ends every process of the site. Mounts and interfaces go with the frame, directories with the run."""
        self.control_plane.stop()
        for host in self.hosts.values():
            if host.running:
                host.power_off()
        self.daemon.stop()
        self._resolver.stop()
        if self.proxy:
            self.proxy.stop()

    def _snap_tools(self) -> Path:
        directory = self.workdir / "snap-tools"
        directory.mkdir()
        if "kubectl" in self._tools:
            target = directory / "kubectl"
            target.touch(mode=0o755)
            subprocess.run(["mount", "--bind", str(self._tools["kubectl"]), str(target)], check=True)
        return directory

    def reboot(self, name: str) -> None:
        """Shuts a host down in order and boots it; returns when its sshd answers again."""
        self._without_power(name, self.hosts[name].shut_down)
        self.power_on(name)

    def power_cut(self, name: str) -> None:
        """Takes a host's power away and gives it back; returns when its sshd answers again."""
        self.power_off(name)
        self.power_on(name)

    def power_off(self, name: str) -> None:
        """Takes a host's power away; its control plane goes down with it."""
        self._without_power(name, self.hosts[name].power_off)

    def _without_power(self, name: str, end: Callable[[], None]) -> None:
        if name == self.control_plane.host:
            self.control_plane.stop()
        end()
        self.stand_ins.microk8s.power(name, on=False)

    def power_on(self, name: str) -> None:
        """Boots a host; what it ran before comes up again."""
        self.hosts[name].power_on()
        self.stand_ins.snapd.boot(name)
        if name == self.control_plane.host:
            self.control_plane.start()
        self.stand_ins.microk8s.power(name, on=True)

    def reinstall(self, name: str) -> None:
        """Gives a host a fresh disk, as who installs it anew: another machine id, the same host key. The cluster is not told."""
        self.power_off(name)
        self.hosts[name].reinstall()
        if self.proxy:
            self.proxy.be_public(self.hosts[name])
        self.stand_ins.forget(name)
        self.power_on(name)

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
