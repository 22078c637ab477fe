"""Each rule on the smallest set of objects that shows it."""

from __future__ import annotations

from typing import Any

import pytest

from mlops.ordering import KubeObject, build_graph
from tests.ordering.objects_for_tests import ADMISSION, crd, deployment, namespace, obj, service, webhook

Edges = set[tuple[str, str, str]]


def edges(*objects: KubeObject, rule: str = "") -> Edges:
    return {(str(e.source), str(e.target), e.strength.name) for e in build_graph(objects).edges if e.rule == rule}


def test_r1_namespace() -> None:
    assert edges(namespace("n"), obj("v1", "Secret", "s", "n"), obj("v1", "Secret", "s", "elsewhere"), rule="R1") == {
        ("Secret n/s", "Namespace n", "HARD")
    }


def test_r2_definition() -> None:
    found = edges(crd("g.io", "Thing"), obj("g.io/v1beta1", "Thing", "t", "n"), obj("h.io/v1", "Thing", "t", "n"), rule="R2")
    assert found == {("Thing.g.io n/t", "CustomResourceDefinition.apiextensions.k8s.io things.g.io", "HARD")}


THING = obj("g.io/v1", "Thing", "t", "n", meta={"labels": {"l": "1"}})


@pytest.mark.parametrize(
    ("change", "strength"),
    [
        ({}, "HARD"),
        ({"failurePolicy": None}, "HARD"),
        ({"failurePolicy": "Ignore"}, "SILENT"),
        ({"groups": ("*",)}, "HARD"),
        ({"groups": ("h.io",)}, ""),
        ({"resources": ("*",)}, "HARD"),
        ({"resources": ("*/*",)}, "HARD"),
        ({"resources": ("things/*",)}, "HARD"),
        ({"resources": ("things/status",)}, ""),
        ({"resources": ("others",)}, ""),
        ({"rule": {"operations": ["UPDATE"]}}, "HARD"),
        ({"rule": {"operations": ["*"]}}, "HARD"),
        ({"rule": {"operations": ["DELETE", "CONNECT"]}}, ""),
        ({"rule": {"scope": "Cluster"}}, ""),
        ({"rule": {"scope": "Namespaced"}}, "HARD"),
        ({"rule": {"apiVersions": ["v2"]}}, "HARD"),
        ({"rule": {"apiVersions": ["v2"]}, "matchPolicy": "Exact"}, ""),
        ({"rule": {"apiVersions": ["*"]}, "matchPolicy": "Exact"}, "HARD"),
        ({"objectSelector": {"matchLabels": {"l": "1"}}}, "HARD"),
        ({"objectSelector": {"matchLabels": {"l": "2"}}}, ""),
        ({"objectSelector": {"matchExpressions": [{"key": "l", "operator": "DoesNotExist"}]}}, ""),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, "HARD"),
        ({"namespaceSelector": {"matchLabels": {"team": "b"}}}, ""),
        ({"namespaceSelector": {"matchExpressions": [{"key": "off", "operator": "Exists"}]}}, ""),
        ({"namespaceSelector": {"matchExpressions": [{"key": "off", "operator": "NotIn", "values": ["true"]}]}}, "HARD"),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "n"}}}, "HARD"),
        ({"matchConditions": [{"name": "x", "expression": "false"}]}, "HARD"),  # not evaluated: may match
    ],
)
def test_r4_guarded(change: dict[str, Any], strength: str) -> None:
    found = edges(namespace("n", team="a"), crd("g.io", "Thing"), THING, webhook("w", **change), rule="R4")
    assert found == ({("Thing.g.io n/t", "ValidatingWebhookConfiguration.gate w", strength)} if strength else set())


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"matchLabels": {"team": "a"}}, True),  # unknown labels: may match
        ({"matchExpressions": [{"key": "off", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"kubernetes.io/metadata.name": "other"}}, False),
    ],
)
def test_r4_namespace_outside_the_set(selector: dict[str, Any], *, expected: bool) -> None:
    assert bool(edges(crd("g.io", "Thing"), THING, webhook("w", namespaceSelector=selector), rule="R4")) is expected


def test_r4_a_namespace_is_matched_by_its_own_labels_and_other_cluster_wide_objects_always() -> None:
    selector = {"matchLabels": {"team": "a"}}
    hook = webhook("w", groups=("", "g.io"), resources=("*",), namespaceSelector=selector)
    objects = [
        namespace("n", team="a"),
        namespace("m", team="b"),
        crd("g.io", "Wide", scope="Cluster"),
        obj("g.io/v1", "Wide", "x"),
    ]
    assert {source for source, *_ in edges(*objects, hook, rule="R4")} == {"Namespace n", "Wide.g.io x"}


def test_r4_admission_configurations_are_never_guarded() -> None:
    hook = webhook("w", groups=("*",), resources=("*/*",))
    other = obj(ADMISSION, "MutatingWebhookConfiguration", "m", webhooks=[])
    assert edges(hook, other, rule="R4") == set()


