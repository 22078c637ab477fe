"""One definition of the end for all installers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mlops.ordering import ObjectRef, build_graph
from mlops.rehearsal.bench.readiness import Inspection, ready, unseen_pods
from mlops.rehearsal.site.api import ApiError
from tests.ordering.objects_for_tests import ADMISSION, crd, deployment, namespace, obj, service

DEPLOYMENT = ObjectRef("apps", "Deployment", "n", "d")
FULL = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


def rolled(**changes: int) -> dict[str, Any]:
    return {"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {**FULL, **changes}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"observedGeneration": 1}, False),
        ({"availableReplicas": 1}, False),
        ({"updatedReplicas": 1}, False),
        ({"replicas": 3}, False),
    ],
)
def test_a_deployment_is_ready_when_it_is_rolled_out(changes: Mapping[str, int], *, expected: bool) -> None:
    assert ready(DEPLOYMENT, rolled(**changes)) is expected


def condition(kind: str, status: str = "True") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status}]}


@pytest.mark.parametrize(
    ("ref", "status", "not_yet"),
    [
        (("batch", "Job"), condition("Complete"), {"active": 1}),
        (("cert-manager.io", "Certificate"), condition("Ready"), condition("Ready", "False")),
        (("apiextensions.k8s.io", "CustomResourceDefinition"), condition("Established"), {}),
        (("", "PersistentVolumeClaim"), {"phase": "Bound"}, {"phase": "Pending"}),
        (("", "Namespace"), {"phase": "Active"}, {"phase": "Terminating"}),
        (
            ("apps", "DaemonSet"),
            {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1},
            {"desiredNumberScheduled": 0},
        ),
        (("apps", "StatefulSet"), {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}, {"replicas": 1}),
    ],
)
def test_each_kind_has_its_own_readiness(ref: tuple[str, str], status: Mapping[str, Any], not_yet: Mapping[str, Any]) -> None:
    identity = ObjectRef(*ref, "n", "x")
    assert ready(identity, {"metadata": {}, "status": status})
    assert not ready(identity, {"metadata": {}, "status": not_yet})


def test_any_other_kind_is_ready_when_it_is_there() -> None:
    assert ready(ObjectRef("", "ConfigMap", "n", "c"), {"metadata": {}})


class FakeCluster:
    """Collections by path; 404 for what is not served."""

    def __init__(self) -> None:
        self.collections: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[str] = []

    def get(self, path: str) -> Mapping[str, Any]:
        self.asked.append(path)
        if path not in self.collections:
            raise ApiError(404, "not served")
        return {"items": self.collections[path]}


def test_an_inspection_asks_only_for_what_was_not_ready() -> None:
    graph = build_graph([namespace("n"), crd("g.io", "Thing"), obj("g.io/v1", "Thing", "t", "n"), obj("v1", "ConfigMap", "c", "n")])
    cluster = FakeCluster()
    inspection = Inspection(graph, cluster.get)
    assert len(inspection.missing()) == 4
    cluster.collections["/api/v1/namespaces"] = [{"metadata": {"name": "n"}, "status": {"phase": "Active"}}]
    cluster.collections["/api/v1/configmaps"] = [{"metadata": {"name": "c", "namespace": "elsewhere"}}]
    assert [ref.kind for ref in inspection.missing()] == ["ConfigMap", "CustomResourceDefinition", "Thing"]
    cluster.asked.clear()
    cluster.collections["/api/v1/configmaps"] = [{"metadata": {"name": "c", "namespace": "n"}}]
    established = {"metadata": {"name": "things.g.io"}, "status": {"conditions": [{"type": "Established", "status": "True"}]}}
    cluster.collections["/apis/apiextensions.k8s.io/v1/customresourcedefinitions"] = [established]
    cluster.collections["/apis/g.io/v1/things"] = [{"metadata": {"name": "t", "namespace": "n"}}]
    assert inspection.missing() == []
    assert "/api/v1/namespaces" not in cluster.asked
    cluster.collections["/api/v1/namespaces"] = []
    assert inspection.missing() == []
    assert [ref.kind for ref in inspection.everything()] == ["Namespace"]


def test_another_refusal_than_not_found_is_no_answer() -> None:
    def forbidden(_: str) -> Mapping[str, Any]:
        raise ApiError(403, "no")

    with pytest.raises(ApiError):
        Inspection(build_graph([namespace("n")]), forbidden).missing()


def test_pods_that_slipped_past_the_injector_are_found() -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    entry = {
        "name": "injector.istio.io",
        "clientConfig": {"service": {"name": "istiod", "namespace": "istio-system"}},
        "sideEffects": "None",
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"istio-injection": "enabled"}},
    }
    injector = obj(ADMISSION, "MutatingWebhookConfiguration", "istio-sidecar-injector", webhooks=[entry])
    mesh = {"istio-injection": "enabled"}
    graph = build_graph(
        [
            namespace("istio-system"),
            obj("v1", "Namespace", "n", meta={"labels": mesh}),
            deployment("istiod", "istio-system"),
            service("istiod", "istio-system", app="istiod"),
            injector,
            deployment("web", "n"),
        ]
    )

    def pod(name: str, owner: str, where: str = "n", **annotations: str) -> dict[str, Any]:
        owners = [{"kind": "ReplicaSet", "name": owner}]
        return {"metadata": {"name": name, "namespace": where, "ownerReferences": owners, "annotations": annotations}}

    pods = [
        pod("seen", "web-7d4f", **{"sidecar.istio.io/status": "{}"}),
        pod("unseen", "web-7d4f"),
        pod("unwilling", "web-7d4f", **{"sidecar.istio.io/inject": "false"}),
        pod("of-somebody-else", "users-1"),
        pod("elsewhere", "web-7d4f", "istio-system"),
    ]
    assert list(unseen_pods(graph, pods)) == ["n/unseen"]
