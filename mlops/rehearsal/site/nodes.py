"""The Node object that a host's kubelet would register."""

from __future__ import annotations

import hashlib
from typing import Any

from mlops.rehearsal.site.spec import HostSpec, SiteSpec

# More than any workload of the platform asks for: the rehearsal is about order, not about capacity.
CAPACITY = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "500", "hugepages-2Mi": "2Gi"}


def node_object(site: SiteSpec, host: HostSpec, kubernetes: str, machine_id: str = "") -> dict[str, Any]:
    """A Node with the labels that MicroK8s gives, and with its status.

    Args:
        site: the site.
        host: the host.
        kubernetes: version that its kubelet reports, with leading ``v``.
        machine_id: the host's; derived from the names of site and host when empty.
    """
    role = "microk8s-controlplane" if host.control_plane else "microk8s-worker"
    identity = machine_id or hashlib.md5(f"{site.name}/{host.name}".encode(), usedforsecurity=False).hexdigest()
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": host.name,
            "labels": {
                "kubernetes.io/hostname": host.name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "beta.kubernetes.io/arch": "amd64",
                "microk8s.io/cluster": "true",
                f"node.kubernetes.io/{role}": role,
            },
        },
        "spec": {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": host.address}, {"type": "Hostname", "address": host.name}],
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": "Debian GNU/Linux 12 (bookworm)",
                "kernelVersion": "6.1.0-stand-in",
                "kubeletVersion": kubernetes,
                "kubeProxyVersion": kubernetes,
                "containerRuntimeVersion": "containerd://2.1.6",
                "machineID": identity,
                "systemUUID": identity,
                "bootID": identity,
            },
        },
    }
