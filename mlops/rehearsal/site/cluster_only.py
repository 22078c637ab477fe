"""The cluster of a throw-away site without its hosts: control plane, kwok, addons, stand-ins for controllers.

For what needs a cluster but no SSH: comparisons of orders, and tests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from mlops.rehearsal.site.addons import enable
from mlops.rehearsal.site.controlplane import PORT, ControlPlane
from mlops.rehearsal.site.network import ip
from mlops.rehearsal.site.pki import Authority, kubeconfig
from mlops.rehearsal.site.process import Program
from mlops.rehearsal.site.spec import SiteSpec

STAND_IN_USER = "controllers-stand-in"
"""User of the stand-ins for controllers in the audit log."""

ADDONS = ("dns", "hostpath-storage")
_MODULE = "mlops.rehearsal.controllers"
_CHECKOUT = Path(__file__).parents[3]


class ClusterOnly:
    """A context manager: the cluster is ready inside, gone afterwards.

    Must be made inside a frame (:func:`mlops.rehearsal.site.frame.run_in_frame`) or a network namespace of its own: it takes
    the address of the first control-plane host there, and listens on the ports that webhooks have.

    Args:
        spec: the site; of its hosts only the first with the role control-plane is used.
        tools: paths of :data:`mlops.rehearsal.site.controlplane.PROGRAMS`.
        directory: an empty directory for data, logs and kubeconfigs.
        addons: MicroK8s addons that are switched on.
    """

    def __init__(self, spec: SiteSpec, tools: Mapping[str, Path], directory: Path, addons: Iterable[str] = ADDONS) -> None:
        self._spec, self._directory, self._addons = spec, directory, tuple(addons)
        self._host = next(host for host in spec.hosts if host.control_plane)
        self._authority = Authority(f"{spec.name}-ca")
        self.control_plane = ControlPlane(spec, tools, directory, lambda _: Path("/proc/self/ns/net"))
        self._stand_ins: Program | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    @property
    def url(self) -> str:
        """Address of the API server."""
        return f"https://{self._host.address}:{PORT}"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log: one JSON event per line, all writes."""
        return self.control_plane.audit_log

    @property
    def stand_in_log(self) -> Path:
        """What the stand-ins for controllers print."""
        return self._directory / "controllers.log"

    def kubeconfig(self, user: str) -> Path:
        """A kubeconfig of an administrator with a name of its own, as the audit log then tells it.

        Args:
            user: name of the user.
        """
        path = self._directory / f"{user.replace(':', '-')}.kubeconfig"
        path.touch(mode=0o600)
        pair = self._authority.client(user, "system:masters")
        path.write_text(kubeconfig(self.url, self._authority.pair.certificate, user, pair))
        return path

    def _start(self) -> None:
        ip("link", "set", "lo", "up")
        ip("address", "replace", f"{self._host.address}/32", "dev", "lo")
        self.control_plane.create(self._host, self._authority, ())
        self.control_plane.add_node(self._host, self._spec.kubernetes)
        enable(self._addons, self.control_plane.client(), self._spec.service_cidr)
        seed = (f"--seed={self._spec.seed}", f"--delay-scale={self._spec.delay_scale}")
        argv = [sys.executable, "-m", _MODULE, "--kubeconfig", str(self.kubeconfig(STAND_IN_USER)), *seed]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(_CHECKOUT)}
        self._stand_ins = Program(_MODULE, argv, self.stand_in_log, environment=environment)
        self._stand_ins.start()

    def _stop(self) -> None:
        if self._stand_ins is not None:
            self._stand_ins.kill()
        self.control_plane.stop()
