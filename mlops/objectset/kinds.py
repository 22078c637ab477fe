"""Kinds whose objects are members of a set: what merely lies there, is read by others and written by nobody but us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind that kubectl is asked for.

    Attributes:
        group: API group, empty for the core's.
        version: the version asked for.
        resource: plural name.
        namespaced: its objects are in namespaces.
    """

    group: str
    version: str
    resource: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """As manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version


_RBAC = "rbac.authorization.k8s.io"
DEFINITION = "CustomResourceDefinition"
MEMBERS: Mapping[str, Kind] = {
    DEFINITION: Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False),
    "ServiceAccount": Kind("", "v1", "serviceaccounts", namespaced=True),
    "ClusterRole": Kind(_RBAC, "v1", "clusterroles", namespaced=False),
    "ClusterRoleBinding": Kind(_RBAC, "v1", "clusterrolebindings", namespaced=False),
    "Role": Kind(_RBAC, "v1", "roles", namespaced=True),
    "RoleBinding": Kind(_RBAC, "v1", "rolebindings", namespaced=True),
    "ConfigMap": Kind("", "v1", "configmaps", namespaced=True),
    "NetworkPolicy": Kind("networking.k8s.io", "v1", "networkpolicies", namespaced=True),
}
"""Kind to how it is asked for, in the order in which members are written: a binding after the role that it names.

An object of such a kind is always in a set: one that went from a set to a resource of its own, or back, would be deleted under its
old name after it has been written under the new one.
"""
GUARDS: Mapping[str, Kind] = {
    kind: Kind("admissionregistration.k8s.io", "v1", f"{kind.lower()}s", namespaced=False)
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
}
"""Webhook configurations: no members, but named in the same way."""


_PLAIN = ":@~+"
"""Stand in names as they are, besides letters, digits and `_.-`; the rest would break a list of words, or a variable's name."""


def identity(body: Mapping[str, Any]) -> str:
    """``Kind/name``, or ``Kind/namespace/name`` of a namespaced kind; as a word, whatever characters RBAC's names may hold."""
    return identity_of(body["kind"], body["metadata"].get("namespace") or "", body["metadata"]["name"])


def identity_of(kind: str, namespace: str, name: str) -> str:
    """As :func:`identity`, of the parts; the namespace of a cluster-wide kind is left out, and an empty one is ``default``."""
    known = MEMBERS.get(kind) or GUARDS[kind]
    word = quote(name, safe=_PLAIN)
    return f"{kind}/{namespace or 'default'}/{word}" if known.namespaced else f"{kind}/{word}"


def kind_of(named: str) -> str:
    """The kind that an identity begins with."""
    return named.partition("/")[0]


def position(named: str) -> tuple[int, str]:
    """Sorts identities of members into the order of :data:`MEMBERS`."""
    return list(MEMBERS).index(kind_of(named)), named


def reference(named: str) -> dict[str, Any]:
    """The least that kubectl needs to find an object; the inverse of :func:`identity`."""
    kind, *namespace, name = named.split("/")
    metadata = {"name": unquote(name), **({"namespace": namespace[0]} if namespace else {})}
    return {"apiVersion": (MEMBERS.get(kind) or GUARDS[kind]).api_version, "kind": kind, "metadata": metadata}
