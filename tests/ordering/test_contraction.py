"""Contraction: whatever the graph, the steps have an order, and it is the graph's."""

from __future__ import annotations

import random

import pytest

from mlops.ordering import Graph, KubeObject, ObjectRef, Unit, build_graph, contract
from tests.ordering.objects_for_tests import crd, namespace, obj
from tests.ordering.test_graph import generated


def kinds(item: KubeObject) -> str | None:
    """Objects of one team's passive kinds together."""
    return item.namespace if item.kind in {"ConfigMap", "ServiceAccount", "Role", "RoleBinding", "Service"} else None


def at_random(item: KubeObject) -> str | None:
    """Labels that have nothing to do with the order, so that units have to be split."""
    return random.Random(str(item.ref)).choice(["red", "green", None])  # noqa: S311  (no secret)


def places(units: tuple[Unit, ...]) -> dict[ObjectRef, int]:
    return {item.ref: place for place, unit in enumerate(units) for item in unit.members}


def closure(units: tuple[Unit, ...]) -> list[set[int]]:
    before: list[set[int]] = []
    for unit in units:
        before.append(set(unit.dependencies).union(*(before[place] for place in unit.dependencies)))
    return before


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("label", [kinds, at_random])
def test_every_object_is_in_one_unit_and_all_of_the_order_is_kept(seed: int, label: object) -> None:
    graph = build_graph(generated(seed, 200))
    units = contract(graph, label)  # type: ignore[arg-type]  # one of the two functions above
    place = places(units)
    assert sum(len(unit.members) for unit in units) == len(place) == len(graph.objects)
    before = closure(units)
    for item in graph.objects:
        for ref in graph.dependencies(item.ref):
            assert place[ref] == place[item.ref] or place[ref] in before[place[item.ref]], (item.ref, ref)
    for number, unit in enumerate(units):
        assert all(needed < number for needed in unit.dependencies)
        for needed in unit.dependencies:
            others = [other for other in unit.dependencies if other != needed]
            assert not any(needed in before[other] for other in others), "what follows from the rest is left out"


@pytest.mark.parametrize("seed", range(6))
def test_the_units_do_not_depend_on_the_order_of_the_objects(seed: int) -> None:
    objects = generated(seed, 200)
    first = contract(build_graph(objects), at_random)
    random.Random(seed).shuffle(objects)  # noqa: S311  (no secret)
    assert contract(build_graph(objects), at_random) == first


def test_members_that_merely_lie_there_become_few_units() -> None:
    graph = build_graph(generated(1, 300))
    alone = contract(graph, lambda _: None)
    assert len(alone) == len(graph.objects)
    assert len(contract(graph, kinds)) < len(alone) / 2


def graph_of_a_split() -> Graph:
    """A kind, an object of it, and a ConfigMap in the namespace that only the object's controller makes."""
    profile = obj("kubeflow.org/v1", "Profile", "made")
    return build_graph([crd("kubeflow.org", "Profile", scope="Cluster"), profile, obj("v1", "ConfigMap", "c", "made")])


def test_a_unit_is_split_where_it_would_wait_for_itself() -> None:
    def label(item: KubeObject) -> str | None:
        return None if item.kind == "Profile" else "all"

    units = contract(graph_of_a_split(), label)
    assert [(unit.label, [item.kind for item in unit.members]) for unit in units] == [
        ("all", ["CustomResourceDefinition"]),
        (None, ["Profile"]),
        ("all", ["ConfigMap"]),
    ]
    assert [unit.dependencies for unit in units] == [(), (0,), (1,)]


def test_the_longest_chain_is_begun_first() -> None:
    chain = [namespace("z"), obj("v1", "ServiceAccount", "a", "z")]
    units = contract(build_graph([namespace("a"), *chain]), lambda _: None)
    assert units[0].members[0].name == "z"
