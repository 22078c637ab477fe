"""Cycles: which edges are cut, in which order, and which cycles are refused with advice."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mlops.ordering import ALL_RULES, Graph, KubeObject, ObjectRef, OrderingError, Overrides, Rule, Strength, build_graph
from mlops.ordering.rule import Found, Yields
from mlops.ordering.view import View
from tests.ordering.objects_for_tests import crd, deployment, namespace, obj, service, webhook

REFS = {name: ObjectRef("", "ConfigMap", "n", name) for name in "abcdefgh"}
MAPS = [obj("v1", "ConfigMap", name, "n") for name in REFS]


def rules(*edges: tuple[str, str, Yields]) -> list[Rule]:
    """A rule of its own for each edge, R1, R2 and so on."""

    def rule(number: int, source: str, target: str, yields: Yields) -> Rule:
        def find(_view: View) -> list[Found]:
            return [Found(REFS[source], REFS[target], "so it is")]

        return Rule(f"R{number}", "test", Strength.SOFT, find, yields)

    return [rule(i, *edge) for i, edge in enumerate(edges, 1)]


def cut(graph: Graph) -> list[str]:
    return [f"{c.edge.source.name}{c.edge.target.name}" for c in graph.cuts]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Yields.ON_REQUEST, Yields.DIALLED),
        (Yields.DIALLED, Yields.CONTROLLER),
        (Yields.CONTROLLER, Yields.TARGET),
        (Yields.TARGET, Yields.IGNORED),
        (Yields.IGNORED, Yields.RIGHTS),
        (Yields.RIGHTS, Yields.NEVER),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_of_a_cycle_the_edge_that_yields_first_is_cut(first: Yields, second: Yields, *, turned: bool) -> None:
    edges = [("a", "b", first), ("b", "a", second)] if turned else [("b", "a", second), ("a", "b", first)]
    graph = build_graph(MAPS, rules(*edges))
    assert cut(graph) == ["ab"]
    assert [str(e.source.name) for e in graph.edges] == ["b"]
    assert {e.source.name for e in graph.cuts[0].cycle} == {"a", "b"}
    assert first.why in str(graph.cuts[0])


def test_one_cut_breaks_two_cycles_and_what_is_no_cycle_stays() -> None:
    yielding, staying = Yields.CONTROLLER, Yields.NEVER
    edges = [("a", "b", yielding), ("b", "c", staying), ("c", "a", staying), ("b", "d", staying), ("d", "a", staying)]
    graph = build_graph(MAPS, rules(*edges, ("e", "a", yielding)))
    assert cut(graph) == ["ab"]
    assert len(graph.edges) == 5


def test_a_cycle_that_nothing_may_break_is_refused_whatever_yields_elsewhere() -> None:
    never = Yields.NEVER
    edges = [("a", "b", never), ("b", "a", never), ("b", "c", Yields.TARGET), ("c", "b", never)]
    with pytest.raises(OrderingError, match="cycle of 2") as caught:
        build_graph(MAPS, rules(*edges))
    assert "ConfigMap n/a -> ConfigMap n/b [R1, soft] so it is" in str(caught.value)


def test_cuts_do_not_depend_on_the_order_of_anything() -> None:
    rng = random.Random(5)  # noqa: S311  (no secret)
    names = list(REFS)
    pairs = [rng.sample(names, 2) for _ in range(24)]
    edges = [(source, target, rng.choice(list(Yields)[:-1])) for source, target in pairs]
    graph = build_graph(MAPS, rules(*edges))
    assert graph.cuts
    for _ in range(5):
        objects = rng.sample(MAPS, len(MAPS))
        assert build_graph(objects, rules(*edges)) == graph


def backend(**hook: Any) -> list[KubeObject]:
    """A webhook for pods of namespace n, whose own backend runs there."""
    given = {
        "clientConfig": {"service": {"name": "w", "namespace": "n"}, "caBundle": "eA=="},
        "groups": ("",),
        "resources": ("pods",),
    }
    return [webhook("w", where="n", **given | hook), service("w", "n", app="w"), deployment("w", "n")]


def test_a_webhook_that_refuses_the_pods_of_its_own_backend_is_refused_with_advice() -> None:
    with pytest.raises(OrderingError) as caught:
        build_graph([namespace("n"), *backend()])
    text = str(caught.value)
    assert "Deployment.apps n/w -> ValidatingWebhookConfiguration.gate w [R5, silent] webhook w.io looks at its pods" in text
    assert "leave Deployment.apps n/w out of ValidatingWebhookConfiguration w" in text
    assert "objectSelector" in text


def test_a_webhook_that_refuses_pods_which_its_backend_needs_is_refused_with_advice() -> None:
    # the injector of its CA runs in a namespace that the webhook looks at
    labels = {"app.kubernetes.io/name": "cainjector", "app.kubernetes.io/component": "cainjector"}
    hook = backend(objectSelector={"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["w"]}]})
    hook[0].body["metadata"]["annotations"] = {"cert-manager.io/inject-ca-from": "n/c"}
    with pytest.raises(OrderingError, match=r"leave Deployment\.apps n/injector out"):
        build_graph([namespace("n"), *hook, deployment("injector", "n", labels=labels)])


@pytest.mark.parametrize(
    ("with_namespace", "hook"),
    [(True, {"failurePolicy": "Ignore"}), (False, {}), (True, {"matchConditions": [{"name": "x", "expression": "false"}]})],
)
def test_where_pods_go_in_unseen_or_the_match_is_a_guess_the_edge_is_cut(hook: dict[str, Any], *, with_namespace: bool) -> None:
    graph = build_graph([*([namespace("n")] if with_namespace else []), *backend(**hook)])
    assert [(c.edge.rule, c.edge.source.kind) for c in graph.cuts] == [("R5", "Deployment")]
    assert not graph.gates_before(ObjectRef("apps", "Deployment", "n", "w"))
    assert not graph.pod_gates_before(ObjectRef("apps", "Deployment", "n", "w"))


KNATIVE = [
    namespace("k"),
    obj("v1", "ConfigMap", "config-logging", "k"),
    obj("v1", "ConfigMap", "config-domain", "k"),
    service("w", "k", app="w"),
    deployment("w", "k", containers=[{"name": "c", "env": [{"name": "CONFIG_LOGGING_NAME", "value": "config-logging"}]}]),
    webhook("w", where="k", rule={"apiGroups": []}),
]
AT_RUN_TIME = """
rulesAtRunTime:
- configuration: ValidatingWebhookConfiguration.* w
  rules: [{apiGroups: [""], operations: [CREATE, UPDATE], resources: [configmaps]}]
  reason: its backend fills them in
