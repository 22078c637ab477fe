"""Short ways to write objects down."""

from __future__ import annotations

from typing import Any

from mlops.ordering import KubeObject, from_body

ADMISSION = "admissionregistration.k8s.io/v1"


def obj(api: str, kind: str, name: str, namespace: str = "", *, meta: dict[str, Any] | None = None, **rest: Any) -> KubeObject:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **(meta or {})}
    return from_body({"apiVersion": api, "kind": kind, "metadata": metadata, **rest}, origin=f"test {name}")


def crd(group: str, kind: str, *, scope: str = "Namespaced") -> KubeObject:
    plural = f"{kind.lower()}s"
    spec = {"group": group, "scope": scope, "names": {"kind": kind, "plural": plural}}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.{group}", spec=spec)


def namespace(name: str, **labels: str) -> KubeObject:
    return obj("v1", "Namespace", name, meta={"labels": labels})


def deployment(name: str, where: str, *, labels: dict[str, str] | None = None, **pod: Any) -> KubeObject:
    template = {"metadata": {"labels": labels or {"app": name}}, "spec": {"containers": [{"name": "c"}], **pod}}
    return obj("apps/v1", "Deployment", name, where, spec={"template": template})


def service(name: str, where: str, **selector: str) -> KubeObject:
    return obj("v1", "Service", name, where, spec={"selector": selector})


def webhook(
    name: str,
    *,
    groups: tuple[str, ...] = ("g.io",),
    resources: tuple[str, ...] = ("things",),
    where: str = "hooks",
    meta: dict[str, Any] | None = None,
    rule: dict[str, Any] | None = None,
    **rest: Any,
) -> KubeObject:
    matched = {
        "apiGroups": list(groups),
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": list(resources),
        **(rule or {}),
    }
    entry = {
        "name": f"{name}.io",
        "clientConfig": {"service": {"name": name, "namespace": where}},
        "sideEffects": "None",
        "rules": [matched],
        **rest,
    }
    return obj(ADMISSION, "ValidatingWebhookConfiguration", name, meta=meta, webhooks=[entry])
