"""What is sent of an object: fields that others own are left out, or the next change of the object ends in a conflict.

Objects are written by server-side apply. Who changes a field takes it over, and an apply that still holds another value for it is
refused (https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts); one that were forced would be changed back
a moment later. So a field that a controller writes is none of ours from the start. A new piece of knowledge is a new rule here.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops.ordering import KubeObject, ObjectRef

ADMISSION = "admissionregistration.k8s.io"
_INJECTED = "cert-manager.io/inject-"
_ISTIO_VALIDATORS = "istio-validator-"
_FILLED_BY_KNATIVE = ".knative.dev"

_EMPTY_FIELDS = ("rules", "data", "stringData")

Body = dict[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """What a rule may know of the other objects.

    Attributes:
        scaled: workloads whose number of replicas an autoscaler sets.
    """

    scaled: frozenset[ObjectRef]

    @classmethod
    def of(cls, objects: Iterable[KubeObject]) -> Surroundings:
        """Reads them off all objects."""
        return cls(frozenset(_targets(objects)))


@dataclass(frozen=True)
class FieldRule:
    """One field that is not ours.

    Attributes:
        field: its path, for messages.
        reason: who owns it.
        source: where that is written.
        holds: whether the rule is about an object.
        leave_out: takes the field out of a body that may be changed.
    """

    field: str
    reason: str
    source: str
    holds: Callable[[KubeObject, Surroundings], bool]
    leave_out: Callable[[Body], None]


def sent_of(item: KubeObject, around: Surroundings) -> Mapping[str, Any]:
    """The object without the fields that others own; the body itself when there are none."""
    rules = rules_for(item, around)
    if not rules:
        return item.body
    body = copy.deepcopy(dict(item.body))
    for rule in rules:
        rule.leave_out(body)
    return body


def rules_for(item: KubeObject, around: Surroundings) -> tuple[FieldRule, ...]:
    """The rules that hold for an object."""
    return tuple(rule for rule in RULES if rule.holds(item, around))


def _targets(objects: Iterable[KubeObject]) -> Iterator[ObjectRef]:
    for item in objects:
        if (item.group, item.kind) in {("autoscaling", "HorizontalPodAutoscaler"), ("keda.sh", "ScaledObject")}:
            target = item.spec.get("scaleTargetRef") or {}
            # KEDA's reference defaults to a Deployment
            group = str(target.get("apiVersion", "apps/v1")).rpartition("/")[0]
            yield ObjectRef(group, str(target.get("kind", "Deployment")), item.namespace or "", str(target.get("name")))


def _clients(body: Mapping[str, Any]) -> Iterator[Body]:
    """Each clientConfig of a webhook configuration, or the one of a CRD's conversion."""
    if body["kind"].endswith("WebhookConfiguration"):
        yield from (webhook.get("clientConfig") or {} for webhook in body.get("webhooks") or ())
    elif body["kind"] == "CustomResourceDefinition":
        conversion = (body.get("spec") or {}).get("conversion") or {}
        yield (conversion.get("webhook") or {}).get("clientConfig") or {}


def _drops_bundle(body: Mapping[str, Any], client: Mapping[str, Any]) -> bool:
    """Whether a CA in the manifest stands for one that comes at run time: an injector is asked for it, or it is none."""
    if "caBundle" not in client:
        return False
    annotations = body["metadata"].get("annotations") or {}
    return any(name.startswith(_INJECTED) for name in annotations) or not _is_certificate(client["caBundle"])


def _is_certificate(bundle: object) -> bool:
    try:
        return b"-----BEGIN CERTIFICATE-----" in base64.b64decode(str(bundle or ""))
    except ValueError:
        return False


def _drop_bundles(body: Body) -> None:
    for client in _clients(body):
        if _drops_bundle(body, client):
            del client["caBundle"]


def _drop_empty(body: Body) -> None:
    for field in _EMPTY_FIELDS:
        if body.get(field) in ({}, []):
            del body[field]


def _without(*fields: str, of: str = "") -> Callable[[Body], None]:
    """Takes fields out: of the object itself, or of a mapping or of each mapping of a list in it."""

    def drop(body: Body) -> None:
        holder = body[of] if of else body
        for part in holder if isinstance(holder, list) else [holder]:
            for field in fields:
                part.pop(field, None)

    return drop


RULES: tuple[FieldRule, ...] = (
    FieldRule(
        "status",
        "the status of an object is its controller's; the API server ignores it in a write, CRDs made by controller-gen carry one",
        "https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#spec-and-status",
        lambda item, _: "status" in item.body,
        _without("status"),
    ),
    FieldRule(
        "rules",
        "clusterrole-aggregation-controller writes the rules of a ClusterRole that has an aggregationRule",
        "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles",
        lambda item, _: item.kind == "ClusterRole" and bool(item.body.get("aggregationRule")) and "rules" in item.body,
        _without("rules"),
    ),
    FieldRule(
        "rules, data, stringData when empty",
        "says nothing; the provider remembers no empty value, so each run would set it again (seen in the second run of Kubeflow)",
        "https://github.com/pulumi/pulumi-kubernetes/blob/v4.25.0/provider/pkg/provider/provider.go, Diff",
        lambda item, _: any(item.body.get(field) in ({}, []) for field in _EMPTY_FIELDS),
        _drop_empty,
    ),
    FieldRule(
        "webhooks[].clientConfig.caBundle, spec.conversion.webhook.clientConfig.caBundle",
        "cert-manager's cainjector or the backend itself puts the CA there; what manifests hold is a placeholder",
        "https://cert-manager.io/docs/concepts/ca-injector/",
        lambda item, _: any(_drops_bundle(item.body, client) for client in _clients(item.body)),
        _drop_bundles,
    ),
    FieldRule(
        "webhooks[].failurePolicy",
        "istiod turns the policy of its validator from Ignore to Fail once it answers; left out, it is Fail from the start, and"
        " what it looks at comes after it anyway",
        "https://github.com/istio/istio/pull/21164",
        lambda item, _: item.kind == "ValidatingWebhookConfiguration" and item.name.startswith(_ISTIO_VALIDATORS),
        _without("failurePolicy", of="webhooks"),
    ),
    FieldRule(
        "webhooks[].rules, webhooks[].namespaceSelector",
        "Knative's webhooks write the rules and the namespaceSelector of their configurations together with the CA, also of those"
        " whose manifest has some",
        "https://github.com/knative/pkg/blob/main/webhook/resourcesemantics/defaulting/defaulting.go, reconcileMutatingWebhook",
        lambda item, _: item.group == ADMISSION and item.name.endswith(_FILLED_BY_KNATIVE),
        _without("rules", "namespaceSelector", of="webhooks"),
    ),
    FieldRule(
        "spec.replicas",
        "an autoscaler sets the number of replicas of its target",
        "https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#migrating-deployments-and-statefulsets-to-horizontal-autoscaling",
        lambda item, around: item.ref in around.scaled and "replicas" in item.spec,
        _without("replicas", of="spec"),
    ),
)
"""The rules. `leave_out` works on a copy."""
