"""Stands in for cert-manager's cainjector: writes CA bundles where annotations ask for them.

https://cert-manager.io/docs/concepts/ca-injector/
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import partial

from mlops.rehearsal.controllers.client import Api, Body, each
from mlops.rehearsal.controllers.webhook_backend import ALLOW_INJECTION

_FROM_CERTIFICATE = "cert-manager.io/inject-ca-from"
_FROM_SECRET = "cert-manager.io/inject-ca-from-secret"  # noqa: S105  (the name of an annotation)
_FROM_API_SERVER = "cert-manager.io/inject-apiserver-ca"
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Injector:
    """Writes bundles; remembers which CRDs have theirs, for their bodies are large."""

    def __init__(self) -> None:
        self._done: dict[str, tuple[int, str]] = {}

    def act(self, api: Api) -> None:
        """One look at everything that may be annotated."""
        for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
            each(api.items(f"{_WEBHOOKS}/{kind}"), partial(self._configuration, api, kind))
        each(api.items(_CRDS), partial(self._definition, api))

    def _configuration(self, api: Api, kind: str, item: Body) -> None:
        bundle = _bundle(api, item)
        webhooks = [w for w in item.get("webhooks") or () if bundle and w["clientConfig"].get("caBundle") != bundle]
        if webhooks:
            patch = [{"name": w["name"], "clientConfig": {"caBundle": bundle}} for w in webhooks]
            api.merge_by_name(f"{_WEBHOOKS}/{kind}/{item['metadata']['name']}", {"webhooks": patch})

    def _definition(self, api: Api, item: Body) -> None:
        bundle = _bundle(api, item)
        path, state = f"{_CRDS}/{item['metadata']['name']}", (item["metadata"].get("generation", 0), bundle or "")
        if not bundle or self._done.get(path) == state:
            return
        conversion = ((api.whole(path) or {}).get("spec") or {}).get("conversion") or {}
        client = (conversion.get("webhook") or {}).get("clientConfig") or {}
        if conversion.get("strategy") == "Webhook" and client.get("caBundle") != bundle:
            api.merge(path, {"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": bundle}}}}})
        self._done[path] = state


def _bundle(api: Api, item: Body) -> str | None:
    """The bundle an object asks for, base64; None when it asks for none or the source has none yet."""
    annotations: Mapping[str, str] = item["metadata"].get("annotations") or {}
    if annotations.get(_FROM_API_SERVER) == "true":
        return base64.b64encode(api.authority.encode()).decode()
    namespace, _, name = annotations.get(_FROM_SECRET, "").partition("/")
    if name:
        secret = api.get(f"/api/v1/namespaces/{namespace}/secrets/{name}") or {"metadata": {}}
        allowed = (secret["metadata"].get("annotations") or {}).get(ALLOW_INJECTION) == "true"
        return (secret.get("data") or {}).get("ca.crt") if allowed else None
    namespace, _, name = annotations.get(_FROM_CERTIFICATE, "").partition("/")
    if name:
        certificate = api.get(f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificates/{name}") or {}
        secret_name = (certificate.get("spec") or {}).get("secretName")
        secret = (secret_name and api.get(f"/api/v1/namespaces/{namespace}/secrets/{secret_name}")) or {}
        return (secret.get("data") or {}).get("ca.crt")
    return None