def test_r4_a_kind_without_crd_may_match() -> None:
    assert edges(THING, webhook("w", resources=("others",)), rule="R4") != set()


def test_r6_backend_by_service_selector() -> None:
    objects = [
        webhook("w"),
        service("w", "hooks", app="w"),
        deployment("w", "hooks", labels={"app": "w", "more": "1"}),
        deployment("other", "hooks"),
        deployment("w", "elsewhere"),
    ]
    gate = "ValidatingWebhookConfiguration.gate w"
    assert edges(*objects, rule="R6") == {
        (gate, "ValidatingWebhookConfiguration.admissionregistration.k8s.io w", "HARD"),
        (gate, "Service hooks/w", "HARD"),
        (gate, "Deployment.apps hooks/w", "HARD"),
    }


def test_r6_a_service_without_selector_and_a_url_have_no_workload() -> None:
    manual = [webhook("w"), obj("v1", "Service", "w", "hooks", spec={}), deployment("w", "hooks")]
    assert not [e for e in edges(*manual, rule="R6") if "Deployment" in e[1]]
    entry = {"name": "u", "clientConfig": {"url": "https://x"}, "sideEffects": "None"}
    outside = obj(ADMISSION, "ValidatingWebhookConfiguration", "u", webhooks=[entry])
    assert len(edges(outside, rule="R6")) == 1


INJECTOR = deployment("ci", "cm", labels={"app.kubernetes.io/name": "cainjector", "app.kubernetes.io/component": "cainjector"})


@pytest.mark.parametrize(
    ("annotations", "source"),
    [
        ({"cert-manager.io/inject-ca-from": "hooks/c"}, "Certificate.cert-manager.io hooks/c"),
        ({"cert-manager.io/inject-ca-from-secret": "hooks/s"}, "Secret hooks/s"),
        ({"cert-manager.io/inject-apiserver-ca": "true"}, ""),
    ],
)
def test_r7_injected(annotations: dict[str, str], source: str) -> None:
    objects = [
        webhook("w", meta={"annotations": annotations}),
        service("w", "hooks", app="w"),
        deployment("w", "hooks"),
        INJECTOR,
        obj("cert-manager.io/v1", "Certificate", "c", "hooks"),
        obj("v1", "Secret", "s", "hooks"),
    ]
    gate, configuration = "ValidatingWebhookConfiguration.gate w", "ValidatingWebhookConfiguration.admissionregistration.k8s.io w"
    expected = {(gate, "Deployment.apps cm/ci", "HARD"), (configuration, "Deployment.apps hooks/w", "SOFT")}
    assert edges(*objects, rule="R7") == expected | ({(gate, source, "HARD")} if source else set())


def test_r8_a_backend_that_patches_its_own_configuration_has_no_edge_to_it() -> None:
    objects = [webhook("w"), service("w", "hooks", app="w"), deployment("w", "hooks"), INJECTOR, crd("g.io", "Thing"), THING]
    graph = build_graph(objects)
    assert not [e for e in graph.edges if e.rule == "R7"]
    (gate,) = graph.gates_before(THING.ref)
    assert gate.authority == "self"
    given = webhook("w", clientConfig={"service": {"name": "w", "namespace": "hooks"}, "caBundle": "eA=="})
    (gate,) = build_graph([given, THING]).gates_before(THING.ref)
    assert gate.authority == "given"


def test_r10_and_r11_accounts_and_rights() -> None:
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "a", "namespace": "n"}
    objects = [
        obj("v1", "ServiceAccount", "a", "n"),
        obj("v1", "ServiceAccount", "default", "n"),
        deployment("d", "n", serviceAccountName="a"),
        deployment("e", "n"),
        obj(f"{rbac}/v1", "Role", "r", "n"),
        obj(f"{rbac}/v1", "ClusterRole", "r"),
        obj(f"{rbac}/v1", "RoleBinding", "b", "n", roleRef={"kind": "Role", "name": "r"}, subjects=[subject]),
        obj(f"{rbac}/v1", "ClusterRoleBinding", "b", roleRef={"kind": "ClusterRole", "name": "r"}, subjects=[subject]),
        obj(
            f"{rbac}/v1",
            "RoleBinding",
            "u",
            "n",
            roleRef={"kind": "ClusterRole", "name": "r"},
            subjects=[{"kind": "User", "name": "a"}],
        ),
    ]
    assert edges(*objects, rule="R10") == {
        ("Deployment.apps n/d", "ServiceAccount n/a", "SOFT"),
        ("Deployment.apps n/e", "ServiceAccount n/default", "SOFT"),
    }
    assert edges(*objects, rule="R11") == {
        (f"RoleBinding.{rbac} n/b", f"Role.{rbac} n/r", "SOFT"),
        (f"RoleBinding.{rbac} n/u", f"ClusterRole.{rbac} r", "SOFT"),
        (f"ClusterRoleBinding.{rbac} b", f"ClusterRole.{rbac} r", "SOFT"),
        ("Deployment.apps n/d", f"RoleBinding.{rbac} n/b", "SOFT"),
        ("Deployment.apps n/d", f"ClusterRoleBinding.{rbac} b", "SOFT"),
    }


