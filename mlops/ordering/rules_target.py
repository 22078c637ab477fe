"""Rules about objects that go with another one by name: storage, services, scaling, routes; and names that pods dial."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlops.ordering.matching import selector_matches
from mlops.ordering.objects import KubeObject, ObjectRef
from mlops.ordering.rule import Found, Strength
from mlops.ordering.view import View

_STORAGE = "storage.k8s.io"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_DIALLED = re.compile(r"\b([a-z0-9][a-z0-9-]*)\.([a-z0-9][a-z0-9-]*)(?:\.svc\b|\b(?=:\d|/|$))")


def storage(view: View) -> Iterator[Found]:
    """R17: a claim to its StorageClass, that to its provisioner and its CSIDriver.

    A claim without a class takes the default one: when it is made before the class, it waits, or takes another default for good.
    A provisioner is known by its name in the arguments and variables of its pods.
    Source: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#class-1,
    https://kubernetes.io/docs/concepts/storage/storage-classes/
    """
    provided = list(view.of_kind(_STORAGE, "StorageClass"))
    default = [item.ref for item in provided if item.annotations.get(_DEFAULT_CLASS) == "true"]
    for owner, claim in _claims(view):
        name = claim.get("storageClassName")
        if name:
            yield Found(owner, ObjectRef(_STORAGE, "StorageClass", "", str(name)), "its claim names the class")
        elif name is None:
            for ref in default:
                yield Found(owner, ref, "its claim takes the default class", Strength.SILENT)
    for item in provided:
        name = str(item.body.get("provisioner") or "")
        yield Found(item.ref, ObjectRef(_STORAGE, "CSIDriver", "", name), "it is the class's driver")
        for workload in view.workloads:
            if name and any(name in re.split(r"[=,\s]", word) for word in workload.words):
                yield Found(item.ref, workload.ref, f"it knows the provisioner {name}")


def _claims(view: View) -> Iterator[tuple[ObjectRef, Mapping[str, Any]]]:
    for item in view.of_kind("", "PersistentVolumeClaim"):
        yield item.ref, item.spec
    for item in view.of_kind("apps", "StatefulSet"):
        for template in item.spec.get("volumeClaimTemplates") or ():
            yield item.ref, template.get("spec") or {}


def companions(view: View) -> Iterator[Found]:
    """R18: StatefulSet to its Service; autoscaler and disruption budget to their target; Ingress to Service, class and TLS secret.

    Source: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/ (``serviceName``), .../autoscaling/v2
    (``scaleTargetRef``), https://keda.sh/docs/latest/reference/scaledobject-spec/, policy/v1 and networking.k8s.io/v1.
    """
    for item in view.of_kind("apps", "StatefulSet"):
        if item.spec.get("serviceName"):
            yield Found(item.ref, _beside(item, "", "Service", item.spec["serviceName"]), "it gives its pods their names")
    for group, kind, key in (
        ("autoscaling", "HorizontalPodAutoscaler", "scaleTargetRef"),
        ("keda.sh", "ScaledObject", "scaleTargetRef"),
        ("autoscaling.k8s.io", "VerticalPodAutoscaler", "targetRef"),
    ):
        for item in view.of_kind(group, kind):
            target = item.spec.get(key) or {}
            if target.get("name"):
                api = str(target.get("apiVersion") or "apps/v1").rpartition("/")[0]
                yield Found(item.ref, _beside(item, api, target.get("kind") or "Deployment", target["name"]), "it scales it")
    for item in view.of_kind("policy", "PodDisruptionBudget"):
        for workload in view.workloads_in(item.namespace or ""):
            if item.spec.get("selector") and selector_matches(item.spec["selector"], workload.labels):
                yield Found(item.ref, workload.ref, "it protects its pods")
    for item in view.of_kind("networking.k8s.io", "Ingress"):
        yield from _entry(view, item)


def _entry(view: View, item: KubeObject) -> Iterator[Found]:
    backends = [item.spec.get("defaultBackend")]
    backends += [
        path.get("backend") for rule in item.spec.get("rules") or () for path in (rule.get("http") or {}).get("paths") or ()
    ]
    for backend in backends:
        service = (backend or {}).get("service")
        if service:
            yield Found(item.ref, _beside(item, "", "Service", service.get("name")), "requests go to it")
    if item.spec.get("ingressClassName"):
        yield Found(item.ref, ObjectRef("networking.k8s.io", "IngressClass", "", item.spec["ingressClassName"]), "it is its class")
    for tls in item.spec.get("tls") or ():
        if tls.get("secretName"):
            secret = _beside(item, "", "Secret", tls["secretName"])
            maker = view.certificate_of.get(secret)
            yield Found(item.ref, secret, "its certificate is there")
            if maker and secret not in view.by_ref:
                yield Found(item.ref, maker, f"it makes {secret}, the Ingress's certificate")


def _beside(item: KubeObject, group: str, kind: object, name: object) -> ObjectRef:
    return ObjectRef(group, str(kind), item.namespace or "", str(name))


def dialled(view: View) -> Iterator[Found]:
    """R24: a workload to the Services whose names stand in its arguments and variables, and to what is behind them.

    A name is no proof that it is dialled at the start, or that the pods end when nobody answers: hence not among the default rules.
    Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
    """
    services = {item.ref for item in view.of_kind("", "Service")}
    for item in view.workloads:
        for word in item.words:
            for name, where in _DIALLED.findall(word):
                service = ObjectRef("", "Service", where, name)
                if service in services:
                    behind = view.workloads_behind(service)
                    if item.ref not in behind:
                        yield Found(item.ref, service, "its pods are told this name")
                        yield from (Found(item.ref, ref, f"its pods are told the name of {service}") for ref in behind)
