"""How members of sets are named, and in which order they are written."""

from __future__ import annotations

import pytest

from mlops.objectset.kinds import GUARDS, MEMBERS, identity, identity_of, position, reference


@pytest.mark.parametrize(
    ("kind", "namespace", "named"),
    [
        ("ConfigMap", "n", "ConfigMap/n/a"),
        ("ConfigMap", "", "ConfigMap/default/a"),
        ("ClusterRole", "n", "ClusterRole/a"),
        ("ValidatingWebhookConfiguration", "", "ValidatingWebhookConfiguration/a"),
    ],
)
def test_an_identity_names_one_object_however_its_namespace_is_written(kind: str, namespace: str, named: str) -> None:
    body = {"kind": kind, "metadata": {"name": "a", **({"namespace": namespace} if namespace else {})}}
    assert identity(body) == identity_of(kind, namespace, "a") == named
    assert identity(reference(named)) == named


def test_every_kind_can_be_asked_for() -> None:
    for kind, known in (*MEMBERS.items(), *GUARDS.items()):
        named = f"{kind}/n/a" if known.namespaced else f"{kind}/a"
        assert reference(named)["apiVersion"] == known.api_version


def test_a_binding_comes_after_the_account_and_the_role_that_it_names() -> None:
    names = ["RoleBinding/n/a", "ClusterRole/z", "Role/n/z", "ServiceAccount/n/z", "CustomResourceDefinition/z"]
    assert sorted(names, key=position) == [
        "CustomResourceDefinition/z",
        "ServiceAccount/n/z",
        "ClusterRole/z",
        "Role/n/z",
        "RoleBinding/n/a",
    ]


def test_names_that_would_break_a_list_of_words_are_written_as_words() -> None:
    named = identity_of("ClusterRole", "", "a=b c%d")
    assert named == "ClusterRole/a%3Db%20c%25d"
    assert reference(named)["metadata"] == {"name": "a=b c%d"}
    assert identity_of("ClusterRole", "", "system:node-proxier") == "ClusterRole/system:node-proxier"
