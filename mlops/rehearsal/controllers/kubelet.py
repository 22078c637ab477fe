"""Stands in for the part of a kubelet that waits for volumes: a pod starts when the Secrets and ConfigMaps that it names are there.

kwok, which plays the rest of the kubelets, holds back a pod that names any until it has an annotation (mlops.rehearsal.site.kwok).
Claims need nothing here: the scheduler binds a pod to a node only when its claims are bound. Left out: whether the keys are there
that a pod names, and the growing pauses between a kubelet's attempts.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator

from mlops.rehearsal.controllers.client import Api, Body, each
from mlops.rehearsal.controllers.workloads import owner
from mlops.rehearsal.site.kwok import READY_ANNOTATION, VOLUMES_ANNOTATION

# In every namespace, by the controller-manager.
_EVERYWHERE = "kube-root-ca.crt"

log = logging.getLogger("mlops.rehearsal.controllers")


class Kubelet:
    """Looks for what pods wait for.

    Args:
        ready_later: workloads (namespace, name) whose pods run before they are Ready; others say when.
    """

    def __init__(self, ready_later: Collection[tuple[str, str]] = ()) -> None:
        self._ready_later = frozenset(ready_later)
        self._told: dict[str, str] = {}

    def act(self, api: Api) -> None:
        """One look at all pods that are on a node and do not run yet."""
        each([pod for pod in api.items("/api/v1/pods") if _waits(pod)], lambda pod: self._look(api, pod))

    def _look(self, api: Api, pod: Body) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        named = sorted(set(references(pod)))
        missing = [entry for entry in named if api.get(f"/api/v1/namespaces/{namespace}/{'/'.join(entry)}") is None]
        later = (namespace, owner(pod)) in self._ready_later
        if missing:
            words = ", ".join("/".join(entry) for entry in missing)
            if self._told.get(f"{namespace}/{name}") != words:
                log.info("pod %s/%s waits for %s", namespace, name, words)
                self._told[f"{namespace}/{name}"] = words
        elif named or later:
            annotations = {VOLUMES_ANNOTATION: "there", **({READY_ANNOTATION: "later"} if later else {})}
            api.merge(f"/api/v1/namespaces/{namespace}/pods/{name}", {"metadata": {"annotations": annotations}})


def references(pod: Body) -> Iterator[tuple[str, str]]:
    """What has to be there before a pod's containers start: plural name of the kind, name."""
    spec = pod["spec"]
    for volume in spec.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            for plural, key in (("secrets", "secret"), ("configmaps", "configMap")):
                entry = source.get(key)
                if entry and not entry.get("optional") and entry.get("name") != _EVERYWHERE:
                    yield plural, entry.get("secretName") or entry["name"]
    for container in (*spec["containers"], *(spec.get("initContainers") or ())):
        values = [entry.get("valueFrom") or {} for entry in container.get("env") or ()]
        for source in (*values, *(container.get("envFrom") or ())):
            for plural, keys in (("secrets", ("secretKeyRef", "secretRef")), ("configmaps", ("configMapKeyRef", "configMapRef"))):
                for entry in filter(None, map(source.get, keys)):
                    if not entry.get("optional"):
                        yield plural, entry["name"]


def _waits(pod: Body) -> bool:
    metadata = pod["metadata"]
    annotated = VOLUMES_ANNOTATION in (metadata.get("annotations") or {})
    pending = (pod.get("status") or {}).get("phase") == "Pending" and pod["spec"].get("nodeName")
    return bool(pending and not annotated and not metadata.get("deletionTimestamp"))
