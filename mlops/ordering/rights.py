"""Who may do what: bindings of accounts, rules of roles, and the workloads that work on a kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlops.ordering.matching import selector_matches
from mlops.ordering.objects import KubeObject, ObjectRef
from mlops.ordering.view import View

RBAC = "rbac.authorization.k8s.io"
_WRITING = {"update", "patch", "*"}


def role_of(binding: KubeObject) -> ObjectRef:
    """Role that a binding grants."""
    role = binding.body.get("roleRef") or {}
    where = (binding.namespace or "") if role.get("kind") == "Role" else ""
    return ObjectRef(RBAC, str(role.get("kind")), where, str(role.get("name")))


def bindings_of(view: View) -> dict[ObjectRef, list[ObjectRef]]:
    """Bindings by ServiceAccount."""
    table: dict[ObjectRef, list[ObjectRef]] = {}
    for binding in view.of_kind(RBAC, "RoleBinding", "ClusterRoleBinding"):
        for subject in binding.body.get("subjects") or ():
            if subject.get("kind") == "ServiceAccount":
                account = ObjectRef("", "ServiceAccount", subject.get("namespace") or binding.namespace or "", subject["name"])
                table.setdefault(account, []).append(binding.ref)
    return table


def aggregated_roles(view: View) -> Iterator[tuple[ObjectRef, ObjectRef]]:
    """Pairs of an aggregated ClusterRole and a ClusterRole whose rules go into it."""
    roles = list(view.of_kind(RBAC, "ClusterRole"))
    for whole in roles:
        selectors = (whole.body.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
        for part in roles if selectors else ():
            if part is not whole and any(selector_matches(selector, part.labels) for selector in selectors):
                yield whole.ref, part.ref


def group_and_plural(definition: KubeObject) -> tuple[str, str]:
    """Group and plural that a CRD defines."""
    return str(definition.spec.get("group", "")), str((definition.spec.get("names") or {}).get("plural", ""))


class Controllers:
    """Workloads that may write the status of a kind: what makes a controller the controller of it.

    Args:
        view: the objects.
    """

    def __init__(self, view: View) -> None:
        self._parts: dict[ObjectRef, list[ObjectRef]] = {}
        for whole, part in aggregated_roles(view):
            self._parts.setdefault(whole, []).append(part)
        bindings = bindings_of(view)
        kept: dict[ObjectRef, frozenset[tuple[str, str]]] = {}
        self._table: dict[tuple[str, str], dict[ObjectRef, set[str]]] = {}
        for item in view.workloads:
            for ref in bindings.get(item.account, ()):
                role = role_of(view.by_ref[ref])
                if role not in kept:
                    kept[role] = frozenset(self._kinds_of(view, role, ()))
                for kind in kept[role]:
                    self._table.setdefault(kind, {}).setdefault(item.ref, set()).add(ref.namespace)

    def only(self, group: str, plural: str, namespace: str = "") -> ObjectRef | None:
        """The one workload that writes the status of objects of a kind; None where that is not sure.

        It is not where several may, nor where another one looks at the whole group: who makes objects of a foreign kind often asks
        for the right to their status too.
        """
        writers = self.of(group, plural, namespace)
        return writers[0] if len(writers) == 1 and set(self.of(group, "*", namespace)) <= set(writers) else None

    def of(self, group: str, plural: str, namespace: str | None = None) -> tuple[ObjectRef, ...]:
        """Workloads that write the status of objects of a kind, sorted.

        Args:
            group: API group of the kind.
            plural: its plural; ``*`` for workloads that have a right to all kinds of the group.
            namespace: where the objects are, empty for cluster-wide ones; None for anywhere.
        """
        found = self._table.get((group, plural), {})
        return tuple(sorted(ref for ref, where in found.items() if namespace is None or "" in where or namespace in where))

    def _kinds_of(self, view: View, role: ObjectRef, above: tuple[ObjectRef, ...]) -> Iterator[tuple[str, str]]:
        item = view.by_ref.get(role)
        for rule in (item.body.get("rules") or ()) if item else ():
            yield from _claims(rule)
        for part in self._parts.get(role, ()):
            if part not in above:
                yield from self._kinds_of(view, part, (*above, role))


def _claims(rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Group and plural of each kind whose status a rule lets write, ``*`` for a rule about a whole group.

    Groups are taken by name only: who may do everything need not do anything.
    """
    groups = [str(group) for group in rule.get("apiGroups") or () if group != "*"]
    for resource in rule.get("resources") or ():
        plural, _, sub = str(resource).partition("/")
        if str(resource) == "*" or (sub == "status" and not _WRITING.isdisjoint(rule.get("verbs") or ())):
            yield from ((group, plural) for group in groups)
