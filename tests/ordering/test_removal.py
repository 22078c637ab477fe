"""The order of removal: no backend goes before what it guards or works on."""

from __future__ import annotations

from mlops.ordering import KubeObject, ObjectRef, Overrides, build_graph
from mlops.ordering.rule import GATE_GROUP
from tests.ordering.objects_for_tests import crd, deployment, namespace, obj, service, webhook
from tests.ordering.test_graph import generated

RBAC = "rbac.authorization.k8s.io/v1"
ROLE = {"kind": "ClusterRole", "name": "r"}
ACCOUNT = {"kind": "ServiceAccount", "name": "a", "namespace": "n"}


def operator(*, self_injecting: bool = True, operations: tuple[str, ...] = ("CREATE", "UPDATE")) -> list[KubeObject]:
    """CRD, custom resource, controller that answers for the webhook too, its rights; and a namespace that a Profile makes."""
    annotations = {} if self_injecting else {"cert-manager.io/inject-apiserver-ca": "true"}
    return [
        namespace("n"),
        crd("g.io", "Thing"),
        obj("g.io/v1", "Thing", "t", "n"),
        webhook("w", where="n", meta={"annotations": annotations}, rule={"operations": list(operations)}),
        service("w", "n", app="w"),
        deployment("w", "n", serviceAccountName="a"),
        obj("v1", "ServiceAccount", "a", "n"),
        obj(RBAC, "ClusterRole", "r", rules=[{"apiGroups": ["g.io"], "resources": ["things/status"], "verbs": ["update"]}]),
        obj(RBAC, "ClusterRoleBinding", "b", roleRef=ROLE, subjects=[ACCOUNT]),
        obj("v1", "ConfigMap", "c", "n"),
        obj("kubeflow.org/v1", "Profile", "user"),
        obj("v1", "ConfigMap", "c", "user"),
    ]


def kinds(order: tuple[ObjectRef, ...]) -> list[str]:
    return [f"{ref.kind} {ref.namespace}" if ref.kind == "ConfigMap" else ref.kind for ref in order]


def test_users_objects_go_first_then_guard_backend_definition_rights_and_namespace() -> None:
    for self_injecting in (True, False):
        order = kinds(build_graph(operator(self_injecting=self_injecting)).deletion_order())
        assert order == [
            "ConfigMap user", "Profile", "Thing", "ValidatingWebhookConfiguration", "Deployment", "Service", "ConfigMap n",
            "CustomResourceDefinition", "ClusterRoleBinding", "ClusterRole", "ServiceAccount", "Namespace",
        ]  # fmt: skip


def test_edges_of_removal_that_creation_does_not_have() -> None:
    removal = build_graph(operator()).removal
    assert {f"{e.source.kind} -> {e.target.kind}" for e in removal.edges} == {
        "ValidatingWebhookConfiguration -> Deployment",
    }
    assert removal.kinds == ("things.g.io",)
    kinds = [crd("g.io", "Other"), crd("kubeflow.org", "Profile", scope="Cluster")]
    assert build_graph([*operator(), *kinds]).removal.kinds == ("profiles.kubeflow.org", "things.g.io")


def test_a_webhook_that_looks_at_removal_only_goes_after_what_it_looks_at() -> None:
    graph = build_graph(operator(operations=("DELETE",)))
    thing = ObjectRef("g.io", "Thing", "n", "t")
    assert not graph.gates_before(thing)
    looks = [e for e in graph.removal.edges if e.rule == "R4"]
    assert [(e.source, e.target.kind, e.strength.name) for e in looks] == [
        (thing, "ValidatingWebhookConfiguration", "HARD"),
        # the same as an edge of R22 at creation: the workload is its controller too
    ]
    order = kinds(graph.deletion_order())
    assert order.index("Thing") < order.index("ValidatingWebhookConfiguration") < order.index("Deployment")


def test_what_creation_needs_comes_before_what_removal_wishes() -> None:
    # the controller itself reads an object of the kind: it cannot go after all of them
    objects = [*operator(), obj("g.io/v1", "Thing", "own", "n")]
    text = "add: [{from: Deployment.apps n/w, to: Thing.g.io n/own, reason: it reads it at its start}]"
    unguarded = [item for item in objects if item.kind != "ValidatingWebhookConfiguration"]
    graph = build_graph(unguarded, overrides=Overrides.parse(text, origin="t"))
    order = graph.deletion_order()
    names = [f"{ref.kind} {ref.name}" for ref in order]
    assert names.index("Thing t") < names.index("Deployment w") < names.index("Thing own")


def test_removal_keeps_every_edge_of_creation_and_of_its_own() -> None:
    for seed in range(3):
        graph = build_graph(generated(seed, 150))
        place = {ref: i for i, ref in enumerate(graph.deletion_order())}
        assert len(place) == len(graph.objects)
        for edge in (*graph.edges, *graph.removal.edges):
            if GATE_GROUP not in {edge.source.group, edge.target.group}:
                assert place[edge.source] < place[edge.target]
        for gate in graph.gates:
            for workload in getattr(gate, "workloads", ()):
                assert place[gate.at] < place[workload]
