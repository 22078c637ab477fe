"""Gates read the API server's answers, ask in a sensible order, wait within bounds, and tell what was not there."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, cast

import pytest

from components.gates import needs_of
from components.gates import questions as asking
from components.gates.answer import judge
from components.gates.api import NOT_REACHED, Api, Reply
from components.gates.needs import Needs
from components.gates.questions import GateError, prove, questions
from mlops.ordering import Graph, KubeObject, ObjectRef, build_graph, parse_documents
from tests.components.guard import guard

GUARDED = """
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: pods}
webhooks:
- name: pods.guard.example.org
  clientConfig: {service: {name: guard, namespace: guard}}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  sideEffects: None
  admissionReviewVersions: [v1]
---
apiVersion: example.org/v1
kind: Thing
metadata: {name: one}
---
apiVersion: v1
kind: Namespace
metadata: {name: other}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: other}
spec:
  selector: {matchLabels: {app: app}}
  template: {metadata: {labels: {app: app}}, spec: {containers: [{name: app, image: app}]}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: profiles.kubeflow.org}
spec:
  group: kubeflow.org
  scope: Cluster
  names: {plural: profiles, kind: Profile}
  versions: [{name: v1, served: true, storage: true}]
---
apiVersion: kubeflow.org/v1
kind: Profile
metadata: {name: someone}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: inside, namespace: someone}
"""
THING, APP = ObjectRef("example.org", "Thing", "", "one"), ObjectRef("apps", "Deployment", "other", "app")
INSIDE = ObjectRef("", "ConfigMap", "someone", "inside")
THINGS, PODS = "/apis/example.org/v1/things", "/api/v1/namespaces/other/pods"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/guard"
POD_CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/pods"
CALL = 'failed calling webhook "things.guard.example.org": failed to call webhook: Post "https://guard.guard.svc:443/": '


def graph(replicas: int = 1) -> Graph:
    return build_graph(parse_documents(guard(replicas=replicas) + GUARDED, origin="test"))


def needs(ref: ObjectRef, replicas: int = 1) -> tuple[Needs, KubeObject]:
    whole = graph(replicas)
    found = needs_of(whole, whole.object(ref))
    assert found is not None
    return found, whole.object(ref)


def configuration(name: str, bundle: str) -> Reply:
    return Reply(status=200, body={"webhooks": [{"name": name, "clientConfig": {"caBundle": bundle} if bundle else {}}]})


class Answers:
    """An API server that answers from a list for each path; the last answer holds."""

    def __init__(self, answers: Mapping[str, list[Reply]]) -> None:
        self.left = {path: list(replies) for path, replies in answers.items()}
        self.asked: list[tuple[str, Any]] = []

    def get(self, path: str) -> Reply:
        return self._next(path, None)

    def dry_run(self, path: str, body: Any) -> Reply:
        return self._next(path, body)

    def _next(self, path: str, body: Any) -> Reply:
        self.asked.append((path, body))
        replies = self.left.get(path, [Reply(status=404, reason="NotFound", message="not found")])
        return replies.pop(0) if len(replies) > 1 else replies[0]


OK = Reply(status=201)
DOWN = Reply(status=500, reason="InternalError", message=CALL + "connect: connection refused")


def run(api: Answers, ref: ObjectRef, *, replicas: int = 1, deadline: float = 5) -> list[str]:
    found, item = needs(ref, replicas)
    # not asyncio.run, which takes the thread's loop away from the tests after this one
    with closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(prove(cast("Api", api), found, item.body, deadline_seconds=deadline))
    return [path for path, _ in api.asked]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "POLL_SECONDS", 0.01)


@pytest.mark.parametrize(
    ("status", "message", "reason", "expected"),
    [
        (201, "", "", "passed"),
        (409, 'things.example.org "one" already exists', "AlreadyExists", "passed"),
        (403, 'pods "x" is forbidden: exceeded quota: q', "Forbidden", "passed"),
        (500, CALL + "dial tcp 10.0.0.1:443: connect: connection refused", "InternalError", "again: refused"),
        (500, CALL + 'service "guard" not found', "InternalError", "again: no service"),
        (500, CALL + 'no endpoints available for service "guard"', "InternalError", "again: no endpoint"),
        (500, CALL + "tls: failed to verify certificate: x509: unknown authority", "InternalError", "again: x509"),
        (500, CALL + "context deadline exceeded", "InternalError", "again: no answer"),
        (500, CALL + "the server rejected our request", "InternalError", "again: failed"),
        (403, 'admission webhook "w" denied the request: no', "Forbidden", "final: denied"),
        (500, 'admission webhook "w" denied the request: cache not synced', "InternalError", "again: denied"),
        (
            403,
            'pods "x" is forbidden: error looking up service account n/a: serviceaccount "a" not found',
            "Forbidden",
            "again: no service account",
        ),
        (403, 'pods "x" is forbidden: no PriorityClass with name p was found', "Forbidden", "again: no priority class"),
        (403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot', "Forbidden", "final: PodSecurity"),
        (
            403,
            'pods "x" is forbidden: unable to create new content in namespace n because it is being terminated',
            "Forbidden",
            "again: namespace ends",
        ),
        (403, 'User "u" cannot create resource "things"', "Forbidden", "final: Forbidden"),
        (404, "the server could not find the requested resource", "NotFound", "again: no CRD"),
        (404, 'namespaces "n" not found', "NotFound", "again: no namespace"),
        (422, "spec.x: Required value", "Invalid", "final: Invalid"),
        (429, "too many requests", "TooManyRequests", "again: TooManyRequests"),
        (0, "connection refused", NOT_REACHED, "again: API server not reached"),
    ],
)
def test_answers_are_read_by_their_cause(status: int, message: str, reason: str, expected: str) -> None:
    answer = judge(Reply(status=status, message=message, reason=reason))
    told = "passed" if answer.passed else f"{'final' if answer.final else 'again'}: {answer.cause}"
    assert told == expected


def test_an_object_that_nothing_guards_needs_nothing() -> None:
    whole = graph()
    free = {item.ref for item in whole.objects if needs_of(whole, item) is None}
    assert {item.ref for item in whole.objects} - free == {THING, APP, INSIDE}


def test_first_the_authority_then_the_webhook() -> None:
    api = Answers(
        {
            CONFIGURATION: [configuration("things.guard.example.org", ""), configuration("things.guard.example.org", "x")],
            THINGS: [DOWN, OK],
        }
    )
    assert run(api, THING) == [CONFIGURATION, CONFIGURATION, THINGS, THINGS]
    assert api.asked[-1][1]["kind"] == "Thing"


def test_webhooks_on_pods_are_asked_with_a_pod() -> None:
    api = Answers({POD_CONFIGURATION: [configuration("pods.guard.example.org", "x")], PODS: [OK]})
    assert run(api, APP) == [POD_CONFIGURATION, PODS]
    pod = api.asked[-1][1]
    assert (pod["kind"], pod["metadata"]["namespace"], pod["metadata"]["labels"]) == ("Pod", "other", {"app": "app"})


def test_an_object_in_a_namespace_that_a_controller_makes_waits_for_the_namespace() -> None:
    path = "/api/v1/namespaces/someone"
    missing = Reply(status=404, reason="NotFound", message="not found")
    ending, active = (Reply(status=200, body={"status": {"phase": phase}}) for phase in ("Terminating", "Active"))
    assert run(Answers({path: [missing, ending, active]}), INSIDE) == [path] * 3


def test_replicas_behind_the_service_want_several_answers_in_a_row() -> None:
    whole = [configuration("things.guard.example.org", "x")]
    api = Answers({CONFIGURATION: whole, THINGS: [DOWN, OK, OK, DOWN, OK, OK, OK, DOWN]})
    assert run(api, THING, replicas=2).count(THINGS) == 7
    assert run(Answers({CONFIGURATION: whole, THINGS: [OK, DOWN]}), THING).count(THINGS) == 1


def test_a_denied_object_is_not_asked_about_again() -> None:
    denied = Reply(status=403, reason="Forbidden", message='admission webhook "things.guard.example.org" denied the request: no')
    api = Answers({CONFIGURATION: [configuration("things.guard.example.org", "x")], THINGS: [denied, OK]})
    with pytest.raises(GateError, match="mend the object"):
        run(api, THING)
    assert [path for path, _ in api.asked].count(THINGS) == 1


def test_the_gate_gives_up_at_its_deadline_and_tells_what_stands_behind_the_webhook() -> None:
    endpoints = "/apis/discovery.k8s.io/v1/namespaces/guard/endpointslices?labelSelector=kubernetes.io/service-name=guard"
    status = {"readyReplicas": 0, "conditions": [{"type": "Available", "status": "False", "message": "no pods"}]}
    api = Answers(
        {
            CONFIGURATION: [configuration("things.guard.example.org", "x")],
            THINGS: [DOWN],
            "/api/v1/namespaces/guard/services/guard": [OK],
            endpoints: [Reply(status=200, body={"items": [{"endpoints": [{"conditions": {"ready": False}}]}]})],
            "/apis/apps/v1/namespaces/guard/deployments/guard": [
                Reply(status=200, body={"spec": {"replicas": 2}, "status": status})
            ],
        }
    )
    started = time.monotonic()
    with pytest.raises(GateError) as failure:
        run(api, THING, deadline=0.2)
    assert time.monotonic() - started < 2
    for part in (
        "Thing.example.org one cannot be written",
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io guard (things.guard.example.org)",
        "rule:    things.guard.example.org of ",
        "cause:   refused: failed calling webhook",
        "Service guard/guard: 0 of 1 endpoints ready",
        "Deployment.apps guard/guard: 0 of 2 pods ready; Available False: no pods",
        "run pulumi up again",
    ):
        assert part in str(failure.value)


def test_a_missing_authority_is_told_as_such_with_who_is_to_bring_it() -> None:
    with pytest.raises(GateError, match="no CA: no caBundle in things") as failure:
        run(Answers({CONFIGURATION: [configuration("things.guard.example.org", "")]}), THING, deadline=0.05)
    assert "behind:  Deployment.apps guard/guard: not found" in str(failure.value)
    with pytest.raises(GateError, match="no configuration"):
        run(Answers({}), THING, deadline=0.05)


def test_the_pod_is_made_of_what_will_be_written() -> None:
    found, item = needs(APP)
    body = json.loads(json.dumps(item.body))
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "known at last"
    *_, last = questions(found, body)
    api = Answers({PODS: [OK]})
    last.ask(cast("Api", api))
    assert api.asked[0][1]["spec"]["containers"][0]["image"] == "known at last"


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self._say(200, {"kind": "Namespace"})

        def do_POST(self) -> None:
            seen.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self._say(422, {"kind": "Status", "reason": "Invalid", "message": "no"})

        def _say(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}", seen
    listening.shutdown()
    thread.join()
    listening.server_close()


def kubeconfig(url: str) -> str:
    return json.dumps(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {}}],
        }
    )


def test_the_client_reads_and_asks_without_storing(server: tuple[str, list[str]]) -> None:
    url, seen = server
    api = Api(kubeconfig(url), None)
    assert api.get("/api/v1/namespaces/n").body == {"kind": "Namespace"}
    assert api.dry_run("/api/v1/namespaces", {"kind": "Namespace"}) == Reply(status=422, reason="Invalid", message="no")
    assert seen == ["/api/v1/namespaces/n", "/api/v1/namespaces?dryRun=All&fieldManager=onprem-mlops-gate"]


def test_an_api_server_that_is_not_there_is_a_reply_too() -> None:
    text = kubeconfig("http://127.0.0.1:1")
    reply = Api(text, "c").get("/api")
    assert (reply.status, reply.reason) == (0, NOT_REACHED)
