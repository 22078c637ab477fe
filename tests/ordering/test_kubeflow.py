"""The order of all of Kubeflow, from the real sources: acyclic, with nothing missing, and as it was when it was last looked at.

Write kubeflow.golden.txt anew with UPDATE_GOLDEN=1, and read what changes.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from mlops.bundles import Kustomize, Places, bundles_in, load_bundles, read_lock
from mlops.bundles.order import overrides_of
from mlops.folders import cache_folder
from mlops.ordering import ALL_RULES, Graph, KubeObject, ObjectRef, Overrides, WebhookAnswers, build_graph, idle_overrides
from mlops.ordering.rule import GATE_GROUP

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFESTS = REPOSITORY / "manifests"
GOLDEN = Path(__file__).with_name("kubeflow.golden.txt")
PLACES = Places.from_environment(checkout=REPOSITORY)
OTHER_LAYERS: set[str] = set()
"""Bundles that are no part of Kubeflow."""

pytestmark = pytest.mark.site


def missing_sources() -> list[str]:
    """Sources that would have to be fetched from the network."""
    lock = read_lock(MANIFESTS / "sources.lock.yaml").values()
    return [s.name for s in lock if not any(isinstance(place, Path) and place.is_file() for place in PLACES.candidates(s))]


@cache
def loaded() -> tuple[tuple[KubeObject, ...], Overrides]:
    if missing_sources():
        pytest.skip(f"no archive at hand of {', '.join(missing_sources())}; put a mirror beside the checkout as shared/upstream")
    names = [name for name in bundles_in(MANIFESTS) if name not in OTHER_LAYERS]
    bundles = load_bundles(names, manifests=MANIFESTS, places=PLACES, cache=cache_folder(), kustomize=Kustomize.pinned())
    return tuple(item for bundle in bundles for item in bundle.objects), overrides_of(bundles, MANIFESTS)


@cache
def order() -> Graph:
    return build_graph(loaded()[0], overrides=loaded()[1])


def golden(graph: Graph) -> str:
    rules = Counter(edge.rule for edge in graph.edges)
    strengths = Counter(edge.strength.name.lower() for edge in graph.edges)
    gates = Counter(type(gate).__name__ + (" (pods)" if getattr(gate, "probe", "") == "its pods" else "") for gate in graph.gates)
    lines = [
        f"objects {len(graph.objects)}",
        f"edges {len(graph.edges)}",
        f"reduced {sum(len(graph.dependencies(item.ref)) for item in graph.objects)}",
        *(f"edges {rule.id} {rules[rule.id]}" for rule in ALL_RULES if rules[rule.id]),
        f"edges override {rules['override']}",
        *(f"{strength} {count}" for strength, count in sorted(strengths.items())),
        *(f"gates {name} {count}" for name, count in sorted(gates.items())),
        *(f"level {number}: {len(level)}" for number, level in enumerate(graph.levels())),
        *map(str, graph.cuts),
        *(f"removal {rule}: {count}" for rule, count in sorted(Counter(edge.rule for edge in graph.removal.edges).items())),
        "critical path:",
        *(f"  {ref}" for ref in graph.critical_path()),
    ]
    return "\n".join(lines) + "\n"


def test_the_order_is_as_it_was() -> None:
    text = golden(order())
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_nothing_is_cut_missing_or_ambiguous() -> None:
    assert order().cuts == ()
    order().require_complete()
    objects, overrides = loaded()
    assert idle_overrides(objects, overrides=overrides) == ()


def test_every_guarded_object_waits_for_what_answers_for_its_webhooks() -> None:
    graph = order()
    gates = [gate for gate in graph.gates if isinstance(gate, WebhookAnswers)]
    assert Counter(gate.at.kind for gate in gates if gate.probe == "itself")["ClusterServingRuntime"] == 12
    for gate in gates:
        assert len(gate.workloads) == 1, gate
        for target in (gate.configuration, *gate.workloads):
            assert graph.way(gate.at, target)


def test_configurations_whose_backend_gives_them_their_ca_do_not_wait_for_it_nor_it_for_them() -> None:
    graph = order()
    own = {g.configuration: g.workloads for g in graph.gates if isinstance(g, WebhookAnswers) and g.authority == "self"}
    assert own
    for configuration, workloads in own.items():
        for workload in workloads:
            assert not graph.way(configuration, workload)
            assert not graph.way(workload, configuration)


def test_removal_keeps_backends_until_what_they_guard_is_gone() -> None:
    graph = order()
    place = {ref: i for i, ref in enumerate(graph.deletion_order())}
    for edge in (*graph.edges, *graph.removal.edges):
        if GATE_GROUP not in {edge.source.group, edge.target.group}:
            assert place[edge.source] < place[edge.target], edge
    for gate in (gate for gate in graph.gates if isinstance(gate, WebhookAnswers)):
        for workload in gate.workloads:
            assert place[gate.at] < place[gate.configuration] < place[workload]
    profile = ObjectRef("kubeflow.org", "Profile", "", "kubeflow-user-example-com")
    assert all(place[ref] < place[profile] for ref in place if ref.namespace == profile.name)
    assert graph.removal.kinds[0] == "profiles.kubeflow.org"
    assert "inferenceservices.serving.kserve.io" in graph.removal.kinds


def test_the_order_of_objects_does_not_matter() -> None:
    objects, overrides = loaded()
    shuffled = list(objects)
    random.Random(1).shuffle(shuffled)  # noqa: S311  (no secret)
    other = build_graph(shuffled, overrides=overrides)
    assert other == order()
    assert other.in_order() == order().in_order()
    assert other.deletion_order() == order().deletion_order()
