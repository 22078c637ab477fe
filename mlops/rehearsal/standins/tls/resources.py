"""Stand-in ``tls`` provider: its resources and functions, as the official schema 5.6.2 declares them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mlops.rehearsal.standins.provider import Call, Function, Input, Provider, ProviderError, Resource
from mlops.rehearsal.standins.tls import certificates, keys
from mlops.rehearsal.standins.values import Properties

_SUBJECT = Input(
    "object",
    replaces=True,
    fields={
        key: Input("array" if key == "streetAddresses" else "string")
        for key in (
            "commonName",
            "country",
            "emailAddress",
            "locality",
            "organization",
            "organizationalUnit",
            "postalCode",
            "province",
            "serialNumber",
            "streetAddresses",
        )
    },
)
_LIST = Input("array", replaces=True)
_NAMED = {"subject": _SUBJECT, "dnsNames": _LIST, "ipAddresses": _LIST, "uris": _LIST}
_FLAG = Input("boolean", replaces=True, default=False)
_VALIDITY = {
    "validityPeriodHours": Input("integer", required=True, replaces=True),
    "allowedUses": Input("array", required=True, replaces=True),
    "earlyRenewalHours": Input("integer", default=0),
    "isCaCertificate": _FLAG,
    "maxPathLength": Input("integer", replaces=True),
    "setSubjectKeyId": _FLAG,
}
_ISSUED = {"certPem": False, "readyForRenewal": False, "validityStartTime": False, "validityEndTime": False}


def _key_inputs(name: str) -> dict[str, Input]:
    """A private key as a stored input, or as a write-only one that takes effect when its version changes."""
    return {
        name: Input(replaces=True, secret=True),
        f"{name}Wo": Input(secret=True, mirrored=False),
        f"{name}WoVersion": Input("integer", replaces=True),
    }


def _either(name: str) -> list[tuple[str, ...]]:
    return [(name, f"{name}Wo")]


def _key(inputs: Mapping[str, Any], name: str) -> keys.PrivateKey:
    return keys.parse(inputs.get(name) or inputs.get(f"{name}Wo") or "")


@dataclass
class PrivateKey(Resource):
    """A key pair."""

    def check(self, inputs: Properties) -> list[tuple[str, str]]:
        """Key sizes that make sense."""
        bits = inputs.get("rsaBits", 2048)
        return [] if bits >= 1024 else [("rsaBits", f"expected at least 1024, got {bits}")]

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Generate it."""
        del call
        key = keys.generate(inputs["algorithm"], rsa_bits=inputs["rsaBits"], curve=inputs["ecdsaCurve"])
        return keys.identity(key.public_key()), keys.private_outputs(key) | keys.public_outputs(key.public_key())


@dataclass
class CertRequest(Resource):
    """A certificate request."""

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Sign it."""
        del call
        key = _key(inputs, "privateKeyPem")
        signed = certificates.request(inputs, key)
        identity = hashlib.sha1(signed.public_bytes(Encoding.DER), usedforsecurity=False).hexdigest()
        return identity, {"certRequestPem": signed.public_bytes(Encoding.PEM).decode(), "keyAlgorithm": keys.algorithm_of(key)}


@dataclass
class Certificate(Resource):
    """What self-signed and locally signed certificates share: uses, validity, renewal."""

    def check(self, inputs: Properties) -> list[tuple[str, str]]:
        """Uses by their official names; hours that are no negative numbers."""
        known = {*certificates.KEY_USAGES, *certificates.EXTENDED_USAGES}
        failures = [
            (f"allowedUses[{index}]", f"expected one of {', '.join(sorted(known))}, got {use}")
            for index, use in enumerate(inputs.get("allowedUses") or [])
            if use not in known
        ]
        failures += [
            (name, f"expected at least {least}, got {inputs[name]}")
            for name, least in (("validityPeriodHours", 0), ("earlyRenewalHours", 0), ("maxPathLength", -1))
            if inputs.get(name, least) < least
        ]
        return failures

    def refresh(self, state: Properties) -> Properties:
        """``readyForRenewal`` turns true when the time has come."""
        return {"readyForRenewal": True} if _due(state) else {}

    def drift(self, state: Properties) -> dict[str, str]:
        """A certificate that is ready for renewal is replaced."""
        return {"readyForRenewal": "update"} if _due(state) else {}


@dataclass
class SelfSignedCert(Certificate):
    """A certificate signed by its own key."""

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Sign it."""
        del call
        key = _key(inputs, "privateKeyPem")
        issued = certificates.certificate(
            inputs,
            subject=certificates.name(inputs.get("subject")),
            names=certificates.alternative_names(inputs),
            public_key=key.public_key(),
            signer=key,
            issuer=None,
        )
        return str(issued.pop("id")), issued | {"keyAlgorithm": keys.algorithm_of(key), "readyForRenewal": False}


