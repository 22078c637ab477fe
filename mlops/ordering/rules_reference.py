"""Rules about references: an object names another one that must be there first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlops.ordering.objects import KubeObject, ObjectRef
from mlops.ordering.rule import Found, View, Workload

_RBAC = "rbac.authorization.k8s.io"
_CERT_MANAGER = "cert-manager.io"
_CERT_MANAGER_LABELS = {"app.kubernetes.io/name": "cert-manager", "app.kubernetes.io/component": "controller"}
_RESOURCE_NAMESPACE_FLAG = "--cluster-resource-namespace="


def namespace(view: View) -> Iterator[Found]:
    """R1."""
    for item in view.objects:
        if item.namespace:
            yield Found(item.ref, ObjectRef("", "Namespace", "", item.namespace), "it lives in this namespace")


def definition(view: View) -> Iterator[Found]:
    """R2: any served version will do, so group and kind decide."""
    for item in view.objects:
        crd = view.kinds.crd_of(item)
        if crd:
            yield Found(item.ref, crd, "it defines the kind")


def _account(item: Workload) -> ObjectRef:
    return ObjectRef("", "ServiceAccount", item.ref.namespace, item.pod.get("serviceAccountName") or "default")


def service_account(view: View) -> Iterator[Found]:
    """R10."""
    for item in view.workloads:
        yield Found(item.ref, _account(item), "its pods run as this account")


def permissions(view: View) -> Iterator[Found]:
    """R11: workload to the bindings of its account, binding to its role."""
    bindings: dict[ObjectRef, list[ObjectRef]] = {}
    for binding in view.of_kind(_RBAC, "RoleBinding", "ClusterRoleBinding"):
        role = binding.body.get("roleRef") or {}
        where = (binding.namespace or "") if role.get("kind") == "Role" else ""
        yield Found(binding.ref, ObjectRef(_RBAC, str(role.get("kind")), where, str(role.get("name"))), "it grants this role")
        for subject in binding.body.get("subjects") or ():
            if subject.get("kind") == "ServiceAccount":
                account = ObjectRef("", "ServiceAccount", subject.get("namespace") or binding.namespace or "", subject["name"])
                bindings.setdefault(account, []).append(binding.ref)
    for item in view.workloads:
        account = _account(item)
        for ref in bindings.get(account, ()):
            yield Found(item.ref, ref, f"it gives {account} its rights")


def configuration(view: View) -> Iterator[Found]:
    """R12: volumes (projected ones too), env, envFrom, imagePullSecrets; optional references bind nobody."""
    for item in view.workloads:
        for kind, name, use in _reads(item):
            yield Found(item.ref, ObjectRef("", kind, item.ref.namespace, name), f"its pods read it ({use})")


def _reads(item: Workload) -> Iterator[tuple[str, str, str]]:
    """Kind, name and use of each ConfigMap and Secret that pods cannot start without."""
    references: list[tuple[str, Mapping[str, Any] | None, str, str]] = [
        ("Secret", secret, "name", "imagePullSecrets") for secret in item.pod.get("imagePullSecrets") or ()
    ]
    for volume in item.pod.get("volumes") or ():
        use = f"volume {volume.get('name')}"
        references.append(("ConfigMap", volume.get("configMap"), "name", use))
        references.append(("Secret", volume.get("secret"), "secretName", use))
        for source in (volume.get("projected") or {}).get("sources") or ():
            references.append(("ConfigMap", source.get("configMap"), "name", use))
            references.append(("Secret", source.get("secret"), "name", use))
    for container in item.containers:
        use = f"environment of {container.get('name')}"
        for entry in container.get("envFrom") or ():
            references.append(("ConfigMap", entry.get("configMapRef"), "name", use))
            references.append(("Secret", entry.get("secretRef"), "name", use))
        for entry in container.get("env") or ():
            value = entry.get("valueFrom") or {}
            references.append(("ConfigMap", value.get("configMapKeyRef"), "name", use))
            references.append(("Secret", value.get("secretKeyRef"), "name", use))
    for kind, reference, key, use in references:
        if reference and reference.get(key) and not reference.get("optional"):
            yield kind, str(reference[key]), use


def issuer(view: View) -> Iterator[Found]:
    """R14: issuer to cert-manager's controller and to its CA; certificate to its issuer."""
    controllers = [w for w in view.workloads if _CERT_MANAGER_LABELS.items() <= w.labels.items()]
    cluster_resources = _cluster_resource_namespace(controllers)
    makers = {
        ObjectRef("", "Secret", c.namespace or "", str(c.spec.get("secretName"))): c.ref
        for c in view.of_kind(_CERT_MANAGER, "Certificate")
    }
    for item in view.of_kind(_CERT_MANAGER, "Issuer", "ClusterIssuer"):
        for controller in controllers:
            yield Found(item.ref, controller.ref, "it makes the issuer ready")
        secret = (item.spec.get("ca") or {}).get("secretName")
        if secret:
            ref = ObjectRef("", "Secret", item.namespace or cluster_resources, str(secret))
            maker = makers.get(ref)
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
