"""The stand-ins for cert-manager, against an API server in memory: conditions, real certificates, CA injection."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from cryptography import x509

from mlops.rehearsal.controllers import issuing
from mlops.rehearsal.controllers.cainjector import Injector
from mlops.rehearsal.controllers.client import Body
from mlops.rehearsal.controllers.signing import Authority
from tests.rehearsal.controllers.memory_api import MemoryApi

ROOT = "/apis/cert-manager.io/v1"
SECRETS = "/api/v1/namespaces/{}/secrets/{}"
WEBHOOK = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/w"


def encoded(**data: str) -> dict[str, str]:
    return {key.replace("_", "."): base64.b64encode(value.encode()).decode() for key, value in data.items()}


def decoded(secret: Body | None, key: str) -> str:
    assert secret is not None
    return base64.b64decode(secret["data"][key]).decode()


@pytest.fixture
def chain() -> tuple[Authority, Authority]:
    """Root and intermediate; the intermediate's chain ends with the root, as the issuing CA's Secret holds it."""
    root = Authority.new("root")
    issued = root.issue(common_name="intermediate", authority=True)
    secret = {"data": encoded(tls_crt=issued.chain + root.root, tls_key=issued.key)}
    return root, Authority.from_secret(secret)


@pytest.fixture
def api(chain: tuple[Authority, Authority]) -> MemoryApi:
    _, intermediate = chain
    api = MemoryApi()
    api.put(SECRETS.format("cert-manager", "ca"), {"data": encoded(tls_crt=intermediate.certificates, tls_key=intermediate.key)})
    api.put(f"{ROOT}/clusterissuers/i", {"spec": {"ca": {"secretName": "ca"}}, "metadata": {"generation": 1}})
    return api


def ready(api: MemoryApi, path: str) -> tuple[str, str, str]:
    (condition,) = api.objects[path]["status"]["conditions"]
    return condition["status"], condition["reason"], condition["message"]


def test_issuer_with_a_ca(api: MemoryApi) -> None:
    issuing.act(api)
    assert ready(api, f"{ROOT}/clusterissuers/i") == ("True", "KeyPairVerified", "Signing CA verified")
    issuing.act(api)
    assert api.writes == [f"patch {ROOT}/clusterissuers/i/status"]


@pytest.mark.parametrize(
    ("data", "reason", "message"),
    [
        (None, "ErrGetKeyPair", 'secrets "ca" not found'),
        ({}, "ErrGetKeyPair", "no data for 'tls.crt' in secret"),
        (encoded(tls_crt="x", tls_key="x"), "ErrGetKeyPair", "error decoding"),
        ("leaf", "ErrInvalidKeyPair", "certificate is not a CA"),
        ("foreign key", "ErrGetKeyPair", "do not belong together"),
    ],
)
def test_issuer_without_a_usable_ca(
    data: dict[str, str] | str | None, reason: str, message: str, api: MemoryApi, chain: tuple[Authority, Authority]
) -> None:
    path = SECRETS.format("cert-manager", "ca")
    root, intermediate = chain
    leaf = root.issue(common_name="leaf")
    if data is None:
        del api.objects[path]
    else:
        foreign = encoded(tls_crt=intermediate.certificates, tls_key=leaf.key)
        named = {"leaf": encoded(tls_crt=leaf.chain, tls_key=leaf.key), "foreign key": foreign}
        api.objects[path]["data"] = named[data] if isinstance(data, str) else data
    issuing.act(api)
    status, why, text = ready(api, f"{ROOT}/clusterissuers/i")
    assert (status, why) == ("False", reason)
    assert message in text


def test_a_namespaced_issuer_reads_its_own_namespace(api: MemoryApi) -> None:
    api.put(f"{ROOT}/namespaces/n/issuers/j", {"spec": {"ca": {"secretName": "ca"}}})
    issuing.act(api)
    assert ready(api, f"{ROOT}/namespaces/n/issuers/j")[1] == "ErrGetKeyPair"


SPEC = {
    "secretName": "tls",
    "issuerRef": {"kind": "ClusterIssuer", "name": "i"},
    "dnsNames": ["a.example"],
    "ipAddresses": ["10.0.0.1"],
}
CERTIFICATE = f"{ROOT}/namespaces/n/certificates/c"


def test_a_certificate_is_issued_by_the_ca(api: MemoryApi, chain: tuple[Authority, Authority]) -> None:
    root, intermediate = chain
    api.put(CERTIFICATE, {"spec": {**SPEC, "duration": "48h", "privateKey": {"algorithm": "ECDSA"}}, "metadata": {"generation": 3}})
    issuing.act(api)
    secret = api.get(SECRETS.format("n", "tls"))
    leaf, *above = x509.load_pem_x509_certificates(decoded(secret, "tls.crt").encode())
    assert [c.subject.rfc4514_string() for c in above] == ["CN=intermediate"]
    assert decoded(secret, "ca.crt") == root.root
    assert intermediate.signed(leaf)
    assert leaf.not_valid_after_utc - dt.datetime.now(dt.UTC) < dt.timedelta(hours=49)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example"]
    assert decoded(secret, "tls.key").startswith("-----BEGIN EC PRIVATE KEY")
    assert ready(api, CERTIFICATE)[:2] == ("True", "Ready")
    assert api.objects[CERTIFICATE]["status"]["notAfter"].endswith("Z")
    writes = len(api.writes)
    issuing.act(api)
    assert len(api.writes) == writes


def test_changed_names_and_a_changed_ca_issue_anew(api: MemoryApi) -> None:
    api.put(CERTIFICATE, {"spec": SPEC})
    issuing.act(api)
    first = decoded(api.get(SECRETS.format("n", "tls")), "tls.crt")
    api.objects[CERTIFICATE]["spec"] = {**SPEC, "dnsNames": ["b.example"]}
    issuing.act(api)
    second = decoded(api.get(SECRETS.format("n", "tls")), "tls.crt")
    other = Authority.new("other")
    api.put(SECRETS.format("cert-manager", "ca"), {"data": encoded(tls_crt=other.certificates, tls_key=other.key)})
    issuing.act(api)
    third = decoded(api.get(SECRETS.format("n", "tls")), "tls.crt")
    assert len({first, second, third}) == 3
    assert other.signed(x509.load_pem_x509_certificate(third.encode()))


def test_a_certificate_waits_for_its_issuer(api: MemoryApi) -> None:
    api.put(CERTIFICATE, {"spec": {**SPEC, "issuerRef": {"name": "missing"}}})
    issuing.act(api)
    assert ready(api, CERTIFICATE)[:2] == ("False", "DoesNotExist")
    assert api.get(SECRETS.format("n", "tls")) is None


def test_a_certificate_may_sign_itself_and_others(api: MemoryApi) -> None:
    api.put(f"{ROOT}/clusterissuers/self", {"spec": {"selfSigned": {}}})
    spec = {"secretName": "own", "isCA": True, "commonName": "own", "issuerRef": {"kind": "ClusterIssuer", "name": "self"}}
    api.put(CERTIFICATE, {"spec": {**spec, "privateKey": {"algorithm": "Ed25519"}}})
    issuing.act(api)
    secret = api.get(SECRETS.format("n", "own"))
    assert secret is not None
    own = Authority.from_secret(secret)
    assert own.signed(own.chain[0])
    assert decoded(secret, "ca.crt") == decoded(secret, "tls.crt")


def webhook(api: MemoryApi, annotation: str, value: str) -> None:
    hooks = [{"name": name, "clientConfig": {"service": {"name": "s"}}} for name in ("a", "b")]
    api.put(WEBHOOK, {"metadata": {"annotations": {f"cert-manager.io/{annotation}": value}}, "webhooks": hooks})


def bundles(api: MemoryApi) -> list[str | None]:
    return [hook["clientConfig"].get("caBundle") for hook in api.objects[WEBHOOK]["webhooks"]]


def test_injection_from_a_secret_that_allows_it() -> None:
    api = MemoryApi()
    webhook(api, "inject-ca-from-secret", "n/s")
    Injector().act(api)
    api.put(SECRETS.format("n", "s"), {"data": {"ca.crt": "QUE="}})
    Injector().act(api)
    assert bundles(api) == [None, None]
    api.objects[SECRETS.format("n", "s")]["metadata"]["annotations"] = {"cert-manager.io/allow-direct-injection": "true"}
    Injector().act(api)
    Injector().act(api)
    assert bundles(api) == ["QUE=", "QUE="]
    assert api.objects[WEBHOOK]["webhooks"][0]["clientConfig"]["service"] == {"name": "s"}
    assert api.writes == [f"patch {WEBHOOK}"]


def test_injection_from_a_certificate_and_from_the_api_server() -> None:
    api = MemoryApi()
    webhook(api, "inject-ca-from", "n/c")
    api.put(CERTIFICATE, {"spec": {"secretName": "tls"}})
    Injector().act(api)
    assert bundles(api) == [None, None]
    api.put(SECRETS.format("n", "tls"), {"data": {"ca.crt": "Qg=="}})
    Injector().act(api)
    assert bundles(api) == ["Qg==", "Qg=="]
    webhook(api, "inject-apiserver-ca", "true")
    Injector().act(api)
    assert bundles(api) == [base64.b64encode(api.authority.encode()).decode()] * 2


def test_injection_into_a_conversion_webhook() -> None:
    api = MemoryApi()
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.g.io"
    annotations = {"cert-manager.io/inject-apiserver-ca": "true"}
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": "s"}}}}
    api.put(path, {"metadata": {"annotations": annotations}, "spec": {"conversion": conversion}})
    Injector().act(api)
    assert api.objects[path]["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"]
