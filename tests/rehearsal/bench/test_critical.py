"""The critical path counts what binds every installer, and nothing that only this project waits for."""

from __future__ import annotations

from mlops.ordering import Edge, ObjectRef, Strength, build_graph
from mlops.rehearsal.bench.critical import Delays, binds, critical_path
from mlops.rehearsal.bench.delays import seeded
from mlops.rehearsal.site.kwok import start_delay_seconds
from tests.ordering.objects_for_tests import deployment, namespace, obj
from tests.rehearsal.bench.guarded_things import BACKEND, GATE, guarded_things


def test_a_guarded_object_waits_for_the_start_and_the_first_act_of_the_backend() -> None:
    start = {"guard": 7.0, "other": 9.0}
    path = critical_path(guarded_things(), Delays(lambda ref: start[ref.name], lambda ref: 3.0 if ref.name == "guard" else 0.0))
    assert path.seconds == 10
    assert path.chain == ((BACKEND, 7.0), (GATE, 10.0))


def test_the_longest_chain_counts_even_when_nothing_hangs_on_it() -> None:
    start = {"guard": 1.0, "other": 9.0}
    path = critical_path(guarded_things(), Delays(lambda ref: start[ref.name], lambda _: 3.0))
    assert path.seconds == 9
    assert [ref.name for ref, _ in path.chain] == ["other"]


def test_no_objects_take_no_time() -> None:
    assert critical_path(build_graph([]), Delays(lambda _: 1.0, lambda _: 1.0)).seconds == 0


def edge(source: ObjectRef, rule: str, strength: Strength) -> Edge:
    return Edge(source, ObjectRef("", "ConfigMap", "n", "c"), rule, "", strength)


def test_only_edges_without_which_nothing_gets_ready_bind() -> None:
    workload, issuer = ObjectRef("apps", "Deployment", "n", "d"), ObjectRef("cert-manager.io", "Issuer", "n", "i")
    maker, other = ObjectRef("kubeflow.org", "Profile", "", "p"), ObjectRef("g.io", "Thing", "n", "t")
    assert binds(edge(other, "R4", Strength.HARD), set())
    assert binds(edge(workload, "R12", Strength.SOFT), set())
    assert binds(edge(issuer, "R14", Strength.SOFT), set())
    assert binds(edge(maker, "override", Strength.SOFT), {maker})
    # rights, ConfigMaps named by variables, a controller of an object whose status nobody waits for, a guard before its backend
    assert not binds(edge(workload, "R11", Strength.SOFT), set())
    assert not binds(edge(workload, "R21", Strength.SOFT), set())
    assert not binds(edge(other, "R22", Strength.SOFT), set())
    assert not binds(edge(other, "override", Strength.SOFT), {maker})
    assert not binds(edge(other, "R7", Strength.SOFT), set())


def test_delays_are_those_of_the_site() -> None:
    pod = {"metadata": {"annotations": {"rehearsal.onprem-mlops/start-delay": "1500ms"}}}
    told = obj("apps/v1", "StatefulSet", "told", "n", spec={"template": pod})
    graph = build_graph([namespace("n"), deployment("d", "n"), told, obj("batch/v1", "Job", "j", "n", spec={"template": {}})])
    delays = seeded(graph, seed="s", scale=2.0)
    assert delays.start(ObjectRef("apps", "Deployment", "n", "d")) == start_delay_seconds("s", "n", "Deployment", "d", 2.0)
    assert delays.start(ObjectRef("apps", "StatefulSet", "n", "told")) == 1.5
    # its pod runs for a second after it has started, scaled likewise
    assert delays.start(ObjectRef("batch", "Job", "n", "j")) == start_delay_seconds("s", "n", "Job", "j", 2.0) + 2.0
    assert delays.act(ObjectRef("apps", "Deployment", "n", "d")) == 0


def test_a_webhook_of_the_site_answers_later_than_its_pods_are_ready() -> None:
    delays = seeded(build_graph([]), seed="s", scale=1.0)
    assert 1 <= delays.act(ObjectRef("apps", "Deployment", "cert-manager", "cert-manager-webhook")) <= 5
