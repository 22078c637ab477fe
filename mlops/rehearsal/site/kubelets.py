"""What becomes of a Node when its host's kubelet starts and stops; while it runs, kwok stands in for it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from http import HTTPStatus

from mlops.rehearsal.site.api import ApiError
from mlops.rehearsal.site.controlplane import ControlPlane
from mlops.rehearsal.site.kwok import KUBELET_ANNOTATION

READY_SECONDS = 20.0
_NODES = "/api/v1/nodes"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"


class Kubelets:
    """The kubelets of all hosts.

    Args:
        control_plane: where their Nodes are.
        machine_id: gives a host's machine id.
    """

    def __init__(self, control_plane: ControlPlane, machine_id: Callable[[str], str]) -> None:
        self._control_plane = control_plane
        self._machine_id = machine_id

    def up(self, host: str) -> None:
        """A kubelet starts: it tells its host's machine id, renews its lease, and its node becomes Ready."""
        self._patch(f"{_NODES}/{host}/status", {"status": {"nodeInfo": {"machineID": self._machine_id(host)}}}, _STRATEGIC)
        self._patch(f"{_NODES}/{host}", {"metadata": {"annotations": {KUBELET_ANNOTATION: None}}}, _MERGE)
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._patch(f"{_LEASES}/{host}", {"spec": {"renewTime": now}}, _MERGE)

    def down(self, host: str) -> None:
        """A kubelet is gone. A real cluster takes 40 s to notice; this one is told at once."""
        self._patch(f"{_NODES}/{host}", {"metadata": {"annotations": {KUBELET_ANNOTATION: "down"}}}, _MERGE)
        condition = {
            "type": "Ready",
            "status": "Unknown",
            "reason": "NodeStatusUnknown",
            "message": "Kubelet stopped posting node status.",
        }
        deadline = time.monotonic() + READY_SECONDS
        while self._control_plane.node_ready(host) and time.monotonic() < deadline:
            # again, where kwok has written after the annotation
            self._patch(f"{_NODES}/{host}/status", {"status": {"conditions": [condition]}}, _STRATEGIC)

    def _patch(self, path: str, patch: object, kind: str) -> None:
        try:
            self._control_plane.client().request("PATCH", path, patch, content_type=kind)
        except ApiError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
        except (RuntimeError, OSError):
            return  # without an API server, as at the end of a site, there is nobody to tell
