"""Gates as data, and what is told about objects that cannot work or cannot be known."""

from __future__ import annotations

from typing import Any

import pytest

from mlops.ordering import (
    ApiServiceAvailable,
    CaBundlePresent,
    ConditionReady,
    CrdEstablished,
    KubeObject,
    NamespaceMade,
    OrderingError,
    WorkloadReady,
    build_graph,
)
from tests.ordering.objects_for_tests import ADMISSION, crd, deployment, namespace, obj, service, webhook

THING = obj("g.io/v1", "Thing", "t", "n")


@pytest.mark.parametrize(
    ("item", "gate"),
    [
        (crd("g.io", "Thing"), CrdEstablished),
        (deployment("d", "n"), WorkloadReady),
        (obj("batch/v1", "Job", "j", "n"), WorkloadReady),
        (obj("apiregistration.k8s.io/v1", "APIService", "v1.m.io", spec={"group": "m.io", "version": "v1"}), ApiServiceAvailable),
        (obj("cert-manager.io/v1", "Certificate", "c", "n"), ConditionReady),
        (obj("cert-manager.io/v1", "Issuer", "i", "n"), ConditionReady),
        (obj("cert-manager.io/v1", "ClusterIssuer", "i"), ConditionReady),
        (obj("kubeflow.org/v1", "Profile", "user"), NamespaceMade),
        (obj("v1", "ConfigMap", "c", "n"), None),
        (obj("batch/v1", "CronJob", "c", "n"), None),
    ],
)
def test_gates_after_an_object(item: KubeObject, gate: type | None) -> None:
    gates = build_graph([item]).gates_after(item.ref)
    assert [type(g) for g in gates] == ([gate] if gate else [])
    assert all(g.reason for g in gates)


def test_a_namespace_that_is_written_is_not_waited_for_twice() -> None:
    profile = obj("kubeflow.org/v1", "Profile", "user")
    assert not build_graph([profile, namespace("user")]).gates_after(profile.ref)
    (gate,) = build_graph([profile]).gates_after(profile.ref)
    assert isinstance(gate, NamespaceMade)
    assert gate.namespace == "user"


BEHIND = [service("w", "hooks", app="w"), deployment("w", "hooks")]


@pytest.mark.parametrize(
    ("change", "authority"),
    [
        ({}, "self"),
        ({"meta": {"annotations": {"cert-manager.io/inject-apiserver-ca": "true"}}}, "injected"),
        ({"clientConfig": {"service": {"name": "w", "namespace": "hooks"}, "caBundle": "eA=="}}, "given"),
        ({"clientConfig": {"url": "https://x"}}, "given"),
    ],
)
def test_the_ca_of_a_webhook_is_waited_for_where_somebody_puts_it_there(change: dict[str, Any], authority: str) -> None:
    graph = build_graph([crd("g.io", "Thing"), THING, webhook("w", **change), *BEHIND])
    (answer,) = graph.gates_before(THING.ref)
    assert answer.authority == authority
    bundles = graph.bundles_before(THING.ref)
    assert [(type(b), b.configuration, b.webhooks, b.authority) for b in bundles] == (
        [] if authority == "given" else [(CaBundlePresent, answer.configuration, ("w.io",), authority)]
    )
    assert not graph.gates_after(THING.ref)


def test_pods_are_probed_by_a_pod_and_the_workload_is_not() -> None:
    hook = webhook("w", groups=("",), resources=("pods",), failurePolicy="Ignore")
    item = deployment("d", "n", labels={"l": "1"}, serviceAccountName="a")
    graph = build_graph([namespace("n"), hook, item, *BEHIND])
    assert not graph.gates_before(item.ref)
    (gate,) = graph.pod_gates_before(item.ref)
    assert (gate.probe, gate.refusing, gate.at) == ("its pods", False, item.ref)
    pod = graph.pod_of(item.ref)
    assert (pod.kind, pod.namespace, dict(pod.labels), pod.spec["serviceAccountName"]) == ("Pod", "n", {"l": "1"}, "a")
    with pytest.raises(KeyError):
        graph.pod_of(hook.ref)


@pytest.mark.parametrize(
    ("said", "fine"), [("None", True), ("NoneOnDryRun", True), ("Some", False), ("Unknown", False), (None, False)]
)
def test_a_webhook_with_side_effects_on_a_dry_run_is_refused_by_name(said: str | None, *, fine: bool) -> None:
    hook = webhook("w", sideEffects=said)
    if said is None:
        del hook.body["webhooks"][0]["sideEffects"]
    if fine:
        build_graph([hook])
    else:
        with pytest.raises(OrderingError, match=r"webhook w\.io of ValidatingWebhookConfiguration.* w \(test w\)"):
            build_graph([hook])


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        ([obj("g.io/v1", "Thing", "a", "n"), obj("g.io/v1", "Thing", "b", "n")], "Thing.g.io n/a (test a) and 1 more"),
        ([webhook("w")], "no such Service among the objects"),
        ([webhook("w"), service("w", "hooks", app="x")], "its selector {'app': 'x'} selects no workload"),
        ([webhook("w"), service("w", "hooks")], "a Service without selector"),
        (
            [webhook("w"), *BEHIND, deployment("v", "hooks", labels={"app": "w"})],
            "selects Deployment.apps hooks/v, Deployment.apps hooks/w",
        ),
        ([webhook("w", meta={"annotations": {"cert-manager.io/inject-ca-from": "a/b"}}), *BEHIND], "no such Certificate"),
        (
            [obj("apiregistration.k8s.io/v1", "APIService", "v1.m.io", spec={"service": {"name": "m", "namespace": "n"}})],
            "APIService.apiregistration.k8s.io v1.m.io calls Service n/m",
        ),
    ],
)
def test_what_is_missing_or_ambiguous_is_told_and_wrong_in_a_whole(objects: list[KubeObject], told: str) -> None:
    graph = build_graph(objects)
    assert told in "\n".join(map(str, graph.findings))
    with pytest.raises(OrderingError, match="the objects are no whole"):
        graph.require_complete()


def test_a_whole_has_no_findings() -> None:
    objects = [namespace("n"), namespace("hooks"), crd("g.io", "Thing"), THING, webhook("w"), *BEHIND]
    build_graph(objects).require_complete()


def test_a_webhook_at_a_url_has_no_service_to_miss() -> None:
    entry = {"name": "u.io", "sideEffects": "None", "clientConfig": {"url": "https://x"}, "rules": [{"operations": []}]}
    hook = obj(ADMISSION, "MutatingWebhookConfiguration", "u", webhooks=[entry])
    assert build_graph([hook]).findings == ()
