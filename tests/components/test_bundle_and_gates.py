"""Bundles become resources in the graph's order; gates read the API server's answers and wait within bounds."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pulumi
import pytest
import yaml

from components import gates
from components.bundle import Bundle, BundleArgs, _successes
from components.cluster import Cluster
from components.gates import Answer, GateError, describe_failure, judge, prove
from components.outputs import LayerOutputs, export_outputs
from mlops.ordering import ObjectRef, RestPath, WebhookAnswers, build_graph, parse_documents
from tests.components.recording import Registered, Registration, record

MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: guard}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  scope: Cluster
  names: {plural: things, kind: Thing}
  versions: [{name: v1, served: true, storage: true}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: guard, namespace: guard}
spec:
  replicas: 2
  selector: {matchLabels: {app: guard}}
  template: {metadata: {labels: {app: guard}}, spec: {containers: [{name: guard, image: guard}]}}
---
apiVersion: v1
kind: Service
metadata: {name: guard, namespace: guard}
spec: {selector: {app: guard}, ports: [{port: 443}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: guard}
webhooks:
- name: things.guard.example.org
  clientConfig: {service: {name: guard, namespace: guard}}
  rules: [{apiGroups: [example.org], apiVersions: [v1], operations: [CREATE], resources: [things]}]
  sideEffects: None
  admissionReviewVersions: [v1]
---
apiVersion: example.org/v1
kind: Thing
metadata: {name: one}
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: guard}
stringData: {password: do-not-show}
"""


class _Cluster(Cluster):
    def __init__(self) -> None:
        super().__init__("onprem-mlops:cluster:Test", "cluster", {}, None)
        self._connect("cluster", pulumi.Output.secret("apiVersion: v1"), context=None, after=[])
        self.outputs = LayerOutputs()


@pytest.fixture(scope="module")
def registered() -> Registered:
    graph = build_graph(parse_documents(MANIFEST, origin="test"))
    return record(lambda: Bundle("b", BundleArgs(graph=graph, cluster=_Cluster().access)))


def test_objects_keep_their_kind_and_get_the_explicit_provider(registered: Registered) -> None:
    types = {item.name: item.type for item in registered.all if item.name.startswith("b/")}
    assert types["b/Namespace/guard"] == "kubernetes:core/v1:Namespace"
    assert types["b/Deployment/guard/guard"] == "kubernetes:apps/v1:Deployment"
    assert types["b/Thing/one"] == "kubernetes:example.org/v1:Thing"
    assert all("cluster-kubernetes" in item.provider for item in registered.all if item.name.startswith("b/"))


def test_a_guarded_object_waits_for_the_webhook_and_what_stands_behind_it(registered: Registered) -> None:
    before = registered.before("b/Thing/one")
    assert {
        "b/CustomResourceDefinition/things.example.org",
        "b/ValidatingWebhookConfiguration/guard",
        "b/Deployment/guard/guard",
        "b/Service/guard/guard",
        "b/Namespace/guard",
    } <= before


def test_only_guarded_objects_have_a_gate_and_it_holds_for_updates_too(registered: Registered) -> None:
    hooked = {item.name: item.hooks for item in registered.all if any(item.hooks.values())}
    assert set(hooked) == {"b/Thing/one"}
    assert hooked["b/Thing/one"]["before_create"] == hooked["b/Thing/one"]["before_update"] != []


