"""Stands in for istiod: sidecars for pods, its root certificate in every namespace, a validator that comes to refuse on failure.

istio/istio 1.30, with Istio's CNI plugin. Left out: everything that is not seen in the API, the templates of gateways, and what the
validator refuses.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from mlops.rehearsal.controllers.client import Api, Body, each
from mlops.rehearsal.controllers.signing import Authority

STATUS = "sidecar.istio.io/status"
"""Annotation of a pod that has its sidecar."""

_INJECT = "sidecar.istio.io/inject"
_ROOT = "istio-ca-root-cert"
# pkg/kube/inject IgnoredNamespaces
_IGNORED = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsGroup": 1337,
    "runAsNonRoot": True,
    "runAsUser": 1337,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_PROXY = {
    "name": "istio-proxy",
    "image": "docker.io/istio/proxyv2:1.30.1",
    "args": ["proxy", "sidecar"],
    "restartPolicy": "Always",  # a sidecar of Kubernetes' own kind
    "securityContext": _RESTRICTED,
    "volumeMounts": [{"name": "istiod-ca-cert", "mountPath": "/var/run/secrets/istio"}],
}
_VOLUME = {"name": "istiod-ca-cert", "configMap": {"name": _ROOT}}


def inject(request: Mapping[str, Any]) -> dict[str, Any]:
    """Give a pod the sidecar, unless it must have none."""
    pod = request["object"]
    metadata, spec = pod["metadata"], pod["spec"]
    wish = (metadata.get("labels") or {}).get(_INJECT) or (metadata.get("annotations") or {}).get(_INJECT)
    done = any(container["name"] == "istio-proxy" for container in (*spec["containers"], *(spec.get("initContainers") or ())))
    if wish == "false" or spec.get("hostNetwork") or request.get("namespace") in _IGNORED or done:
        return {"allowed": True}
    annotations = {**(metadata.get("annotations") or {}), STATUS: json.dumps({"initContainers": ["istio-proxy"]})}
    patch = [
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
        {"op": "add", "path": "/spec/initContainers", "value": [_PROXY, *(spec.get("initContainers") or ())]},
        {"op": "add", "path": "/spec/volumes", "value": [*(spec.get("volumes") or ()), _VOLUME]},
    ]
    return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}


def fail_closed(_: Body) -> Body:
    """What istiod changes in its webhooks once it answers, besides the CA; the injector's have the policy from the beginning."""
    return {"failurePolicy": "Fail"}


def publish_root(api: Api, authority: Authority) -> None:
    """Write the root certificate into every namespace."""

    def write(namespace: Body) -> None:
        name = namespace["metadata"]["name"]
        configmaps = f"/api/v1/namespaces/{name}/configmaps"
        gone = (namespace.get("status") or {}).get("phase") == "Terminating"
        if name in _IGNORED or gone or api.get(f"{configmaps}/{_ROOT}") is not None:
            return
        metadata = {"name": _ROOT, "labels": {"istio.io/config": "true"}}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"root-cert.pem": authority.root}}
        api.create(configmaps, body)

    each(api.items("/api/v1/namespaces"), write)
