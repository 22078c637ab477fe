"""Whether an admission webhook looks at the creation or update of an object.

Follows the API server's own matching (k8s.io/apiserver/pkg/admission/plugin/webhook: predicates/rules, predicates/namespace,
predicates/object) as far as it can be known from the objects alone. Where it cannot (labels of a namespace outside the set, a kind
whose CRD is elsewhere, matchConditions), the answer is "may match": an edge too many costs a moment, one too few a refused write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlops.ordering.objects import KubeObject
from mlops.ordering.rule import View

_NAME_LABEL = "kubernetes.io/metadata.name"
# The API server never shows these to webhooks, so that a broken webhook can be removed.
_EXEMPT_GROUP = "admissionregistration.k8s.io"


def matching_webhooks(view: View, configuration: KubeObject, item: KubeObject) -> Iterator[Mapping[str, Any]]:
    """The webhooks of a configuration that look at an object when it is created or updated."""
    if item.group == _EXEMPT_GROUP:
        return
    for webhook in configuration.body.get("webhooks") or ():
        if any(_rule_matches(view, webhook, rule, item) for rule in webhook.get("rules") or ()) and (
            _namespace_matches(view, webhook.get("namespaceSelector"), item)
            and selector_matches(webhook.get("objectSelector"), item.labels)
        ):
            yield webhook


def _rule_matches(view: View, webhook: Mapping[str, Any], rule: Mapping[str, Any], item: KubeObject) -> bool:
    kind = view.kinds.get(item.group, item.kind)
    version = item.api_version.rpartition("/")[2]
    exact = webhook.get("matchPolicy", "Equivalent") == "Exact"
    return (
        bool({"CREATE", "UPDATE", "*"} & set(rule.get("operations") or ()))
        and bool({item.group, "*"} & set(rule.get("apiGroups") or ()))
        and (not exact or bool({version, "*"} & set(rule.get("apiVersions") or ())))
        and any(_resource_matches(str(resource), kind.plural if kind else None) for resource in rule.get("resources") or ())
        and _scope_matches(rule.get("scope") or "*", item, namespaced=kind.namespaced if kind else bool(item.namespace))
    )


def _resource_matches(pattern: str, plural: str | None) -> bool:
    """``pods``, ``*``, ``*/*`` and ``pods/*`` match pods themselves, ``pods/status`` does not."""
    resource, _, sub = pattern.partition("/")
    return sub in {"", "*"} and (plural is None or resource in {"*", plural})


def _scope_matches(scope: str, item: KubeObject, *, namespaced: bool) -> bool:
    # A Namespace counts as cluster-wide here, although its own labels are what namespaceSelector reads.
    if scope == "*":
        return True
    return (scope == "Namespaced") == (namespaced and (item.group, item.kind) != ("", "Namespace"))


def _namespace_matches(view: View, selector: Mapping[str, Any] | None, item: KubeObject) -> bool:
    """A Namespace is matched by its own labels, other cluster-wide objects are never left out."""
    if (item.group, item.kind) == ("", "Namespace"):
        return selector_matches(selector, {**item.labels, _NAME_LABEL: item.name})
    if not item.namespace:
        return True
    labels = view.labels_of_namespace(item.namespace)
    if labels is None:
        return selector_matches(selector, {_NAME_LABEL: item.namespace}, only_keys=frozenset({_NAME_LABEL}))
    return selector_matches(selector, labels)


def selector_matches(
    selector: Mapping[str, Any] | None, labels: Mapping[str, str], *, only_keys: frozenset[str] | None = None
) -> bool:
    """Whether a label selector selects labels.

    Args:
        selector: ``matchLabels`` and ``matchExpressions``; None or empty selects all.
        labels: labels to look at.
        only_keys: labels that are known; requirements on other keys count as met. None: all are known.
    """
    selector = selector or {}
    requirements = [(key, "In", [value]) for key, value in (selector.get("matchLabels") or {}).items()]
    requirements += [(e["key"], e["operator"], e.get("values") or []) for e in selector.get("matchExpressions") or ()]
    return all(_meets(labels, *r) for r in requirements if only_keys is None or r[0] in only_keys)


def _meets(labels: Mapping[str, str], key: str, operator: str, values: list[str]) -> bool:
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:  # refused by the API server already; "may match" is the safe side
            return True
