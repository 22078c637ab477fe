from __future__ import annotations

import pytest

from mlops.ordering import Kinds, KubeObject, OrderingError, build_graph, parse_documents
from tests.ordering.objects_for_tests import crd, obj

LIST = "apiVersion: v1\nkind: List\nitems:\n"
LIST_ONLINE = "{apiVersion: v1, kind: ConfigMapList, items: []}"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)
POD_HOOK = """
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: hook}
webhooks:
- name: hook.io
  sideEffects: None
  clientConfig: {service: {name: s, namespace: n}}
  objectSelector: {matchLabels: {a: b}}
  rules: [{apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"]}]
"""
TWICE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: n}\n"


def test_lists_are_expanded_and_empty_documents_skipped() -> None:
    secret = "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: n}}"
    text = f"---\n---\napiVersion: v1\nkind: List\nitems:\n- {secret}\n---\n{TWICE}"
    assert [str(item.ref) for item in parse_documents(text, origin="t")] == ["Secret n/s", "ConfigMap n/a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not readable as YAML"),
        ("a: 1\nb: [\n", "t, line 3, column 1"),
        ("a: 1\nb: 2\na: 3\n", "t, line 3, column 1\n      found:   key 'a' stands twice in one mapping"),
        ("a: &a [*a]", "alias within the very value"),
        (BOMB, "aliases that stand for"),
        ("[" * 3000 + "]" * 3000, "exceeded maximum nesting depth"),
        ("#" * (17 * 2**20), "t is too big"),
        (f"{LIST}- {LIST_ONLINE}", "t, document 1, item 1\n      found:   a List inside a List"),
        ("just text", "str"),
        ("apiVersion: v1\nkind: Secret\n", "metadata.name None"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: 1}\n", "metadata.name 1"),
        ("kind: Secret\nmetadata: {name: a}\n", "apiVersion None"),
        (f"{TWICE}---\n{TWICE}", "twice: in t, document 1 and in t, document 2"),
    ],
)
def test_malformed_documents(text: str, message: str) -> None:
    with pytest.raises(OrderingError) as caught:
        parse_documents(text, origin="t")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad, namespace: n}\nspec: {template: text}",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad, namespace: n}\nspec: text",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad, namespace: n}\nspec: {template: {spec: {volumes: [text]}}}",
        "apiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: n, labels: [a]}",
        "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: bad}\nwebhooks: [null]",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: bad}\nroleRef: text",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: bad, namespace: n}\nsubjects: [text]",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: bad}\nspec: {names: text}",
    ],
)
def test_objects_that_are_not_in_the_form_of_the_api(text: str) -> None:
    hook = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: n}}\n---\n" + POD_HOOK
    with pytest.raises(OrderingError) as caught:
        build_graph(parse_documents(f"{hook}\n---\n{text}", origin="t"))
    (problem,) = caught.value.problems
    assert "t, document 3" in problem.where
    assert "bad" in str(problem)


def test_all_malformed_documents_at_once() -> None:
    with pytest.raises(OrderingError) as caught:
        parse_documents("a: 1\n---\nb: 1\n", origin="t")
    assert [problem.where for problem in caught.value.problems] == ["t, document 1", "t, document 2"]


def test_a_custom_resource_in_a_list_and_a_named_object_whose_kind_ends_on_list() -> None:
    text = f"{LIST}- {{apiVersion: g.io/v1, kind: AllowList, metadata: {{name: a, namespace: n}}, items: [x]}}\n"
    definition = crd("g.io", "AllowList")
    graph = build_graph([definition, *parse_documents(text, origin="t")])
    assert [(edge.rule, str(edge.source)) for edge in graph.edges] == [("R2", "AllowList.g.io n/a")]


def test_aliases_within_bounds_and_merged_keys_are_fine() -> None:
    text = "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec: {x: &x {k: 1}, y: *x, z: {<<: *x, k: 2}}\n"
    (item,) = parse_documents(text, origin="t")
    assert item.spec == {"x": {"k": 1}, "y": {"k": 1}, "z": {"k": 2}}


def test_dates_and_lone_equal_signs_stay_text() -> None:
    text = "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec: {enum: [=, a], day: 2026-01-01}\n"
    (item,) = parse_documents(text, origin="t")
    assert item.spec == {"enum": ["=", "a"], "day": "2026-01-01"}


def test_duplicates_of_different_origin_and_version() -> None:
    first, second = obj("g.io/v1", "A", "x"), obj("g.io/v1beta1", "A", "x")
    with pytest.raises(OrderingError, match="twice: in test x and in test x"):
        build_graph([first, second])


def test_a_namespaced_kind_needs_a_namespace_or_a_default() -> None:
    with pytest.raises(OrderingError, match=r"no metadata\.namespace"):
        build_graph([obj("v1", "Secret", "a")])
    (item,) = build_graph([obj("v1", "Secret", "a")], default_namespace="n").objects
    assert (item.namespace, item.body["metadata"]) == ("n", {"name": "a", "namespace": "n"})


def test_a_cluster_wide_kind_loses_its_namespace_as_at_the_api_server() -> None:
    (_, item) = build_graph([crd("g.io", "Wide", scope="Cluster"), obj("g.io/v1", "Wide", "a", "b")]).objects
    assert (item.namespace, item.body["metadata"]) == (None, {"name": "a"})
    with pytest.raises(OrderingError, match="twice: in test a and in test a"):
        build_graph([obj("v1", "Namespace", "a", "b"), obj("v1", "Namespace", "a")])


@pytest.mark.parametrize(
    ("item", "path"),
    [
        (obj("v1", "Secret", "a", "n"), "/api/v1/namespaces/n/secrets/a"),
        (obj("v1", "Namespace", "a"), "/api/v1/namespaces/a"),
        (obj("networking.k8s.io/v1", "Ingress", "a", "n"), "/apis/networking.k8s.io/v1/namespaces/n/ingresses/a"),
        (obj("storage.k8s.io/v1", "StorageClass", "a"), "/apis/storage.k8s.io/v1/storageclasses/a"),
        (obj("resource.k8s.io/v1", "DeviceClass", "a"), "/apis/resource.k8s.io/v1/deviceclasses/a"),
        (obj("g.io/v1beta1", "Thing", "a", "n"), "/apis/g.io/v1beta1/namespaces/n/things/a"),
        (obj("g.io/v1", "Wide", "a"), "/apis/g.io/v1/wides/a"),
    ],
)
def test_rest_paths(item: KubeObject, path: str) -> None:
    kinds = Kinds([crd("g.io", "Thing"), crd("g.io", "Wide", scope="Cluster")])
    found = kinds.rest_path(item)
    assert found.item == path
    assert found.collection == path.removesuffix("/a")


def test_rest_path_of_an_unknown_kind() -> None:
    with pytest.raises(LookupError, match="its CRD is not among the objects"):
        Kinds().rest_path(obj("g.io/v1", "Thing", "a"))
