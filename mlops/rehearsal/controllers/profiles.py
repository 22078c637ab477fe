"""Stands in for Kubeflow's profile controller: a Profile gets its namespace, with the accounts and rights of its owner.

kubeflow/dashboard, components/profile-controller. Left out: plugins, quotas, ambient mesh, later changes of the labels, and the
rules of the AuthorizationPolicy. The real one reports no success in the status either; the namespace is the sign.
"""

from __future__ import annotations

from typing import Any

import yaml

from mlops.rehearsal.controllers.client import Api, Body, each

NAMESPACE, DEPLOYMENT = "kubeflow", "profiles-deployment"
_PROFILES = "/apis/kubeflow.org/v1/profiles"
_FINALIZER = "profile-finalizer"
_RIGHTS = "rbac.authorization.k8s.io"


def act(api: Api) -> None:
    """One look at all Profiles."""
    each(api.items(_PROFILES), lambda profile: _profile(api, profile))


def _profile(api: Api, profile: Body) -> None:
    metadata = profile["metadata"]
    name, finalizers = metadata["name"], metadata.get("finalizers") or []
    if metadata.get("deletionTimestamp"):
        # the namespace goes as its dependent, by the garbage collector
        if _FINALIZER in finalizers:
            api.merge(f"{_PROFILES}/{name}", {"metadata": {"finalizers": [f for f in finalizers if f != _FINALIZER]}})
        return
    namespace = api.get(f"/api/v1/namespaces/{name}")
    person = profile["spec"]["owner"]
    if namespace is None:
        annotations = {"owner": person["name"]}
        labels = {**_default_labels(api), "istio-injection": "enabled"}
        api.create("/api/v1/namespaces", _owned(profile, "v1", "Namespace", name, {}, annotations=annotations, labels=labels))
    elif (namespace["metadata"].get("annotations") or {}).get("owner") != person["name"]:
        return  # a namespace that is somebody else's
    _in_namespace(api, profile, person)
    if _FINALIZER not in finalizers:
        api.merge(f"{_PROFILES}/{name}", {"metadata": {"finalizers": [*finalizers, _FINALIZER]}})


def _in_namespace(api: Api, profile: Body, person: Body) -> None:
    name = profile["metadata"]["name"]
    admin = {"user": person["name"], "role": "admin"}
    policy: Body = {"spec": {"action": "ALLOW", "rules": [{"when": [{"key": "source.namespace", "values": [name]}]}]}}
    _ensure(api, "apis/security.istio.io/v1", "authorizationpolicies", _owned(
        profile, "security.istio.io/v1", "AuthorizationPolicy", "ns-owner-access-istio", policy, annotations=admin
    ), name)  # fmt: skip
    for account, role in (("default-editor", "kubeflow-edit"), ("default-viewer", "kubeflow-view")):
        _ensure(api, "api/v1", "serviceaccounts", _owned(profile, "v1", "ServiceAccount", account, {}), name)
        subject = {"kind": "ServiceAccount", "name": account, "namespace": name}
        _ensure(api, f"apis/{_RIGHTS}/v1", "rolebindings", _binding(profile, account, role, subject, {}), name)
    _ensure(api, f"apis/{_RIGHTS}/v1", "rolebindings", _binding(profile, "namespaceAdmin", "kubeflow-admin", person, admin), name)


def _binding(profile: Body, name: str, role: str, subject: Body, annotations: dict[str, str]) -> Body:
    body = {"roleRef": {"apiGroup": _RIGHTS, "kind": "ClusterRole", "name": role}, "subjects": [subject]}
    return _owned(profile, f"{_RIGHTS}/v1", "RoleBinding", name, body, annotations=annotations)


def _ensure(api: Api, root: str, plural: str, body: Body, namespace: str) -> None:
    collection = f"/{root}/namespaces/{namespace}/{plural}"
    if api.get(f"{collection}/{body['metadata']['name']}") is None:
        api.create(collection, body)


def _owned(profile: Body, version: str, kind: str, name: str, body: Body, **metadata: Any) -> Body:
    reference = {
        "apiVersion": "kubeflow.org/v1",
        "kind": "Profile",
        "name": profile["metadata"]["name"],
        "uid": profile["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "ownerReferences": [reference], **metadata}, **body}


def _default_labels(api: Api) -> dict[str, str]:
    """The labels in the ConfigMap that the controller's pod mounts."""
    deployment = api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{DEPLOYMENT}") or {}
    volumes = ((deployment.get("spec") or {}).get("template") or {}).get("spec", {}).get("volumes") or []
    names = [volume["configMap"]["name"] for volume in volumes if volume["name"] == "namespace-labels"]
    found = api.whole(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{names[0]}") if names else None
    labels = yaml.safe_load(((found or {}).get("data") or {}).get("namespace-labels.yaml", "")) or {}
    return {key: value for key, value in labels.items() if value}
