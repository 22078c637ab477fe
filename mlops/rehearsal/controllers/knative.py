"""Stands in for Knative's webhooks, which write path, rules and selector into their own configurations, whatever stands there.

knative/pkg webhook/{configmaps,resourcesemantics}, knative/serving 1.22 and knative-extensions/net-istio, cmd/webhook. Left out:
the namespace as owner of the configurations, defaults and refusals, conversion.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlops.rehearsal.controllers.client import Body

_NOT_EXCLUDED = {"matchExpressions": [{"key": "webhooks.knative.dev/exclude", "operator": "DoesNotExist"}]}
_SERVING = {
    ("autoscaling.internal.knative.dev", "v1alpha1"): ("metrics", "podautoscalers"),
    ("networking.internal.knative.dev", "v1alpha1"): ("certificates", "ingresses", "serverlessservices"),
    ("serving.knative.dev", "v1"): ("configurations", "revisions", "routes", "services"),
    ("serving.knative.dev", "v1beta1"): ("domainmappings",),
}
_WRITES = ("CREATE", "UPDATE")


def _rule(operations: Sequence[str], group: str, version: str, resources: Sequence[str], scope: str) -> Body:
    where = {"apiGroups": [group], "apiVersions": [version], "resources": list(resources), "scope": scope}
    return {"operations": list(operations), **where}


def _serving(operations: Sequence[str]) -> list[Body]:
    return [
        _rule(operations, group, version, (plural, f"{plural}/status"), "*")
        for (group, version), plurals in _SERVING.items()
        for plural in plurals
    ]


_CONFIG = [_rule(_WRITES, "", "v1", ("configmaps/*",), "Namespaced")]
_DEPLOYMENTS = [_rule(_WRITES, "apps", "v1", ("deployments", "deployments/status"), "*")]
_WRITTEN = {
    "webhook.serving.knative.dev": ("/defaulting", _serving(_WRITES)),
    "validation.webhook.serving.knative.dev": ("/resource-validation", _serving((*_WRITES, "DELETE"))),
    "config.webhook.serving.knative.dev": ("/config-validation", _CONFIG),
    "webhook.istio.networking.internal.knative.dev": ("/defaulting", _DEPLOYMENTS),
    "config.webhook.istio.networking.internal.knative.dev": ("/config-validation", _CONFIG),
}


def fill_in(webhook: Body) -> Body:
    """What Knative changes in a webhook, besides the CA."""
    path, rules = _WRITTEN[webhook["name"]]
    return {"clientConfig": {"service": {"path": path}}, "namespaceSelector": _NOT_EXCLUDED, "rules": rules}