@dataclass
class LocallySignedCert(Certificate):
    """A certificate for a request, signed by an authority's key."""

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Sign it."""
        try:
            asked = x509.load_pem_x509_csr(inputs["certRequestPem"].encode())
        except ValueError as error:
            raise ProviderError(f"Failed to parse certificate request PEM: {error}") from error
        try:
            authority = x509.load_pem_x509_certificate(inputs["caCertPem"].encode())
        except ValueError as error:
            raise ProviderError(f"Failed to parse CA certificate PEM: {error}") from error
        key = _key(inputs, "caPrivateKeyPem")
        if key.public_key() != authority.public_key():
            raise ProviderError("Failed to create certificate: x509: provided PrivateKey doesn't match parent's PublicKey")
        if not _is_authority(authority):
            text = "Certificate provided as Authority does not appear to be a valid Certificate Authority."
            call.log(text, "WARNING", False)  # noqa: FBT003 - the engine's own field
        public_key = asked.public_key()
        if not isinstance(public_key, keys.PublicKey):
            raise ProviderError(f"unsupported public key type: {type(public_key).__name__}")
        issued = certificates.certificate(
            inputs, subject=asked.subject, names=_names(asked), public_key=public_key, signer=key, issuer=authority
        )
        return str(issued.pop("id")), issued | {"caKeyAlgorithm": keys.algorithm_of(key), "readyForRenewal": False}


def _names(asked: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        return list(asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _due(state: Mapping[str, Any]) -> bool:
    end = state.get("validityEndTime")
    if not end:
        return False
    return datetime.now(UTC) >= datetime.fromisoformat(end) - timedelta(hours=state.get("earlyRenewalHours") or 0)


def get_public_key(call: Call, arguments: Properties) -> Properties:
    """``tls.getPublicKey``: the public side of a private key in PEM or OpenSSH format."""
    del call
    pem, openssh = arguments.get("privateKeyPem"), arguments.get("privateKeyOpenssh")
    if bool(pem) == bool(openssh):
        raise ProviderError("exactly one of privateKeyPem and privateKeyOpenssh is required")
    key = keys.parse(pem) if pem else keys.parse_openssh(openssh or "")
    public = key.public_key()
    return {**arguments, "id": keys.identity(public), "algorithm": keys.algorithm_of(key), **keys.public_outputs(public)}


def provider() -> Provider:
    """The provider."""
    pair = {
        "algorithm": Input(required=True, replaces=True, allowed=keys.ALGORITHMS),
        "rsaBits": Input("integer", replaces=True, default=2048),
        "ecdsaCurve": Input(replaces=True, default="P224", allowed=tuple(keys.CURVES)),
    }
    pair_outputs = dict.fromkeys(("privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"), True) | dict.fromkeys(
        ("publicKeyPem", "publicKeyOpenssh", "publicKeyFingerprintMd5", "publicKeyFingerprintSha256"), False
    )
    issuer = {"certRequestPem": Input(required=True, replaces=True), "caCertPem": Input(required=True, replaces=True)}
    subject_key, authority_key = _key_inputs("privateKeyPem"), _key_inputs("caPrivateKeyPem")
    return Provider(
        "tls",
        "5.6.2",
        [
            PrivateKey("tls:index/privateKey:PrivateKey", pair, pair_outputs),
            CertRequest(
                "tls:index/certRequest:CertRequest",
                _NAMED | subject_key,
                {"certRequestPem": False, "keyAlgorithm": False},
                one_of=_either("privateKeyPem"),
            ),
            SelfSignedCert(
                "tls:index/selfSignedCert:SelfSignedCert",
                _NAMED | _VALIDITY | subject_key | {"setAuthorityKeyId": _FLAG},
                _ISSUED | {"keyAlgorithm": False},
                one_of=_either("privateKeyPem"),
            ),
            LocallySignedCert(
                "tls:index/locallySignedCert:LocallySignedCert",
                _VALIDITY | issuer | authority_key,
                _ISSUED | {"caKeyAlgorithm": False},
                one_of=_either("caPrivateKeyPem"),
            ),
        ],
        {"tls:index/getPublicKey:getPublicKey": Function(get_public_key, frozenset({"privateKeyPem", "privateKeyOpenssh"}))},
    )
