"""What stand-ins ask of workloads: whether a program runs, whether a Service leads to it, which pods are its own."""

from __future__ import annotations

from mlops.rehearsal.controllers.client import Api, Body


def available(api: Api, namespace: str, workload: str) -> bool:
    """Whether a pod of a Deployment or StatefulSet has been Ready for long enough."""
    for kind in ("deployments", "statefulsets"):
        found = api.get(f"/apis/apps/v1/namespaces/{namespace}/{kind}/{workload}")
        if found is not None and not found["metadata"].get("deletionTimestamp"):
            return bool((found.get("status") or {}).get("availableReplicas"))
    return False


def owner(pod: Body) -> str:
    """The workload that a pod belongs to; of a Deployment's pods the owner is a ReplicaSet, named after it."""
    owners = pod["metadata"].get("ownerReferences") or [{"kind": "Pod", "name": pod["metadata"]["name"]}]
    name = str(owners[0]["name"])
    return name.rpartition("-")[0] if owners[0]["kind"] == "ReplicaSet" else name


def pods_of(api: Api, namespace: str, workload: str) -> list[Body]:
    """Pods of a workload that are not being deleted."""
    pods = api.items(f"/api/v1/namespaces/{namespace}/pods")
    return [pod for pod in pods if owner(pod) == workload and not pod["metadata"].get("deletionTimestamp")]


def runs(pod: Body) -> bool:
    """Whether a pod's containers run, Ready or not."""
    return (pod.get("status") or {}).get("phase") == "Running"


def address(api: Api, namespace: str, service: str, port: int) -> str | None:
    """ClusterIP of a Service, None while it has no such port or no Ready pod behind it."""
    found = api.get(f"/api/v1/namespaces/{namespace}/services/{service}")
    names = [entry.get("name") or "" for entry in (found or {"spec": {}})["spec"].get("ports") or () if entry["port"] == port]
    if found is None or not names:
        return None
    for item in api.items(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"):
        labels = item["metadata"].get("labels") or {}
        offered = {entry.get("name") or "" for entry in item.get("ports") or ()}
        ready = any((point.get("conditions") or {}).get("ready") for point in item.get("endpoints") or ())
        if labels.get("kubernetes.io/service-name") == service and names[0] in offered and ready:
            return str(found["spec"]["clusterIP"])
    return None
