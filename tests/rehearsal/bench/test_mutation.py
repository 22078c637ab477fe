"""Edges are taken away so that what is refused tells which edge was missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlops.bundles import Bundle
from mlops.bundles.order import overrides_of
from mlops.ordering import Graph, ObjectRef, build_graph, contract, parse_documents
from mlops.ordering.overrides import Overrides
from mlops.rehearsal.bench.mutation import LATE, Mutation, MutationPlan, closure, guarded, plan
from mlops.rehearsal.bench.outcome import Outcome
from mlops.rehearsal.bench.project import make_project, small_set
from mlops.rehearsal.bench.verdict import Verdict, clearest, requested_as, undecided, verdict
from tests.ordering.objects_for_tests import namespace, obj
from tests.rehearsal.bench.guarded_things import ACCOUNT, BACKEND, CRD, GATE, GUARD, NAMESPACE, OTHER, THING, guarded_things


def edge(source: ObjectRef, target: ObjectRef, rule: str) -> Mutation:
    return Mutation(source, target, (rule,), ((source, target, rule),))


def planned_for(graph: Graph) -> MutationPlan:
    """With a step for each object."""
    return plan(graph, contract(graph, lambda _: None))


def waits_for(graph: Graph, source: ObjectRef, target: ObjectRef) -> bool:
    return target in closure(graph, [source])


def without(graph: Graph, mutation: Mutation) -> Graph:
    text = yaml.safe_dump(mutation.overrides())
    return build_graph(graph.objects, overrides=Overrides.parse(text, origin="test"))


def test_every_hard_edge_that_makes_a_difference_is_taken_away_once() -> None:
    planned = planned_for(guarded_things())
    assert set(planned.mutations) == {
        edge(THING, GATE, "R4"),
        edge(THING, CRD, "R2"),
        edge(ACCOUNT, NAMESPACE, "R1"),
        edge(OTHER, NAMESPACE, "R1"),
        edge(ObjectRef("", "Service", "hooks", "guard"), NAMESPACE, "R1"),
    }
    # the backend comes after its account, the thing after its gate: both so after the namespace
    assert planned.implied == 2
    assert planned.behind_gates == 3


def test_edges_between_two_sets_are_taken_away_together() -> None:
    one, two = obj("v1", "ConfigMap", "a", "n"), obj("v1", "ConfigMap", "b", "n")
    graph = build_graph([namespace("n"), one, two])
    target = ObjectRef("", "Namespace", "", "n")
    (missing,) = plan(graph, contract(graph, lambda item: "set" if item.kind == "ConfigMap" else None)).mutations
    assert missing.edges == ((one.ref, target, "R1"), (two.ref, target, "R1"))
    mutated = without(build_graph([*graph.objects, obj("batch/v1", "Job", "late", "default", spec={"template": {}})]), missing)
    assert [mutated.dependencies(item.ref) for item in (one, two)] == [(), ()]
    assert verdict(graph, missing, outcome(refused_at=("configmaps n/b",))) is Verdict.REFUSED
    assert verdict(graph, missing, outcome(refused_at=("configmaps n/c",))) is Verdict.NOTHING


def test_in_a_run_no_object_without_an_edge_waits_for_another() -> None:
    graph = guarded_things()
    for run in planned_for(graph).runs:
        sources = [mutation.source for mutation in run]
        assert len(set(sources)) == len(sources)
        assert not any(waits_for(graph, one, other) for one in sources for other in sources if one != other)


def test_nothing_that_comes_late_holds_back_another_object_of_the_run() -> None:
    graph = guarded_things()
    runs = {mutation: number for number, run in enumerate(planned_for(graph).runs) for mutation in run}
    # the namespace comes late, so that the account is refused; the thing would wait for the namespace, and so for its guard
    assert runs[edge(OTHER, NAMESPACE, "R1")] != runs[edge(THING, GATE, "R4")]
    assert runs[edge(OTHER, NAMESPACE, "R1")] == runs[edge(ACCOUNT, NAMESPACE, "R1")]


def test_an_edge_that_is_taken_away_changes_the_order_and_nothing_else() -> None:
    graph = guarded_things()
    gate = next(mutation for mutation in planned_for(graph).mutations if mutation.target == GATE)
    mutated = without(graph, gate)
    assert graph.gates_before(THING)
    assert not mutated.gates_before(THING)
    assert waits_for(graph, THING, BACKEND)
    assert not waits_for(mutated, THING, BACKEND)
    # the guard is there when the object comes: else nothing would be refused
    assert GUARD in mutated.dependencies(THING)


def test_what_an_object_no_longer_waits_for_comes_late() -> None:
    graph = guarded_things()
    late = build_graph([*graph.objects, obj("batch/v1", "Job", "late", "default", spec={"template": {}})])
    mutated = without(late, edge(ACCOUNT, NAMESPACE, "R1"))
    assert mutated.dependencies(ACCOUNT) == ()
    assert mutated.dependencies(NAMESPACE) == (LATE,)


def test_the_closure_passes_through_gates() -> None:
    graph = guarded_things()
    assert guarded(graph) == (THING,)
    refs = closure(graph, guarded(graph))
    assert {BACKEND, ACCOUNT, NAMESPACE, CRD, THING} <= refs
    assert OTHER not in refs
    assert GATE not in refs


def outcome(**found: tuple[str, ...]) -> Outcome:
    measured = {"attempts": 1, "accepted_seconds": 1.0, "ready_seconds": None, "critical_seconds": 1.0}
    nothing: dict[str, tuple[str, ...]] = {"refused": (), "unready": (), "unseen_pods": ()}
    told = {"label": "run", "installer": "program", "seed": "1", "objects": 8, "writes": 8, "asked": 0, "unknown": 0}
    return Outcome.model_validate({**told, **measured, **nothing, **found})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"refused_at": ("things.g.io hooks/thing",), "failed_at": ("b/Thing/hooks/thing",)}, Verdict.REFUSED),
        ({"failed_at": ("b/Thing/hooks/thing",)}, Verdict.FAILED),
        ({"retried_at": ("b/Thing/hooks/thing",)}, Verdict.FAILED),
        ({"asked_at": ("things.g.io hooks/thing",)}, Verdict.HELD),
        ({"refused_at": ("things.g.io hooks/thing-2",), "failed_at": ("b/Thing/hooks/other-thing",)}, Verdict.NOTHING),
    ],
)
def test_a_refusal_is_put_down_to_the_edge_of_its_object(found: dict[str, tuple[str, ...]], expected: Verdict) -> None:
    assert verdict(guarded_things(), edge(THING, CRD, "R2"), outcome(**found)) is expected


def test_objects_are_named_as_the_audit_log_names_them() -> None:
    graph = guarded_things()
    assert requested_as(graph, THING) == "things.g.io hooks/thing"
    assert requested_as(graph, NAMESPACE) == "namespaces hooks"
    assert requested_as(graph, CRD) == "customresourcedefinitions.apiextensions.k8s.io things.g.io"


def test_over_several_seeds_the_clearest_verdict_counts() -> None:
    first, second = edge(THING, CRD, "R2"), edge(THING, GATE, "R4")
    known = clearest({}, [(first, Verdict.REFUSED), (second, Verdict.NOTHING)])
    assert undecided(known, [[first], [second]]) == [(second,)]
    known = clearest(known, [(first, Verdict.NOTHING), (second, Verdict.HELD)])
    assert known == {first: Verdict.REFUSED, second: Verdict.HELD}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    manifests = folder / "manifests"
    for name in ("one", "two"):
        (manifests / name).mkdir(parents=True)
    (manifests / "sources.lock.yaml").write_text("sources: {}\n")
    (folder / "Pulumi.yaml").write_text("name: p\n")
    (folder / "__main__.py").write_text("")
    entries = [
        {"from": "Thing.g.io *", "to": "Deployment.apps hooks/other", "reason": "kept"},
        {"from": "ConfigMap elsewhere/c", "to": "Namespace elsewhere", "reason": "its object is not kept"},
    ]
    (manifests / "one" / "order.yaml").write_text(yaml.safe_dump({"add": entries}))
    return folder


@pytest.fixture
def bundles() -> tuple[Bundle, ...]:
    two = (namespace("elsewhere"), obj("v1", "ConfigMap", "c", "elsewhere"))
    return (Bundle("one", guarded_things().objects, "1"), Bundle("two", two, "2"))


def test_a_small_set_has_something_of_every_bundle(bundles: tuple[Bundle, ...]) -> None:
    graph = build_graph([item for bundle in bundles for item in bundle.objects])
    kept = small_set(graph, bundles, [THING])
    assert ObjectRef("", "Namespace", "", "elsewhere") in kept
    assert ObjectRef("", "ConfigMap", "elsewhere", "c") not in kept
    assert OTHER not in kept


def test_a_project_differs_in_objects_and_order_alone(tmp_path: Path, checkout: Path, bundles: tuple[Bundle, ...]) -> None:
    keep = {item.ref for item in bundles[0].objects} | {ObjectRef("", "Namespace", "", "elsewhere")}
    missing = edge(THING, GATE, "R4")
    made = make_project(tmp_path / "made", checkout, bundles, keep=keep, without=[missing])
    assert sorted(path.name for path in made.iterdir()) == [
        ".venv",
        "Pulumi.yaml",
        "__main__.py",
        "components",
        "manifests",
        "mlops",
    ]
    objects = parse_documents((made / "manifests/one/objects.yaml").read_text(), origin="made")
    assert {item.ref for item in objects} == {LATE} | {item.ref for item in bundles[0].objects}
    other = parse_documents((made / "manifests/two/objects.yaml").read_text(), origin="made")
    assert [item.kind for item in other] == ["Namespace"]
    overrides = overrides_of(bundles, made / "manifests")
    assert [entry.reason for entry in overrides.add] == ["kept", "mutation test"]
    assert (str(THING), "*.gate *", "R4") in [(entry.source, entry.target, entry.rule) for entry in overrides.remove]
