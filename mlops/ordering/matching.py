"""Whether an admission webhook, or an admission policy, looks at the writing of an object.

Follows the API server's own matching (k8s.io/apiserver/pkg/admission/plugin/webhook: predicates/rules, predicates/namespace,
predicates/object; policies use the same) as far as it can be known from the objects alone. Where it cannot (labels of a namespace
outside the set, a kind whose CRD is elsewhere, matchConditions), the answer is "may match": an edge too many costs a moment, one
too few a refused write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.ordering.kinds import Kinds
from mlops.ordering.objects import KubeObject

NAME_LABEL = "kubernetes.io/metadata.name"
WRITES = frozenset({"CREATE", "UPDATE"})
DELETION = frozenset({"DELETE"})
# The API server never shows these to webhooks and policies, so that a broken one can be removed.
_EXEMPT_GROUP = "admissionregistration.k8s.io"

Body = Mapping[str, Any]
LabelsOf = Callable[[str], Mapping[str, str] | None]


@dataclass(frozen=True, slots=True)
class Guard:
    """What looks at objects: a webhook, or the constraints of a policy.

    Attributes:
        rules: operations, apiGroups, apiVersions, resources, scope, resourceNames of each rule.
        exact: whether apiVersions decide (matchPolicy Exact).
        namespace_selector: on the labels of the object's namespace.
        object_selector: on the labels of the object.
        excluded: rules that take objects out again; policies have them.
    """

    rules: Sequence[Body]
    exact: bool
    namespace_selector: Body | None
    object_selector: Body | None
    excluded: Sequence[Body] = ()

    @classmethod
    def of_webhook(cls, webhook: Body) -> Guard:
        """A webhook of a configuration."""
        return cls._of(webhook, webhook.get("rules") or ())

    @classmethod
    def of_constraints(cls, constraints: Body) -> Guard:
        """``matchConstraints`` of a policy or ``matchResources`` of its binding."""
        return cls._of(constraints, constraints.get("resourceRules") or (), constraints.get("excludeResourceRules") or ())

    @classmethod
    def _of(cls, said: Body, rules: Sequence[Body], excluded: Sequence[Body] = ()) -> Guard:
        exact = said.get("matchPolicy", "Equivalent") == "Exact"
        return cls(rules, exact, said.get("namespaceSelector"), said.get("objectSelector"), excluded)

    def looks_at(self, item: KubeObject, kinds: Kinds, labels_of: LabelsOf, operations: frozenset[str]) -> bool:
        """Whether it looks at one of the operations on the object."""
        return (
            any(rule_matches(rule, item, kinds, operations, exact=self.exact) for rule in self.rules)
            and not any(rule_matches(rule, item, kinds, operations, exact=self.exact) for rule in self.excluded)
            and selector_matches(self.object_selector, item.labels)
            and _namespace_matches(self.namespace_selector, item, labels_of)
        )


class Matcher:
    """Finds the objects that a guard looks at, kind by kind.

    Args:
        objects: objects as admission sees them.
        kinds: table of kinds.
        labels_of: labels of a namespace by its name; None when it is not in the set.
    """

    def __init__(self, objects: Iterable[KubeObject], kinds: Kinds, labels_of: LabelsOf) -> None:
        self._kinds = kinds
        self._labels_of = labels_of
        self._alike: dict[tuple[str, str, bool], list[KubeObject]] = {}
        for item in objects:
            if item.group != _EXEMPT_GROUP:
                self._alike.setdefault((item.api_version, item.kind, bool(item.namespace)), []).append(item)

    def seen_by(self, guard: Guard, operations: frozenset[str]) -> Iterator[KubeObject]:
        """Objects that a guard looks at."""
        for alike in self._alike.values():
            # rules decide by kind, names aside: one look spares the selectors of all objects of a kind that is not meant
            if any(_kind_matches(rule, alike[0], self._kinds, operations, exact=guard.exact) for rule in guard.rules):
                yield from (item for item in alike if guard.looks_at(item, self._kinds, self._labels_of, operations))


def rule_matches(rule: Body, item: KubeObject, kinds: Kinds, operations: frozenset[str], *, exact: bool) -> bool:
    """Whether one rule means the object."""
    names = rule.get("resourceNames") or ()
    return (not names or item.name in names) and _kind_matches(rule, item, kinds, operations, exact=exact)


def _kind_matches(rule: Body, item: KubeObject, kinds: Kinds, operations: frozenset[str], *, exact: bool) -> bool:
    groups = rule.get("apiGroups") or ()
    if item.group not in groups and "*" not in groups:
        return False
    asked = rule.get("operations") or ()
    if "*" not in asked and operations.isdisjoint(asked):
        return False
    if exact and not {item.api_version.rpartition("/")[2], "*"} & set(rule.get("apiVersions") or ()):
        return False
    kind = kinds.get(item.group, item.kind)
    plural = kind.plural if kind else None
    return any(_resource_matches(str(resource), plural) for resource in rule.get("resources") or ()) and _scope_matches(
        rule.get("scope") or "*", item, namespaced=kind.namespaced if kind else bool(item.namespace)
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


def _namespace_matches(selector: Body | None, item: KubeObject, labels_of: LabelsOf) -> bool:
    """A Namespace is matched by its own labels, other cluster-wide objects are never left out."""
    if not selector:
        return True
    if (item.group, item.kind) == ("", "Namespace"):
        return selector_matches(selector, {**item.labels, NAME_LABEL: item.name})
    if not item.namespace:
        return True
    labels = labels_of(item.namespace)
    if labels is None:
        return selector_matches(selector, {NAME_LABEL: item.namespace}, only_keys=frozenset({NAME_LABEL}))
    return selector_matches(selector, labels)


def selector_matches(selector: Body | None, labels: Mapping[str, str], *, only_keys: frozenset[str] | None = None) -> bool:
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
