"""The graph as a whole: what it promises whatever the objects are."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from mlops.bundles import Kustomize, Places, load_bundle
from mlops.folders import cache_folder
from mlops.ordering import ALL_RULES, Graph, KubeObject, ObjectRef, OrderingError, WebhookAnswers, build_graph
from mlops.ordering.rule import GATE_GROUP, gate_of
from tests.ordering.objects_for_tests import crd, deployment, namespace, obj, service, webhook

REPOSITORY = Path(__file__).resolve().parents[2]


_NAMED = ("ConfigMap", "Deployment", "Service", "ServiceAccount")


def generated(seed: int, size: int) -> list[KubeObject]:
    """Objects as they come in bundles: namespaces, CRDs, webhooks with backends, guarded objects, workloads with what they read."""
    rng = random.Random(seed)  # noqa: S311  (no secret)
    teams = [f"team{i}" for i in range(max(2, size // 60))]
    objects = [namespace(team, team=team) for team in teams]
    groups = [f"g{i}.io" for i in range(max(2, size // 100))]
    for i, group in enumerate(groups):
        annotations = rng.choice([{}, {"cert-manager.io/inject-ca-from-secret": f"{teams[0]}/ca{i}"}])
        objects += [crd(group, "Thing"), service(f"hook{i}", teams[0], app=f"hook{i}"), deployment(f"hook{i}", teams[0])]
        policy = rng.choice(["Fail", "Ignore"])
        objects.append(
            webhook(f"hook{i}", groups=(group,), where=teams[0], meta={"annotations": annotations}, failurePolicy=policy)
        )
    injected: dict[str, Any] = {"groups": ("",), "resources": ("pods",), "objectSelector": {"matchLabels": {"inject": "1"}}}
    given: dict[str, Any] = {"clientConfig": {"service": {"name": "hook0", "namespace": teams[0]}, "caBundle": "eA=="}}
    objects += [webhook("pods", where=teams[0], **injected, **given), obj("kubeflow.org/v1", "Profile", "made")]
    objects.append(obj("storage.k8s.io/v1", "StorageClass", "local", provisioner="local.io"))
    while len(objects) < size:
        n, team = len(objects), rng.choice([*teams, "made"])
        names = {kind: [item.name for item in objects if (item.kind, item.namespace) == (kind, team)] for kind in _NAMED}
        some = {kind: rng.choice(known or ["nobody"]) for kind, known in names.items()}
        match rng.randrange(6):
            case 0:
                objects.append(obj(f"{rng.choice(groups)}/v1", "Thing", f"t{n}", team))
            case 1:
                objects.append(obj("v1", "ConfigMap", f"c{n}", team))
            case 2:
                objects += _account(f"a{n}", team, rng.choice(groups))
            case 3:
                claims = [{"spec": {"storageClassName": "local"}}]
                objects.append(
                    obj("apps/v1", "StatefulSet", f"s{n}", team, spec={"serviceName": f"s{n}", "volumeClaimTemplates": claims})
                )
                objects.append(service(f"s{n}", team, app=f"s{n}"))
            case 4:
                target = {"kind": "Deployment", "name": some["Deployment"]}
                objects.append(obj("autoscaling/v2", "HorizontalPodAutoscaler", f"h{n}", team, spec={"scaleTargetRef": target}))
            case _:
                pod = {
                    "serviceAccountName": some["ServiceAccount"],
                    "volumes": [{"name": "v", "configMap": {"name": some["ConfigMap"]}}],
                    "containers": [{"name": "c", "args": [f"http://{some['Service']}.{team}.svc"]}],
                }
                objects.append(deployment(f"d{n}", team, labels={"app": f"d{n}", "inject": rng.choice("01")}, **pod))
    return objects


def _account(name: str, where: str, group: str) -> list[KubeObject]:
    """An account that may write the status of a kind."""
    rules = [{"apiGroups": [group], "resources": ["things/status"], "verbs": ["update"]}]
    role, subject = {"kind": "Role", "name": name}, {"kind": "ServiceAccount", "name": name}
    rbac = "rbac.authorization.k8s.io/v1"
    return [
        obj("v1", "ServiceAccount", name, where),
        obj(rbac, "Role", name, where, rules=rules),
        obj(rbac, "RoleBinding", name, where, roleRef=role, subjects=[subject]),
    ]


def cert_manager() -> list[KubeObject]:
    bundle = load_bundle(
        "cert-manager",
        manifests=REPOSITORY / "manifests",
        places=Places.from_environment(checkout=REPOSITORY),
        cache=cache_folder(),
        kustomize=Kustomize.pinned(),
    )
    own = [
        obj("v1", "Secret", "issuing-ca", "cert-manager"),
        obj("cert-manager.io/v1", "ClusterIssuer", "platform", spec={"ca": {"secretName": "issuing-ca"}}),
    ]
    return [*bundle.objects, *own]


@pytest.fixture(params=["generated 1", "generated 2", "generated 3", "cert-manager"])
def objects(request: pytest.FixtureRequest) -> list[KubeObject]:
    kind, _, seed = str(request.param).partition(" ")
    return generated(int(seed), 200) if kind == "generated" else cert_manager()


def before(graph: Graph, ref: ObjectRef) -> set[ObjectRef]:
    """Everything that stands before an object, by its reduced dependencies alone."""
    seen: set[ObjectRef] = set()
    queue = [ref]
    while queue:
        for target in graph.dependencies(queue.pop()):
            if target not in seen:
                seen.add(target)
                queue.append(target)
    return seen


def test_the_result_does_not_depend_on_the_order_of_objects(objects: list[KubeObject]) -> None:
    graph = build_graph(objects)
    for seed in range(3):
        shuffled = objects.copy()
        random.Random(seed).shuffle(shuffled)  # noqa: S311  (no secret)
        other = build_graph(shuffled)
        assert other.deletion_order() == graph.deletion_order()
        assert other == graph
        assert other.in_order() == graph.in_order()
        assert other.levels() == graph.levels()


def test_the_order_keeps_every_edge(objects: list[KubeObject]) -> None:
    graph = build_graph(objects)
    place = {item.ref: i for i, item in enumerate(graph.in_order())}
    level = {ref: i for i, refs in enumerate(graph.levels()) for ref in refs}
    assert len(place) == len(level) == len(objects)
    for edge in graph.edges:
        if GATE_GROUP not in {edge.source.group, edge.target.group}:
            assert place[edge.target] < place[edge.source]
            assert level[edge.target] < level[edge.source]
            assert edge.target in before(graph, edge.source)


def test_every_guarded_object_comes_after_all_that_makes_its_webhook_answer(objects: list[KubeObject]) -> None:
    graph = build_graph(objects)
    gates = [gate for gate in graph.gates if isinstance(gate, WebhookAnswers)]
    assert gates
    for gate in gates:
        behind = {edge.target for edge in graph.edges if edge.source == gate_of(gate.configuration)}
        assert {gate.configuration, *gate.workloads} <= behind <= before(graph, gate.at)
        assert gate in (*graph.gates_before(gate.at), *graph.pod_gates_before(gate.at))


def test_dependencies_are_reduced(objects: list[KubeObject]) -> None:
    graph = build_graph(objects)
    for item in graph.objects:
        direct = graph.dependencies(item.ref)
        for target in direct:
            assert not any(target in before(graph, other) for other in direct if other != target)


def test_the_issuer_comes_last_and_says_why() -> None:
    graph = build_graph(cert_manager())
    issuer = ObjectRef("cert-manager.io", "ClusterIssuer", "", "platform")
    assert graph.levels()[-1] == (issuer,)
    assert {(edge.rule, edge.target.kind) for edge in graph.why(issuer)} == {
        ("R2", "CustomResourceDefinition"),
        ("R4", "ValidatingWebhookConfiguration"),
        ("R6", "ValidatingWebhookConfiguration"),
        ("R6", "Service"),
        ("R6", "Deployment"),
        ("R7", "Deployment"),
        ("R14", "Deployment"),
        ("R14", "Secret"),
        ("R22", "Deployment"),
    }
    (gate,) = graph.gates_before(issuer)
    assert (gate.webhooks, gate.authority, gate.refusing) == (("webhook.cert-manager.io",), "injected", True)
    assert gate.workloads == (ObjectRef("apps", "Deployment", "cert-manager", "cert-manager-webhook"),)
    assert graph.kinds.rest_path(graph.object(issuer)).item == "/apis/cert-manager.io/v1/clusterissuers/platform"
    after = [type(gate).__name__ for item in graph.objects for gate in graph.gates_after(item.ref)]
    assert (after.count("CrdEstablished"), after.count("WorkloadReady")) == (6, 3)


def test_a_cycle_is_told_edge_by_edge_with_its_rules() -> None:
    # A webhook for ConfigMaps whose backend reads a ConfigMap: a real deadlock, seen in the wild.
    objects = [
        namespace("n"),
        obj("v1", "ConfigMap", "c", "n"),
        service("w", "n", app="w"),
        deployment("w", "n", volumes=[{"name": "v", "configMap": {"name": "c"}}]),
        webhook("w", groups=("",), resources=("configmaps",), where="n"),
    ]
    with pytest.raises(OrderingError) as caught:
        build_graph(objects)
    assert caught.value.problems[0].found.splitlines() == [
        "ConfigMap n/c -> ValidatingWebhookConfiguration.gate w [R4, hard] webhook w.io looks at it",
        "ValidatingWebhookConfiguration.gate w -> Deployment.apps n/w [R6, hard] its pods answer for Service n/w",
        "Deployment.apps n/w -> ConfigMap n/c [R12, soft] its pods read it (volume v)",
    ]


def test_questions_about_an_object_that_is_not_there() -> None:
    graph = build_graph([namespace("n")])
    stranger = ObjectRef("", "Namespace", "", "m")
    with pytest.raises(KeyError):
        graph.why(stranger)
    with pytest.raises(KeyError):
        graph.dependencies(stranger)


def test_nothing_is_in_order() -> None:
    assert build_graph([]).levels() == ()


def test_1500_objects_in_time() -> None:
    objects = generated(7, 1500)
    began = time.process_time()
    graph = build_graph(objects, ALL_RULES)
    graph.levels()
    graph.deletion_order()
    assert time.process_time() - began < 1.5
    assert len(graph.objects) >= 1500
    rules = {edge.rule for edge in graph.edges}
    assert {"R1", "R2", "R4", "R5", "R6", "R10", "R11", "R12", "R17", "R18", "R22", "R23", "R24"} <= rules
