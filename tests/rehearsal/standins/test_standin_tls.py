"""Keys, requests and certificates, read back by the library and checked by openssl where it is there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509.oid import NameOID

from mlops.rehearsal.standins.tls.resources import provider
from mlops.rehearsal.standins.values import CONFIDENTIAL, SIGNATURE, UNKNOWN, reveal

KEY = "tls:index/privateKey:PrivateKey"
SELF = "tls:index/selfSignedCert:SelfSignedCert"
LOCAL = "tls:index/locallySignedCert:LocallySignedCert"
REQUEST = "tls:index/certRequest:CertRequest"


@pytest.fixture
def tls(client: Callable[..., Any]) -> Any:
    return client(provider())


@pytest.fixture
def authority(tls: Any) -> dict[str, Any]:
    key = reveal(tls.create(KEY, {"algorithm": "ECDSA", "ecdsaCurve": "P256"})[1])["privateKeyPem"]
    given = {
        "privateKeyPem": key,
        "subject": {"commonName": "Root", "organization": "Example"},
        "validityPeriodHours": 100,
        "isCaCertificate": True,
        "maxPathLength": 1,
        "allowedUses": ["cert_signing", "crl_signing"],
    }
    return {"key": key, "given": given, "outputs": tls.create(SELF, given)[1]}


def extension(certificate: x509.Certificate | x509.CertificateSigningRequest, kind: Any) -> Any:
    return certificate.extensions.get_extension_for_class(kind)


@pytest.mark.parametrize(
    ("inputs", "head"),
    [
        ({"algorithm": "RSA", "rsaBits": 1024}, "RSA PRIVATE KEY"),
        ({"algorithm": "ECDSA"}, "EC PRIVATE KEY"),
        *(({"algorithm": "ECDSA", "ecdsaCurve": curve}, "EC PRIVATE KEY") for curve in ("P256", "P384", "P521")),
        ({"algorithm": "ED25519"}, "PRIVATE KEY"),
    ],
)
def test_private_key(tls: Any, inputs: dict[str, Any], head: str) -> None:
    identity, outputs = tls.create(KEY, inputs)
    assert len(identity) == 40
    hidden = {name for name, value in outputs.items() if isinstance(value, dict) and value[SIGNATURE] == CONFIDENTIAL}
    assert hidden == {"privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"}
    plain = reveal(outputs)
    assert plain["privateKeyPem"].startswith(f"-----BEGIN {head}-----\n")
    assert plain["privateKeyPemPkcs8"].startswith("-----BEGIN PRIVATE KEY-----\n")
    public = load_pem_public_key(plain["publicKeyPem"].encode())
    for name in ("privateKeyPem", "privateKeyPemPkcs8"):
        assert load_pem_private_key(plain[name].encode(), None).public_key() == public
    if inputs == {"algorithm": "ECDSA"}:  # P-224, which OpenSSH does not know
        assert {plain[name] for name in plain if "penssh" in name or "Fingerprint" in name} == {""}
        return
    key = asyncssh.import_private_key(plain["privateKeyOpenssh"])
    assert key.get_fingerprint("sha256") == plain["publicKeyFingerprintSha256"]
    assert key.get_fingerprint("md5") == "MD5:" + plain["publicKeyFingerprintMd5"]
    assert key.convert_to_public() == asyncssh.import_public_key(plain["publicKeyOpenssh"])


def test_defaults_are_outputs(tls: Any) -> None:
    outputs = tls.create(KEY, {"algorithm": "ED25519"})[1]
    assert (outputs["rsaBits"], outputs["ecdsaCurve"]) == (2048, "P224")
    assert tls.diff(KEY, {"algorithm": "RSA"}, {"algorithm": "RSA", "rsaBits": 2048}).changes == 1


def test_preview_makes_no_key(tls: Any) -> None:
    _, outputs = tls.create(KEY, {"algorithm": "RSA"}, preview=True)
    assert reveal(outputs)["privateKeyPem"] == UNKNOWN
    assert outputs["privateKeyPem"][SIGNATURE] == CONFIDENTIAL


def test_self_signed_authority(authority: dict[str, Any]) -> None:
    outputs = authority["outputs"]
    certificate = x509.load_pem_x509_certificate(outputs["certPem"].encode())
    certificate.verify_directly_issued_by(certificate)
    assert certificate.subject.rfc4514_string() == "CN=Root,O=Example"
    constraints = extension(certificate, x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 1)
    usage = extension(certificate, x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (
        True,
        True,
        True,
        False,
    )
    assert extension(certificate, x509.SubjectKeyIdentifier).value.digest
    assert outputs["keyAlgorithm"] == "ECDSA"
    assert outputs["readyForRenewal"] is False
    start, end = (datetime.fromisoformat(outputs[f"validity{side}Time"]) for side in ("Start", "End"))
    assert end - start == timedelta(hours=100)
    assert abs(start - datetime.now(UTC)) < timedelta(minutes=1)
    assert certificate.not_valid_after_utc == end.replace(microsecond=0)
    assert outputs["privateKeyPem"][SIGNATURE] == CONFIDENTIAL


def test_path_length_of_zero_is_left_out_as_by_the_official_provider(tls: Any, authority: dict[str, Any]) -> None:
    outputs = tls.create(SELF, authority["given"] | {"maxPathLength": 0})[1]
    certificate = x509.load_pem_x509_certificate(outputs["certPem"].encode())
    assert extension(certificate, x509.BasicConstraints).value.path_length is None


def test_chain(tls: Any, authority: dict[str, Any], tmp_path: Path) -> None:
    key = reveal(tls.create(KEY, {"algorithm": "ED25519"})[1])["privateKeyPem"]
    asked = {
        "privateKeyPem": key,
        "subject": {"commonName": "leaf", "country": "DE", "streetAddresses": ["One", "Two"]},
        "dnsNames": ["leaf.example", "*.leaf.example"],
        "ipAddresses": ["10.0.0.1", "fd00::1"],
        "uris": ["spiffe://example/leaf"],
    }
    request = tls.create(REQUEST, asked)[1]
    assert request["keyAlgorithm"] == "ED25519"
    signing = {
        "certRequestPem": request["certRequestPem"],
        "caCertPem": authority["outputs"]["certPem"],
        "caPrivateKeyPem": authority["key"],
        "validityPeriodHours": 10,
        "allowedUses": ["digital_signature", "server_auth", "client_auth"],
        "setSubjectKeyId": True,
    }
    outputs = tls.create(LOCAL, signing)[1]
    assert outputs["caKeyAlgorithm"] == "ECDSA"
    leaf = x509.load_pem_x509_certificate(outputs["certPem"].encode())
    root = x509.load_pem_x509_certificate(authority["outputs"]["certPem"].encode())
    leaf.verify_directly_issued_by(root)
    assert [each.value for each in leaf.subject.get_attributes_for_oid(NameOID.STREET_ADDRESS)] == ["One", "Two"]
    names = extension(leaf, x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["leaf.example", "*.leaf.example"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1", "fd00::1"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://example/leaf"]
    above = extension(leaf, x509.AuthorityKeyIdentifier).value.key_identifier
    assert above == extension(root, x509.SubjectKeyIdentifier).value.digest
    assert not extension(leaf, x509.BasicConstraints).value.ca
    if shutil.which("openssl"):
        for name, pem in (("root", authority["outputs"]["certPem"]), ("leaf", outputs["certPem"])):
            (tmp_path / name).write_text(pem)
        verify = [
            "openssl",
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-CAfile",
            str(tmp_path / "root"),
            str(tmp_path / "leaf"),
        ]
        assert subprocess.run(verify, capture_output=True, text=True, check=False).stdout == f"{tmp_path}/leaf: OK\n"
    other = reveal(tls.create(KEY, {"algorithm": "ECDSA", "ecdsaCurve": "P256"})[1])["privateKeyPem"]
    with pytest.raises(tls.aborted, match="provided PrivateKey doesn't match parent's PublicKey"):
        tls.create(LOCAL, signing | {"caPrivateKeyPem": other})


def test_authority_needs_a_subject(tls: Any, authority: dict[str, Any]) -> None:
    with pytest.raises(tls.aborted, match="at least one Distinguished Name"):
        tls.create(SELF, authority["given"] | {"subject": {}})


def test_every_change_replaces_but_the_time_of_renewal(tls: Any, authority: dict[str, Any]) -> None:
    given = authority["given"]
    for change in (
        {"subject": {"commonName": "Other"}},
        {"validityPeriodHours": 1},
        {"isCaCertificate": False},
        {"dnsNames": ["a"]},
    ):
        assert list(tls.diff(SELF, given, given | change).replaces) == list(change)
    early = tls.diff(SELF, given, given | {"earlyRenewalHours": 1})
    assert (list(early.replaces), list(early.diffs)) == ([], ["earlyRenewalHours"])


def test_renewal(tls: Any, authority: dict[str, Any]) -> None:
    given, state = authority["given"], authority["outputs"]
    soon = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    aging = state | {"validityEndTime": soon, "earlyRenewalHours": 1}
    assert tls.diff(SELF, given, given, aging).changes == 1
    assert tls.read(SELF, aging)["readyForRenewal"] is False
    due = aging | {"earlyRenewalHours": 3}
    assert list(tls.diff(SELF, given, given, due).replaces) == ["readyForRenewal"]
    assert tls.read(SELF, due)["readyForRenewal"] is True


def test_write_only_key_is_in_no_output(tls: Any, authority: dict[str, Any]) -> None:
    given = {key: value for key, value in authority["given"].items() if key != "privateKeyPem"}
    given |= {"privateKeyPemWo": authority["key"], "privateKeyPemWoVersion": 1}
    outputs = tls.create(SELF, given)[1]
    assert "privateKeyPemWo" not in outputs
    assert tls.diff(SELF, given, given | {"privateKeyPemWo": "other"}).changes == 1
    assert list(tls.diff(SELF, given, given | {"privateKeyPemWoVersion": 2}).replaces) == ["privateKeyPemWoVersion"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"allowedUses": ["server"]}, "allowedUses[0]"),
        ({"validityPeriodHours": -1}, "validityPeriodHours"),
        ({"subject": {"name": "x"}}, "subject.name"),
        ({"maxPathLength": "1"}, "maxPathLength"),
        ({"privateKeyPemWo": "x"}, "privateKeyPem"),
    ],
)
def test_bad_inputs(tls: Any, authority: dict[str, Any], change: dict[str, Any], expected: str) -> None:
    assert [name for name, _ in tls.check(SELF, authority["given"] | change)[1]] == [expected]


def test_text_that_is_no_key(tls: Any, authority: dict[str, Any]) -> None:
    with pytest.raises(tls.aborted, match="failed to parse private key"):
        tls.create(SELF, authority["given"] | {"privateKeyPem": "nonsense"})


def test_get_public_key(tls: Any) -> None:
    pair = reveal(tls.create(KEY, {"algorithm": "ED25519"})[1])
    for name in ("privateKeyPem", "privateKeyOpenssh"):
        result = tls.invoke("tls:index/getPublicKey:getPublicKey", {name: pair[name]})
        assert result["publicKeyOpenssh"] == pair["publicKeyOpenssh"]
        assert result[name][SIGNATURE] == CONFIDENTIAL
    with pytest.raises(tls.aborted, match="exactly one of"):
        tls.invoke("tls:index/getPublicKey:getPublicKey", {})
