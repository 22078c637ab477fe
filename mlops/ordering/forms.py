"""The form that the API has for the fields that the rules read: a value in another form is told with its path.

Not a whole schema: what no rule reads is the API server's business. The API reference of Kubernetes 1.36 has the fields
(https://kubernetes.io/docs/reference/kubernetes-api/).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlops.errors import Problem
from mlops.ordering.objects import KubeObject
from mlops.ordering.words import told

OPERATIONS = ("*", "CREATE", "UPDATE", "DELETE", "CONNECT")
SCOPES = ("*", "Cluster", "Namespaced")

# A form is a mapping of keys to forms (`key!` must be there, `*` stands for any key), a list of one form for all items, a tuple of
# the texts that are allowed, or one of these:
_TEXT = "a text"
_COUNT = "a whole number, 0 or more"
_QUANTITY = "a quantity, e.g. 250m, 2 or 1Gi"
_NUMBER = re.compile(r"\+?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d{1,2})?")

_NAME = {"name": _TEXT}
_TEXTS = {"*": _TEXT}
_METADATA = {"labels": _TEXTS, "annotations": _TEXTS}
_SELECTOR = {"matchLabels": _TEXTS, "matchExpressions": [{"key!": _TEXT, "operator!": _TEXT, "values": [_TEXT]}]}
_SERVICE = {"name": _TEXT, "namespace": _TEXT}
_CLIENT = {"service": _SERVICE, "caBundle": _TEXT, "url": _TEXT}
_REQUESTS = {"requests": {"*": _QUANTITY}}
_CONTAINER = {
    "name": _TEXT,
    "command": [_TEXT],
    "args": [_TEXT],
    "env": [{"name": _TEXT, "value": _TEXT, "valueFrom": {"configMapKeyRef": _NAME, "secretKeyRef": _NAME}}],
    "envFrom": [{"configMapRef": _NAME, "secretRef": _NAME}],
    "resources": _REQUESTS,
}
_VOLUME = {
    "name": _TEXT,
    "configMap": _NAME,
    "secret": {"secretName": _TEXT},
    "persistentVolumeClaim": {"claimName": _TEXT},
    "projected": {"sources": [{"configMap": _NAME, "secret": _NAME}]},
}
_POD = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "imagePullSecrets": [_NAME],
    "volumes": [_VOLUME],
    "serviceAccountName": _TEXT,
    "priorityClassName": _TEXT,
    "runtimeClassName": _TEXT,
}
_TEMPLATE = {"template": {"metadata": _METADATA, "spec": _POD}}
_CLAIM = {"storageClassName": _TEXT, "resources": _REQUESTS}
_RULE = {
    "operations": [OPERATIONS],
    "apiGroups": [_TEXT],
    "apiVersions": [_TEXT],
    "resources": [_TEXT],
    "resourceNames": [_TEXT],
    "scope": SCOPES,
}
_SELECTORS = {"matchPolicy": ("Exact", "Equivalent"), "namespaceSelector": _SELECTOR, "objectSelector": _SELECTOR}
_WEBHOOK = {"name": _TEXT, "clientConfig": _CLIENT, "rules": [_RULE], "failurePolicy": ("Fail", "Ignore"), **_SELECTORS}
_CONSTRAINTS = {"resourceRules": [_RULE], "excludeResourceRules": [_RULE], **_SELECTORS}
_POLICY = {"paramKind": {"apiVersion": _TEXT, "kind": _TEXT}, "matchConstraints": _CONSTRAINTS}
_POLICY_BINDING = {"policyName": _TEXT, "paramRef": _SERVICE, "matchResources": _CONSTRAINTS}
_DEFINITION = {
    "group!": _TEXT,
    "scope!": SCOPES[1:],
    "names!": {"kind!": _TEXT, "plural!": _TEXT},
    "versions": [{"name!": _TEXT}],
    "conversion": {"strategy": _TEXT, "webhook": {"clientConfig": _CLIENT}},
}
_TARGET = {"apiVersion": _TEXT, "kind": _TEXT, "name": _TEXT}
_BACKEND = {"service": _NAME}
_INGRESS = {
    "ingressClassName": _TEXT,
    "defaultBackend": _BACKEND,
    "rules": [{"http": {"paths": [{"backend": _BACKEND}]}}],
    "tls": [{"secretName": _TEXT}],
}
_BINDING = {"roleRef": {"kind": _TEXT, "name": _TEXT}, "subjects": [{"kind": _TEXT, "name!": _TEXT, "namespace": _TEXT}]}
_ROLE = {"rules": [{"apiGroups": [_TEXT], "resources": [_TEXT], "verbs": [_TEXT]}]}
_ISSUER = {"ca": {"secretName": _TEXT}}


def _spec(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"spec": fields}


_FORMS: dict[tuple[str, str], dict[str, Any]] = {
    ("", "PersistentVolumeClaim"): _spec(_CLAIM),
    ("", "Pod"): _spec(_POD),
    ("", "ReplicationController"): _spec({"replicas": _COUNT, **_TEMPLATE}),
    ("", "Service"): _spec({"selector": _TEXTS}),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): _spec(_POLICY),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): _spec(_POLICY_BINDING),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): {"webhooks": [_WEBHOOK]},
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): _spec(_POLICY),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): _spec(_POLICY_BINDING),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): {"webhooks": [_WEBHOOK]},
    ("apiextensions.k8s.io", "CustomResourceDefinition"): {"spec!": _DEFINITION},
    ("apiregistration.k8s.io", "APIService"): _spec({"group": _TEXT, "version": _TEXT, "service": _SERVICE}),
    ("apps", "DaemonSet"): _spec(_TEMPLATE),
    ("apps", "Deployment"): _spec({"replicas": _COUNT, **_TEMPLATE}),
    ("apps", "ReplicaSet"): _spec({"replicas": _COUNT, **_TEMPLATE}),
    ("apps", "StatefulSet"): _spec(
        {"replicas": _COUNT, "serviceName": _TEXT, "volumeClaimTemplates": [{"spec": _CLAIM}], **_TEMPLATE}
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): _spec({"scaleTargetRef": _TARGET}),
    ("autoscaling.k8s.io", "VerticalPodAutoscaler"): _spec({"targetRef": _TARGET}),
    ("batch", "CronJob"): _spec({"jobTemplate": _spec(_TEMPLATE)}),
    ("batch", "Job"): _spec({"parallelism": _COUNT, **_TEMPLATE}),
    ("cert-manager.io", "Certificate"): _spec({"secretName": _TEXT, "issuerRef": {"group": _TEXT, "kind": _TEXT, "name": _TEXT}}),
    ("cert-manager.io", "ClusterIssuer"): _spec(_ISSUER),
    ("cert-manager.io", "Issuer"): _spec(_ISSUER),
    ("keda.sh", "ScaledObject"): _spec({"scaleTargetRef": _TARGET}),
    ("networking.istio.io", "VirtualService"): _spec({"gateways": [_TEXT]}),
    ("networking.k8s.io", "Ingress"): _spec(_INGRESS),
    ("policy", "PodDisruptionBudget"): _spec({"selector": _SELECTOR}),
    ("rbac.authorization.k8s.io", "ClusterRole"): {**_ROLE, "aggregationRule": {"clusterRoleSelectors": [_SELECTOR]}},
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _BINDING,
    ("rbac.authorization.k8s.io", "Role"): _ROLE,
    ("rbac.authorization.k8s.io", "RoleBinding"): _BINDING,
    ("serving.knative.dev", "Service"): _spec(_TEMPLATE),
    ("storage.k8s.io", "StorageClass"): {"provisioner": _TEXT},
}


def out_of_form(item: KubeObject) -> Iterator[Problem]:
    """Each value of an object that is in another form than the API has."""
    where = f"{item.ref} ({item.origin})"
    yield from _differences(item.body["metadata"], _METADATA, where, "metadata")
    yield from _differences(item.body, _FORMS.get((item.group, item.kind), {}), where, "")


def _differences(value: object, form: Any, where: str, path: str) -> Iterator[Problem]:
    if isinstance(form, dict):
        if not isinstance(value, Mapping):
            yield _problem(value, "a mapping", where, path)
        else:
            yield from _in_mapping(value, form, where, path)
    elif isinstance(form, list):
        if not isinstance(value, list):
            yield _problem(value, "a list", where, path)
        else:
            yield from _in_list(value, form[0], where, path)
    elif isinstance(form, tuple):
        if value not in form:
            yield _problem(value, f"one of {', '.join(form)}", where, path)
    elif form == _TEXT:
        if not isinstance(value, str):
            mend = f"put it in quotes: '{str(value).lower()}'" if isinstance(value, int | float) else ""
            yield _problem(value, form, where, path, mend)
    elif isinstance(value, bool) or not _fits(value, form):
        yield _problem(value, form, where, path)


def _in_list(value: list[Any], form: Any, where: str, path: str) -> Iterator[Problem]:
    for place, inner in enumerate(value):
        if inner is not None or not isinstance(form, str):  # as good as absent for the API server's decoder
            yield from _differences(inner, form, where, f"{path}[{place}]")


def _in_mapping(value: Mapping[Any, object], form: Mapping[str, Any], where: str, path: str) -> Iterator[Problem]:
    before = f"{path}." if path else ""
    if "*" in form:
        for key, inner in value.items():
            if inner is not None:
                yield from _differences(inner, form["*"], where, f"{before}{key}")
        return
    for key, expected in form.items():
        name = key.removesuffix("!")
        inner = value.get(name)
        if inner is not None:
            yield from _differences(inner, expected, where, f"{before}{name}")
        elif key != name:
            allowed = f"one of {', '.join(expected)}" if isinstance(expected, tuple) else "a value"
            yield Problem(f"{where}, {before}{name}", "", allowed, f"add {name}")


def _fits(value: object, form: str) -> bool:
    if form == _COUNT:
        return isinstance(value, int) and value >= 0
    return (isinstance(value, int | float) and value >= 0) or (isinstance(value, str) and _NUMBER.fullmatch(value) is not None)


def _problem(value: object, allowed: str, where: str, path: str, mend: str = "") -> Problem:
    return Problem(f"{where}, {path}", told(value), allowed, mend)