def test_kinds_that_the_provider_does_not_await_are_annotated(registered: Registered) -> None:
    crd = registered.one("b/CustomResourceDefinition/things.example.org")
    assert crd.inputs["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Established"
    assert registered.one("b/Service/guard/guard").inputs["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"
    ours = {name for item in registered.all for name in annotations_of(item) if name.startswith("pulumi.com/")}
    assert ours == {"pulumi.com/waitFor", "pulumi.com/skipAwait", "pulumi.com/patchFieldManager"}


def test_every_object_has_one_field_manager_so_that_a_create_cut_short_can_be_made_again(registered: Registered) -> None:
    objects = [item for item in registered.all if item.type.startswith("kubernetes:")]
    assert {annotations_of(item)["pulumi.com/patchFieldManager"] for item in objects} == {"onprem-mlops"}


def annotations_of(item: Registration) -> dict[str, str]:
    return (item.inputs.get("metadata") or {}).get("annotations") or {}


def test_values_of_a_secret_object_are_secret(registered: Registered) -> None:
    assert registered.one("b/Secret/guard/password").secret_inputs == {"stringData"}


GATE = WebhookAnswers(
    at=ObjectRef("example.org", "Thing", "", "one"),
    configuration=ObjectRef("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "", "guard"),
    webhooks=("things.guard.example.org",),
    service=ObjectRef("", "Service", "guard", "guard"),
    workloads=(ObjectRef("apps", "Deployment", "guard", "guard"),),
    refusing=True,
    authority="given",
    reason="test",
)
CALL = 'failed calling webhook "things.guard.example.org": failed to call webhook: Post "https://guard.guard.svc:443/": '


@pytest.mark.parametrize(
    ("status", "message", "reason", "expected"),
    [
        (201, "", "", Answer(passed=True)),
        (409, 'things.example.org "one" already exists', "AlreadyExists", Answer(passed=True)),
        (500, CALL + "dial tcp 10.0.0.1:443: connect: connection refused", "InternalError", Answer(passed=False, cause="refused")),
        (500, CALL + 'service "guard" not found', "InternalError", Answer(passed=False, cause="no service")),
        (500, CALL + 'no endpoints available for service "guard"', "InternalError", Answer(passed=False, cause="no endpoint")),
        (
            500,
            CALL + "tls: failed to verify certificate: x509: unknown authority",
            "InternalError",
            Answer(passed=False, cause="x509"),
        ),
        (500, CALL + "context deadline exceeded", "InternalError", Answer(passed=False, cause="no answer")),
        (500, CALL + "the server rejected our request", "InternalError", Answer(passed=False, cause="failed")),
        (
            403,
            'admission webhook "things.guard.example.org" denied the request: no',
            "Forbidden",
            Answer(passed=False, final=True, cause="denied"),
        ),
        (403, 'User "u" cannot create resource "things"', "Forbidden", Answer(passed=False, final=True, cause="Forbidden")),
        (404, "the server could not find the requested resource", "NotFound", Answer(passed=False, cause="no CRD or namespace")),
        (422, "spec.x: Required value", "Invalid", Answer(passed=False, final=True, cause="Invalid")),
        (429, "too many requests", "TooManyRequests", Answer(passed=False, cause="TooManyRequests")),
    ],
)
def test_answers_are_read_by_their_cause(status: int, message: str, reason: str, expected: Answer) -> None:
    answer = judge(status, message, reason)
    assert (answer.passed, answer.final, answer.cause) == (expected.passed, expected.final, expected.cause)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    queue: list[Answer] = []
    monkeypatch.setattr(
        gates, "ask", lambda *_: queue.pop(0) if queue else Answer(passed=False, cause="refused", text="still down")
    )
    monkeypatch.setattr(gates, "new_client_from_config_dict", lambda *_, **__: None)
    monkeypatch.setattr(gates, "POLL_SECONDS", 0.01)
    return queue


def run_gate(needed: int, deadline: float) -> None:
    asyncio.run(prove("{}", None, GATE, RestPath("/x", "/x/one"), {}, needed=needed, deadline=deadline))


PASSED, DOWN = Answer(passed=True), Answer(passed=False, cause="refused", text="down")


def test_the_gate_wants_successes_in_a_row(answers: list[Answer]) -> None:
    answers += [DOWN, PASSED, PASSED, DOWN, PASSED, PASSED, PASSED, PASSED]
    run_gate(needed=3, deadline=5)
    assert answers == [PASSED]


def test_the_gate_gives_up_at_its_deadline_and_tells_object_webhook_backend_and_cause(answers: list[Answer]) -> None:
    started = time.monotonic()
    with pytest.raises(GateError) as failure:
        run_gate(needed=1, deadline=0.2)
    assert time.monotonic() - started < 2
    for part in (
        "Thing.example.org one",
        "guard",
        "things.guard.example.org",
        "Deployment.apps guard/guard",
        "refused: still down",
    ):
        assert part in str(failure.value)


def test_replicas_behind_the_service_want_several_answers() -> None:
    graph = build_graph(parse_documents(MANIFEST, origin="test"))
    (gate,) = graph.gates_before(ObjectRef("example.org", "Thing", "", "one"))
    assert _successes(graph, gate) == 3
    single = build_graph(parse_documents(MANIFEST.replace("replicas: 2", "replicas: 1"), origin="test"))
    assert _successes(single, gate) == 1


def test_a_denied_object_is_not_asked_about_again(answers: list[Answer]) -> None:
    answers += [Answer(passed=False, final=True, cause="denied", text="no"), PASSED]
    with pytest.raises(GateError, match="denied"):
        run_gate(needed=1, deadline=60)
    assert answers == [PASSED]


def test_the_failure_names_a_url_outside_the_cluster() -> None:
    outside = WebhookAnswers(GATE.at, GATE.configuration, GATE.webhooks, None, (), refusing=True, authority="given", reason="")
    assert "a URL outside the cluster" in describe_failure(outside, DOWN, 3)


def test_outputs_are_merged_and_a_name_is_used_once() -> None:
    one, two = LayerOutputs(versions={"a": "1"}), LayerOutputs(versions={"a": "2"})
    with pytest.raises(ValueError, match="versions"):
        record(lambda: export_outputs(ca_certificate="", kubeconfig="", layers=[one, two]))


def test_the_recorder_sees_what_yaml_says() -> None:
    """Guards the fixture itself: as many objects in the manifest as resources under the bundle."""
    graph = build_graph(parse_documents(MANIFEST, origin="test"))
    wanted: list[Any] = [item for item in yaml.safe_load_all(MANIFEST) if item]
    found = record(lambda: Bundle("c", BundleArgs(graph=graph, cluster=_Cluster().access))).all
    assert len([item for item in found if item.name.startswith("c/")]) == len(wanted)
