"""MicroK8s addons that a launch configuration may switch on: dns and hostpath-storage (canonical/microk8s-core-addons)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from mlops.rehearsal.site.api import ApiClient, ApiError

STORAGE_CLASS = "microk8s-hostpath"
_DNS = {"k8s-app": "kube-dns"}
_STORAGE = {"k8s-app": "hostpath-provisioner"}
_IN_SYSTEM = "namespaces/kube-system"


def enable(names: Iterable[str], client: ApiClient, service_cidr: str) -> None:
    """Creates the objects of addons, of those that are known here; again is harmless.

    Args:
        names: names of addons.
        client: the cluster.
        service_cidr: the Service network, whose tenth address is the DNS server's.
    """
    objects = {"dns": _dns(service_cidr), "hostpath-storage": _hostpath_storage()}
    for name in names:
        for path, body in objects.get(name, ()):
            try:
                client.request("POST", path, body)
            except ApiError as error:
                if error.code != 409:
                    raise


def _dns(service_cidr: str) -> list[tuple[str, dict[str, Any]]]:
    container = {"name": "coredns", "image": "coredns/coredns:1.13.1", "args": ["-conf", "/etc/coredns/Corefile"]}
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "labels": _DNS},
        "spec": {"clusterIP": str(ipaddress.ip_network(service_cidr)[10]), "selector": _DNS, "ports": ports},
    }
    return [_deployment("coredns", _DNS, {"containers": [container]}), (f"/api/v1/{_IN_SYSTEM}/services", service)]


def _hostpath_storage() -> list[tuple[str, dict[str, Any]]]:
    """As ``microk8s enable hostpath-storage`` without arguments: the default class, volumes deleted with their claims.

    mlops.rehearsal.controllers.hostpath plays the provisioner.
    """
    path = "/var/snap/microk8s/common/default-storage"
    container = {
        "name": "hostpath-provisioner",
        "image": "cdkbot/hostpath-provisioner:1.6.0",
        "env": [{"name": "PV_DIR", "value": path}],
        "volumeMounts": [{"name": "pv-volume", "mountPath": path}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "microk8s-hostpath"}}
    storage_class: dict[str, Any] = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "microk8s.io/hostpath",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    pod = {
        "serviceAccountName": "microk8s-hostpath",
        "containers": [container],
        "volumes": [{"name": "pv-volume", "hostPath": {"path": path}}],
    }
    return [
        (f"/api/v1/{_IN_SYSTEM}/serviceaccounts", account),
        _deployment("hostpath-provisioner", _STORAGE, pod),
        ("/apis/storage.k8s.io/v1/storageclasses", storage_class),
    ]


def _deployment(name: str, labels: dict[str, str], pod: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    return f"/apis/apps/v1/{_IN_SYSTEM}/deployments", body
