"""MicroK8s addons that a launch configuration may switch on; only dns, which every cluster has."""

from __future__ import annotations

import ipaddress
from typing import Any

from mlops.rehearsal.site.api import ApiClient, ApiError

_LABELS = {"k8s-app": "kube-dns"}


def enable_dns(client: ApiClient, service_cidr: str) -> None:
    """Creates CoreDNS in kube-system, its Service at the tenth address of the Service network; again is harmless."""
    address = str(ipaddress.ip_network(service_cidr)[10])
    deployment: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "coredns", "labels": _LABELS},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": _LABELS},
            "template": {
                "metadata": {"labels": _LABELS},
                "spec": {
                    "containers": [
                        {"name": "coredns", "image": "coredns/coredns:1.13.1", "args": ["-conf", "/etc/coredns/Corefile"]}
                    ]
                },
            },
        },
    }
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "labels": _LABELS},
        "spec": {"clusterIP": address, "selector": _LABELS, "ports": ports},
    }
    for path, body in (
        ("/apis/apps/v1/namespaces/kube-system/deployments", deployment),
        ("/api/v1/namespaces/kube-system/services", service),
    ):
        try:
            client.request("POST", path, body)
        except ApiError as error:
            if error.code != 409:
                raise