"""


def test_config_maps_that_a_backend_reads_come_before_it_though_its_webhook_looks_at_them_later() -> None:
    graph = build_graph(KNATIVE, overrides=Overrides.parse(AT_RUN_TIME, origin="order.yaml"))
    logging, domain = (ObjectRef("", "ConfigMap", "k", f"config-{name}") for name in ("logging", "domain"))
    backend_ref = ObjectRef("apps", "Deployment", "k", "w")
    assert [(c.edge.rule, c.edge.source) for c in graph.cuts] == [("R4", logging)]
    assert graph.way(backend_ref, logging)
    assert not graph.way(logging, backend_ref)
    assert graph.way(domain, backend_ref)
    assert not graph.gates_before(logging)
    assert len(graph.gates_before(domain)) == 1


def test_guesses_yield_to_everything_else() -> None:
    # the dialled Service's backend reads an object that waits for the dialling workload's controller
    objects = [
        service("s", "n", app="s"),
        deployment("s", "n"),
        deployment("a", "n", containers=[{"name": "c", "args": ["s.n.svc"]}]),
        obj("policy/v1", "PodDisruptionBudget", "p", "n", spec={"selector": {"matchLabels": {"app": "a"}}}),
    ]
    added = "add: [{from: Deployment.apps n/s, to: PodDisruptionBudget.policy n/p, reason: test}]"
    graph = build_graph(objects, ALL_RULES, Overrides.parse(added, origin="t"))
    assert [c.edge.rule for c in graph.cuts] == ["R24"]


def test_self_injecting_backends_and_their_configuration_do_not_wait_for_each_other() -> None:
    meta = {"annotations": {"cert-manager.io/inject-ca-from": "n/c"}}
    objects = [crd("g.io", "Thing"), webhook("w", where="n", meta=meta), service("w", "n", app="w"), deployment("w", "n")]
    configuration, workload = objects[1].ref, objects[3].ref
    assert build_graph(objects).way(configuration, workload)
    text = "selfInjecting: [{configuration: '*Configuration* w', reason: it writes its own CA}]"
    graph = build_graph(objects, overrides=Overrides.parse(text, origin="t"))
    assert not graph.way(configuration, workload)
    assert not graph.way(workload, configuration)
