from __future__ import annotations

import pytest

from mlops.ordering import Kinds, KubeObject, OrderingError, build_graph, parse_documents
from tests.ordering.objects_for_tests import crd, obj

LIST = "apiVersion: v1\nkind: List\nitems:\n"
LIST_ONLINE = "{apiVersion: v1, kind: ConfigMapList, items: []}"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)
CHAIN = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 1500))
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
        ("b: 1\na: &a [*a]", "t, line 2\n      found:   an alias within the very value"),
        (CHAIN, "values nested more than 200 levels deep"),
        ("a: ä\nb: \x01", "t, line 2\n      found:   the character 0x0001"),
        (BOMB, "aliases that stand for"),
        ("[" * 3000 + "]" * 3000, "exceeded maximum nesting depth"),
        ("#" * (17 * 2**20), "t is too big"),
        (f"{LIST}- {LIST_ONLINE}", "t, document 1, item 1\n      found:   a List inside a List"),
        ("just text", "the text 'just text'"),
        ("5", "the number 5"),
        ("apiVersion: v1\nkind: Secret\n", "t, document 1, v1 Secret\n      found:   no metadata.name"),
        ("apiVersion: v1\nkind: Secret\nmetadata: x\n", "metadata\n      found:   the text 'x'"),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: 1}\n",
            "metadata.name\n      found:   the number 1\n      allowed: a text\n      mend:    put it in quotes: '1'",
        ),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: true}\n", "metadata.namespace\n      found:   true"),
        ('apiVersion: v1\nkind: Secret\nmetadata: {name: "a\\e[31m"}\n', r"the text 'a\x1b[31m'"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a, labels: [b]}\n", "metadata.labels\n      found:   a list"),
        ("kind: Secret\nmetadata: {name: a}\n", "no apiVersion"),
    ],
)
def test_malformed_documents(text: str, message: str) -> None:
    with pytest.raises(OrderingError) as caught:
        parse_documents(text, origin="t")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "0x_",
        "0b_",
        "9" * 5000,
        ".nan",
        "-.inf",
        *(f"!!{tag} x" for tag in ("int", "float", "bool", "timestamp")),
        "!!set {x}",
        "!own x",
    ],
)
def test_values_that_json_does_not_have_are_told_with_their_line(value: str) -> None:
    with pytest.raises(OrderingError) as caught:
        parse_documents(f"a: 1\nb: {value}", origin="t")
    (problem,) = caught.value.problems
    assert problem.where == "t, line 2, column 4"
    assert "which JSON does not have" in problem.found
    assert problem.mend
    assert len(problem.found) < 200


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


def test_all_objects_that_stand_twice_are_told_at_once() -> None:
    elsewhere = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
    objects = parse_documents("---\n".join([TWICE, TWICE, elsewhere, elsewhere.replace("{", "{namespace: default, ")]), origin="t")
    with pytest.raises(OrderingError) as caught:
        build_graph(objects, default_namespace="default")
    assert [(problem.where, problem.found) for problem in caught.value.problems] == [
        ("ConfigMap n/a", "twice: in t, document 1 and in t, document 2"),
        ("Secret default/s", "twice: in t, document 3 and in t, document 4"),
    ]


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
