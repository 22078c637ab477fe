"""Rules about certificates of cert-manager: who issues, who waits for what is issued."""

from __future__ import annotations

from collections.abc import Iterator

from mlops.ordering.objects import KubeObject, ObjectRef
from mlops.ordering.rule import Found
from mlops.ordering.rules_reference import reads
from mlops.ordering.view import View, Workload

_CERT_MANAGER = "cert-manager.io"
_CERT_MANAGER_LABELS = {"app.kubernetes.io/name": "cert-manager", "app.kubernetes.io/component": "controller"}
_RESOURCE_NAMESPACE_FLAG = "--cluster-resource-namespace="


def issued_secret(view: View) -> Iterator[Found]:
    """R13: a workload that reads a Secret which nobody writes but a Certificate asks for, to the Certificate.

    Source: https://cert-manager.io/docs/usage/certificate/ (``spec.secretName``).
    """
    for item in view.workloads:
        for kind, name, use in reads(item):
            secret = ObjectRef("", kind, item.ref.namespace, name)
            maker = view.certificate_of.get(secret)
            if maker and secret not in view.by_ref:
                yield Found(item.ref, maker, f"it makes {secret}, which its pods read ({use})")


def issuer(view: View) -> Iterator[Found]:
    """R14: issuer to cert-manager's controller and to its CA; certificate to its issuer.

    Source: https://cert-manager.io/docs/configuration/ca/, https://cert-manager.io/docs/usage/certificate/
    """
    controllers = [w for w in view.workloads if _CERT_MANAGER_LABELS.items() <= w.labels.items()]
    cluster_resources = _cluster_resource_namespace(controllers)
    for item in view.of_kind(_CERT_MANAGER, "Issuer", "ClusterIssuer"):
        for controller in controllers:
            yield Found(item.ref, controller.ref, "it makes the issuer ready")
        secret = (item.spec.get("ca") or {}).get("secretName")
        if secret:
            ref = ObjectRef("", "Secret", item.namespace or cluster_resources, str(secret))
            maker = view.certificate_of.get(ref)
            yield Found(item.ref, ref, "its CA is in this Secret")
            if maker:
                yield Found(item.ref, maker, f"it makes {ref}, which holds the issuer's CA")
    for item in view.of_kind(_CERT_MANAGER, "Certificate"):
        yield from _issuer_of(item)


def _issuer_of(item: KubeObject) -> Iterator[Found]:
    reference = item.spec.get("issuerRef") or {}
    kind = str(reference.get("kind") or "Issuer")
    if reference.get("group", _CERT_MANAGER) == _CERT_MANAGER and reference.get("name"):
        where = "" if kind == "ClusterIssuer" else item.namespace or ""
        yield Found(item.ref, ObjectRef(_CERT_MANAGER, kind, where, str(reference["name"])), "it issues the certificate")


def _cluster_resource_namespace(controllers: list[Workload]) -> str:
    """Namespace in which cert-manager looks for Secrets of ClusterIssuers: a flag of the controller, else its own."""
    for controller in controllers:
        for container in controller.containers:
            for argument in container.get("args") or ():
                flag, _, value = str(argument).partition("=")
                if f"{flag}=" == _RESOURCE_NAMESPACE_FLAG:
                    return controller.ref.namespace if value == "$(POD_NAMESPACE)" else value
        return controller.ref.namespace
    return "cert-manager"
