"""The webhook's answers, its TLS listener, and the loop that decides when it may answer."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mlops.rehearsal.controllers import reviews
from mlops.rehearsal.controllers.loop import AGAIN_SECONDS, Loop
from mlops.rehearsal.controllers.responder import Responder
from mlops.rehearsal.controllers.table import CERT_MANAGER_WEBHOOK, Controller
from mlops.rehearsal.controllers.webhook_backend import WebhookBackend
from mlops.rehearsal.site.api import ApiError
from tests.rehearsal.controllers.memory_api import MemoryApi

CERTIFICATE = {"secretName": "s", "issuerRef": {"name": "i"}, "dnsNames": ["a"]}


def review(kind: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"request": {"uid": "u", "kind": {"kind": kind}, "operation": "CREATE", "object": {"spec": spec}, **more}}


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        ("Certificate", CERTIFICATE, ""),
        ("Certificate", {**CERTIFICATE, "secretName": ""}, "spec.secretName: Required value: must be specified"),
        ("Certificate", {**CERTIFICATE, "issuerRef": {}}, "spec.issuerRef.name: Required value"),
        ("Certificate", {**CERTIFICATE, "dnsNames": []}, "at least one of commonName"),
        ("Certificate", {}, "[spec.secretName"),
        ("Issuer", {"ca": {"secretName": "x"}}, ""),
        ("Issuer", {"selfSigned": {}}, ""),
        ("ClusterIssuer", {}, "at least one issuer must be configured"),
        (
            "ClusterIssuer",
            {"ca": {"secretName": "x"}, "selfSigned": {}},
            "spec.selfSigned: Forbidden: may not specify more than one",
        ),
        ("Issuer", {"ca": {}}, "spec.ca.secretName: Required value"),
        ("Order", {}, ""),
    ],
)
def test_validation(kind: str, spec: dict[str, Any], message: str) -> None:
    response = reviews.answer(review(kind, spec), reviews.validate)["response"]
    assert response["uid"] == "u"
    assert response["allowed"] is not bool(message)
    assert message in response.get("status", {}).get("message", "")


def test_the_status_of_a_bad_object_is_not_validated() -> None:
    assert reviews.validate(review("Issuer", {}, subResource="status")["request"])["allowed"]


def test_mutation_names_the_requesting_user() -> None:
    request = review("CertificateRequest", {}, userInfo={"username": "me", "groups": ["g"]})["request"]
    patch = json.loads(base64.b64decode(reviews.mutate(request)["patch"]))
    assert patch == [
        {"op": "add", "path": "/spec/username", "value": "me"},
        {"op": "add", "path": "/spec/groups", "value": ["g"]},
    ]
    assert reviews.mutate(review("Certificate", {})["request"]) == {"allowed": True}


SERVICE = "/api/v1/namespaces/cert-manager/services/cert-manager-webhook"
SLICE = "/apis/discovery.k8s.io/v1/namespaces/cert-manager/endpointslices/x"
DEPLOYMENT = "/apis/apps/v1/namespaces/cert-manager/deployments/cert-manager-webhook"
SECRET = "/api/v1/namespaces/cert-manager/secrets/cert-manager-webhook-ca"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def responder() -> Iterator[Responder]:
    with Responder(("127.0.0.1", 0), ("127.0.0.1", 1)) as responder:
        responder.run_in_background()
        yield responder
        responder.shutdown()


@pytest.fixture
def api() -> MemoryApi:
    api = MemoryApi()
    api.put(SERVICE, {"spec": {"clusterIP": "127.0.0.1", "ports": [{"name": "https", "port": 443}]}})
    return api


def available(api: MemoryApi, *, replicas: int = 1) -> None:
    api.put(DEPLOYMENT, {"status": {"availableReplicas": replicas}})


def endpoint(api: MemoryApi, *, ready: bool = True, port: str = "https") -> None:
    metadata = {"labels": {"kubernetes.io/service-name": "cert-manager-webhook"}}
    api.put(SLICE, {"metadata": metadata, "ports": [{"name": port}], "endpoints": [{"conditions": {"ready": ready}}]})


def make_loop(api: MemoryApi, responder: Responder) -> tuple[Loop, Clock]:
    clock, backend = Clock(), WebhookBackend(CERT_MANAGER_WEBHOOK)
    entry = CERT_MANAGER_WEBHOOK
    controller = Controller("webhook", backend.act, entry.namespace, entry.workload)
    scale = 1 / controller.delay_seconds("", 1)  # so that it acts after a second
    return Loop(api, {443: responder}, [backend], [controller], delay_scale=scale, clock=clock), clock


def connect(responder: Responder) -> socket.socket:
    return socket.create_connection(("127.0.0.1", responder.server_address[1]), timeout=5)


def call(api: MemoryApi, responder: Responder, path: str = "/validate", body: object = None) -> tuple[int, dict[str, Any]]:
    authority = base64.b64decode(api.objects[SECRET]["data"]["ca.crt"]).decode()
    context = ssl.create_default_context(cadata=authority)
    name = "cert-manager-webhook.cert-manager.svc"
    with connect(responder) as plain, context.wrap_socket(plain, server_hostname=name) as stream:
        connection = http.client.HTTPConnection("webhook")
        connection.sock = stream
        connection.request("POST", path, json.dumps(body if body is not None else review("Issuer", {})))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def refused(responder: Responder) -> bool:
    try:
        with connect(responder) as plain:
            return plain.recv(1) == b"never"
    except ConnectionResetError:
        return True


def test_it_answers_only_while_a_pod_is_ready_and_its_ca_is_made(api: MemoryApi, responder: Responder) -> None:
    loop, clock = make_loop(api, responder)
    loop.turn()
    assert refused(responder)
    endpoint(api)
    available(api)
    loop.turn()  # Available, but not started yet
    assert refused(responder)
    assert SECRET not in api.objects
    clock.now += 1.1
    loop.turn()
    status, answer = call(api, responder)
    assert (status, answer["response"]["allowed"]) == (200, False)
    for state in ({"ready": False}, {"port": "metrics"}):
        endpoint(api, **state)
        loop.turn()
        assert refused(responder)
    endpoint(api)
    loop.turn()
    assert call(api, responder)[0] == 200


def test_the_ca_is_kept_over_a_restart_and_made_anew_when_it_is_gone(api: MemoryApi, responder: Responder) -> None:
    available(api)
    endpoint(api)
    seen = set()
    for _ in range(2):
        loop, clock = make_loop(api, responder)
        loop.turn()
        clock.now += 2
        loop.turn()
        seen.add(api.objects[SECRET]["data"]["ca.crt"])
        assert call(api, responder)[0] == 200
    assert len(seen) == 1
    del api.objects[SECRET]
    loop.turn()
    assert api.objects[SECRET]["data"]["ca.crt"] not in seen


def test_a_deployment_that_is_not_available_any_more_starts_its_delay_again(api: MemoryApi, responder: Responder) -> None:
    loop, clock = make_loop(api, responder)
    available(api)
    loop.turn()
    clock.now += 0.9
    available(api, replicas=0)
    loop.turn()
    available(api)
    clock.now += 0.9
    loop.turn()
    assert SECRET not in api.objects


@pytest.mark.parametrize(
    ("path", "body", "status"), [("/nothing", None, 404), ("/validate", {"no": "request"}, 400), ("/validate", [], 400)]
)
def test_nonsense_is_answered_as_such(path: str, body: object, status: int, api: MemoryApi, responder: Responder) -> None:
    available(api)
    endpoint(api)
    loop, clock = make_loop(api, responder)
    loop.turn()
    clock.now += 2
    loop.turn()
    assert call(api, responder, path, body)[0] == status


def test_the_service_kubernetes_is_relayed(api: MemoryApi) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(peer.recv(10).upper())

        thread = threading.Thread(target=echo)
        thread.start()
        with Responder(("127.0.0.1", 0), ("127.0.0.1", server.getsockname()[1])) as responder:
            responder.run_in_background()
            api.put("/api/v1/namespaces/default/services/kubernetes", {"spec": {"clusterIP": "127.0.0.1", "ports": []}})
            make_loop(api, responder)[0].turn()
            with connect(responder) as client:
                client.sendall(b"hello")
                assert client.recv(10) == b"HELLO"
            thread.join()
            responder.shutdown()


def test_a_failing_controller_does_not_stop_the_others(
    api: MemoryApi, responder: Responder, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: object) -> None:
        raise ApiError(409, "conflict")

    acted: list[object] = []
    available(api)
    entries = [
        Controller("bad", fails, "cert-manager", "cert-manager-webhook", delayed=False),
        Controller("good", acted.append, "cert-manager", "cert-manager-webhook", delayed=False),
    ]
    loop = Loop(api, {443: responder}, [], entries)
    assert loop.turn() == AGAIN_SECONDS
    loop.turn()
    assert len(acted) == 2
    assert [record.getMessage() for record in caplog.records] == ["bad: 409: conflict"]
