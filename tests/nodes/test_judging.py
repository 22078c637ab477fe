"""What speaks against taking a node out: a table of clusters, each with the words that it must and must not get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from mlops.nodes import ClusterState, refusals
from mlops.nodes.judging import bound_to
from mlops.nodes.selecting import fits, may_be_used_on, selects
from mlops.nodes.state import minor_of
from tests.nodes.cluster_for_tests import cluster, node, pod, pool, volume


@dataclass(frozen=True)
class Case:
    name: str
    state: ClusterState
    going: str
    words: tuple[str, ...]


CASES = (
    Case("a worker without anything", cluster(1, 2, listed="c1 w1"), "w2", ()),
    Case("one of three control planes", cluster(3, 1, listed="c1 c2 w1"), "c3", ()),
    Case("one of five, another one dead", cluster(5, 0, dead=("c2",), listed="c1 c2 c3 c4"), "c5", ()),
    Case(
        "one of five, two dead",
        cluster(5, 0, dead=("c2", "c3"), listed="c1 c2 c3 c4"),
        "c5",
        ("of 5 control planes 2 would be Ready", "3 that are Ready"),
    ),
    Case(
        "one of three, another one dead",
        cluster(3, 1, dead=("c2",), listed="c1 c2 w1"),
        "c3",
        ("of 3 control planes 1 would be Ready without it: c1", "2 that are Ready", "bring c2 up again first"),
    ),
    Case(
        "two of three", cluster(3, 0, listed="c1"), "c3", ("c1 alone would stay of 3 control planes", "keep three control planes")
    ),
    Case(
        "one of two", cluster(2, 0, listed="c1"), "c2", ("of 2 control planes 1 would be Ready", "add another control plane first")
    ),
    Case("the last control plane", cluster(1, 1, listed="w1"), "c1", ("it is the last control plane", "pulumi destroy")),
    Case("a dead worker", cluster(1, 2, dead=("w2",), listed="c1 w1"), "w2", ("it is not Ready", "`lost: true`")),
    Case(
        "a volume that lies there alone",
        cluster(1, 2, listed="c1 w1", volumes=[volume("pv-1", "w2"), volume("pv-2", "w1"), volume("pv-3")]),
        "w2",
        ("PersistentVolume pv-1 (Bound, claim data in namespace work)", "kubectl delete pvc -n work data"),
    ),
    Case(
        "a volume whose claim is gone",
        cluster(1, 2, listed="c1 w1", volumes=[volume("pv-1", "w2", claim="", phase="Released")]),
        "w2",
        ("PersistentVolume pv-1 (Released)", "kubectl delete pv pv-1"),
    ),
    Case("a volume of two nodes, one stays", cluster(1, 2, listed="c1 w1", volumes=[volume("pv-1", "w1", "w2")]), "w2", ()),
    Case(
        "a volume of two nodes, both go",
        cluster(1, 2, listed="c1", volumes=[volume("pv-1", "w1", "w2")]),
        "w2",
        ("PersistentVolume pv-1",),
    ),
    Case(
        "a disk pool", cluster(1, 2, listed="c1 w1", pools=[pool("pool-1", "w2"), pool("pool-2", "w1")]), "w2", ("DiskPool pool-1",)
    ),
    Case(
        "a pod without controller",
        cluster(1, 1, listed="c1", pods=[pod("lone", owner=None)]),
        "w1",
        ("pod lone in namespace work has no controller",),
    ),
    Case(
        "pods that need nobody",
        cluster(1, 1, listed="c1", pods=[pod("a"), pod("b", owner=None, phase="Succeeded"), pod("c", owner=None, mirror=True)]),
        "w1",
        (),
    ),
    Case(
        "everything at once",
        cluster(1, 1, dead=("c1",), listed="w1", volumes=[volume("pv-1", "c1")], pods=[pod("lone", owner=None)]),
        "c1",
        ("it is not Ready", "PersistentVolume pv-1", "pod lone", "the last control plane"),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_speaks_against_it_is_told(case: Case) -> None:
    found = refusals(case.state, case.going)
    text = "\n".join(map(str, found))
    for words in case.words:
        assert words in text
    assert bool(found) is bool(case.words)
    for problem in found:
        assert problem.found
        assert problem.allowed
        assert problem.mend


def test_a_pool_or_volume_of_another_node_is_not_blamed() -> None:
    state = cluster(1, 2, listed="c1 w1", pools=[pool("pool-2", "w1")], volumes=[volume("pv-2", "w1")])
    assert refusals(state, "w2") == []


def test_only_registered_nodes_are_judged() -> None:
    with pytest.raises(ValueError, match="w9 is not registered"):
        refusals(cluster(1, 0), "w9")


def test_openebs_binds_by_a_label_of_its_own_and_terms_are_alternatives() -> None:
    state = cluster(1, 2, listed="c1 w1")
    here = next(body for body in state.nodes if body["metadata"]["name"] == "w2")
    here["metadata"]["labels"]["openebs.io/nodeid"] = "w2"
    one = volume("pv-1", "w2", key="openebs.io/nodeid")
    assert [
        body["metadata"]["name"] for body in bound_to(ClusterState(nodes=state.nodes, volumes=[one], listed=state.listed), here)
    ] == ["pv-1"]
    one["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"].append(
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["w1"]}]}
    )
    assert not list(bound_to(ClusterState(nodes=state.nodes, volumes=[one], listed=state.listed), here))


def test_a_term_without_requirements_fits_nothing() -> None:
    empty = volume("pv-1")
    empty["spec"]["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{}]}}
    assert not may_be_used_on(empty, node("w1"))
    assert may_be_used_on(volume("pv-2"), node("w1"))


@pytest.mark.parametrize(
    ("operator", "values", "value", "fulfilled"),
    [
        ("In", ["a", "b"], "a", True),
        ("In", ["a"], None, False),
        ("NotIn", ["a"], None, True),
        ("NotIn", ["a"], "a", False),
        ("Exists", [], "a", True),
        ("Exists", [], None, False),
        ("DoesNotExist", [], None, True),
        ("Gt", ["5"], "6", True),
        ("Gt", ["5"], "5", False),
        ("Lt", ["5"], "-1", True),
        ("Lt", ["5"], "word", False),
        ("Gt", ["5"], None, False),
    ],
)
def test_operators(operator: str, values: list[str], value: str | None, fulfilled: bool) -> None:
    labels = {} if value is None else {"k": value}
    assert fits(labels, [{"key": "k", "operator": operator, "values": values}]) is fulfilled


def test_an_unknown_operator_is_no_match_by_chance() -> None:
    with pytest.raises(ValueError, match="Near"):
        fits({}, [{"key": "k", "operator": "Near"}])


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        (None, {"a": "1"}, False),
        ({}, {}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
        ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}, {"a": "1"}, False),
    ],
)
def test_selectors(selector: Any, labels: dict[str, str], selected: bool) -> None:
    assert selects(selector, labels) is selected


@pytest.mark.parametrize(
    ("text", "minor"), [("v1.35.4", (1, 35)), ("1.36/stable", (1, 36)), ("v1.9.0-rc.1", (1, 9)), ("1.35-strict/edge", (1, 35))]
)
def test_minor_versions(text: str, minor: tuple[int, int]) -> None:
    assert minor_of(text) == minor


def test_a_node_of_tests_is_ready_unless_said_otherwise() -> None:
    assert refusals(ClusterState(nodes=[node("c1", plane=True), node("w1", ready=False)], listed={}), "w1")
