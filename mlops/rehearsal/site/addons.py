"""What a new MicroK8s cluster holds: Calico's own settings, and the addons dns and hostpath-storage where they are switched on.

Source: canonical/microk8s-core-addons.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from mlops.rehearsal.site.api import ApiClient, ApiError

STORAGE_CLASS = "microk8s-hostpath"
_DNS = {"k8s-app": "kube-dns"}
_STORAGE = {"k8s-app": "hostpath-provisioner"}
_IN_SYSTEM = "namespaces/kube-system"
# as addons/dns/coredns.yaml of the core addons
_COREFILE = """\
.:53 {
    errors
    health {
      lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    forward . SERVERS
    cache 30
    loop
    reload
    loadbalance
}
"""
_FELIX = "crd.projectcalico.org"
_ESTABLISHED_SECONDS = 20.0
_DEFAULT_SERVICES = "10.152.183.0/24"


def enable(
    names: Iterable[str], client: ApiClient, service_cidr: str, arguments: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Creates what Calico makes when it starts, and the objects of addons, of those that are known here; again is harmless.

    Args:
        names: names of addons.
        client: the cluster.
        service_cidr: the Service network.
        arguments: arguments of addons.
    """
    _calico(client)
    given = (arguments or {}).get("dns", ())
    objects = {"dns": _dns(service_cidr, *given), "hostpath-storage": _hostpath_storage()}
    for name in names:
        for path, body in objects.get(name, ()):
            _create(client, path, body)


def _create(client: ApiClient, path: str, body: Mapping[str, Any]) -> None:
    try:
        client.request("POST", path, body)
    except ApiError as error:
        if error.code != HTTPStatus.CONFLICT:
            raise


def _calico(client: ApiClient) -> None:
    """FelixConfiguration ``default``, which calico-node makes; the only kind of Calico's that the platform's scripts touch."""
    names = {"plural": "felixconfigurations", "singular": "felixconfiguration", "kind": "FelixConfiguration"}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"felixconfigurations.{_FELIX}"},
        "spec": {"group": _FELIX, "scope": "Cluster", "names": names, "versions": [version]},
    }
    _create(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    settings = {"apiVersion": f"{_FELIX}/v1", "kind": "FelixConfiguration", "metadata": {"name": "default"}, "spec": {}}
    deadline = time.monotonic() + _ESTABLISHED_SECONDS
    while True:
        try:
            return _create(client, f"/apis/{_FELIX}/v1/felixconfigurations", settings)
        except ApiError as error:
            if error.code != HTTPStatus.NOT_FOUND or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _dns(service_cidr: str, servers: str = "/etc/resolv.conf", address: str = "") -> list[tuple[str, dict[str, Any]]]:
    """As ``microk8s enable dns [SERVERS [ADDRESS]]``: without an address the tenth of the default network, any of another one."""
    if not address and service_cidr == _DEFAULT_SERVICES:
        address = str(ipaddress.ip_network(service_cidr)[10])
    container = {"name": "coredns", "image": "coredns/coredns:1.13.1", "args": ["-conf", "/etc/coredns/Corefile"]}
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "labels": _DNS},
        "spec": {**({"clusterIP": address} if address else {}), "selector": _DNS, "ports": ports},
    }
    configuration: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coredns", "labels": _DNS},
        "data": {"Corefile": _COREFILE.replace("SERVERS", servers.replace(",", " "))},
    }
    return [
        (f"/api/v1/{_IN_SYSTEM}/configmaps", configuration),
        _deployment("coredns", _DNS, {"containers": [container]}),
        (f"/api/v1/{_IN_SYSTEM}/services", service),
    ]


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