def test_r12_everything_a_pod_reads() -> None:
    names = ["v", "p", "ef", "e"]
    objects = [obj("v1", kind, name, "n") for kind in ("ConfigMap", "Secret") for name in names]
    objects.append(obj("v1", "Secret", "pull", "n"))
    pod: dict[str, Any] = {
        "imagePullSecrets": [{"name": "pull"}],
        "volumes": [
            {"name": "1", "configMap": {"name": "v"}},
            {"name": "2", "secret": {"secretName": "v"}},
            {"name": "3", "projected": {"sources": [{"configMap": {"name": "p"}}, {"secret": {"name": "p"}}]}},
            {"name": "4", "emptyDir": {}},
        ],
        "initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "ef"}}, {"secretRef": {"name": "ef"}}]}],
        "containers": [
            {
                "name": "c",
                "env": [
                    {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "e", "key": "k"}}},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "e", "key": "k"}}},
                    {"name": "C", "value": "x"},
                ],
            }
        ],
    }
    found = {target for _, target, _ in edges(*objects, deployment("d", "n", **pod), rule="R12")}
    assert found == {str(item.ref) for item in objects}


def test_r12_optional_references_bind_nobody() -> None:
    volumes = [
        {"name": "1", "configMap": {"name": "v", "optional": True}},
        {"name": "2", "secret": {"secretName": "v", "optional": True}},
    ]
    assert (
        edges(obj("v1", "ConfigMap", "v", "n"), obj("v1", "Secret", "v", "n"), deployment("d", "n", volumes=volumes), rule="R12")
        == set()
    )


@pytest.mark.parametrize(
    ("kind", "spec"), [("CronJob", "jobTemplate"), ("Job", ""), ("StatefulSet", ""), ("DaemonSet", ""), ("Pod", "")]
)
def test_every_kind_of_workload_is_seen(kind: str, spec: str) -> None:
    pod: dict[str, Any] = {"serviceAccountName": "a", "containers": []}
    if kind == "Pod":
        item = obj("v1", kind, "w", "n", spec=pod)
    else:
        inner = {"template": {"spec": pod}}
        group = "batch/v1" if kind.endswith("Job") else "apps/v1"
        item = obj(group, kind, "w", "n", spec={spec: {"spec": inner}} if spec else inner)
    assert len(edges(obj("v1", "ServiceAccount", "a", "n"), item, rule="R10")) == 1


CONTROLLER_LABELS = {"app.kubernetes.io/name": "cert-manager", "app.kubernetes.io/component": "controller"}


@pytest.mark.parametrize(
    ("argument", "where"),
    [("--cluster-resource-namespace=$(POD_NAMESPACE)", "cm"), ("--cluster-resource-namespace=x", "x"), ("--v=2", "cm")],
)
def test_r14_issuers(argument: str, where: str) -> None:
    controller = deployment("c", "cm", labels=CONTROLLER_LABELS, containers=[{"name": "c", "args": [argument]}])
    objects = [
        controller,
        obj("v1", "Secret", "ca", where),
        obj("cert-manager.io/v1", "ClusterIssuer", "i", spec={"ca": {"secretName": "ca"}}),
        obj("cert-manager.io/v1", "Issuer", "j", "n", spec={"ca": {"secretName": "made"}}),
        obj(
            "cert-manager.io/v1",
            "Certificate",
            "m",
            "n",
            spec={"secretName": "made", "issuerRef": {"kind": "ClusterIssuer", "name": "i"}},
        ),
        obj("cert-manager.io/v1", "Certificate", "leaf", "n", spec={"secretName": "leaf", "issuerRef": {"name": "j"}}),
        obj("cert-manager.io/v1", "Certificate", "far", "n", spec={"issuerRef": {"name": "j", "group": "other.io"}}),
    ]
    cm = "cert-manager.io"
    assert edges(*objects, rule="R14") == {
        (f"ClusterIssuer.{cm} i", "Deployment.apps cm/c", "SOFT"),
        (f"Issuer.{cm} n/j", "Deployment.apps cm/c", "SOFT"),
        (f"ClusterIssuer.{cm} i", f"Secret {where}/ca", "SOFT"),
        (f"Issuer.{cm} n/j", f"Certificate.{cm} n/m", "SOFT"),
        (f"Certificate.{cm} n/m", f"ClusterIssuer.{cm} i", "SOFT"),
        (f"Certificate.{cm} n/leaf", f"Issuer.{cm} n/j", "SOFT"),
    }
