"""Certificates of the throw-away cluster: as with MicroK8s one authority per node, which joining replaces by the cluster's."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = dt.timedelta(days=30)
# a host's clock may be a little behind the machine's
SLACK = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, PEM."""

    certificate: str
    key: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate in DER form, hexadecimal."""
        der = x509.load_pem_x509_certificate(self.certificate.encode()).public_bytes(serialization.Encoding.DER)
        return hashlib.sha256(der).hexdigest()


class Authority:
    """A certificate authority.

    Args:
        name: common name.
    """

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _begun(self._name, self._name, self._key.public_key())
        usage = _key_usage(sign_certificates=True)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).add_extension(
            usage, critical=True
        )
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        self.pair = KeyPair(_pem(builder.sign(self._key, hashes.SHA256())), _key_pem(self._key))

    def intermediate(self, name: str) -> KeyPair:
        """An authority that this one has issued; the key in PKCS #8, as organisations hand it out."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _begun(self._name, subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_key_usage(sign_certificates=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        signed = builder.add_extension(issuer_key, critical=False).sign(self._key, hashes.SHA256())
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return KeyPair(_pem(signed), pem.decode())

    def client(self, user: str, *groups: str) -> KeyPair:
        """A client certificate: the user is the common name, the groups are organisations."""
        return self._issue(user, groups, (), ExtendedKeyUsageOID.CLIENT_AUTH)

    def server(self, name: str, subjects: Iterable[str]) -> KeyPair:
        """A server certificate for DNS names and addresses."""
        return self._issue(name, (), tuple(subjects), ExtendedKeyUsageOID.SERVER_AUTH)

    def _issue(self, name: str, groups: Iterable[str], subjects: Iterable[str], usage: x509.ObjectIdentifier) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _begun(self._name, subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(sign_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer_key, critical=False)
        names = [_general_name(subject) for subject in dict.fromkeys(subjects)]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return KeyPair(_pem(builder.sign(self._key, hashes.SHA256())), _key_pem(key))


def _begun(issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    """What every certificate here has in common: a serial number and the throw-away site's life time."""
    now = dt.datetime.now(dt.UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - SLACK,
        not_valid_after=now + LIFE,
    )


def signing_key() -> KeyPair:
    """Key with which service account tokens are signed; ``certificate`` holds the public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(public.decode(), _key_pem(key))


def kubeconfig(server: str, authority: str, user: str, pair: KeyPair) -> str:
    """A kubeconfig, YAML, with everything embedded.

    Args:
        server: URL of the API server.
        authority: the cluster's CA certificate, PEM.
        user: name of the user entry.
        pair: client certificate.
    """
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "microk8s-cluster", "cluster": {"certificate-authority-data": _b64(authority), "server": server}}
            ],
            "contexts": [{"name": "microk8s", "context": {"cluster": "microk8s-cluster", "user": user}}],
            "current-context": "microk8s",
            "users": [
                {"name": user, "user": {"client-certificate-data": _b64(pair.certificate), "client-key-data": _b64(pair.key)}}
            ],
        },
        sort_keys=False,
        width=1_000_000,
    )


def _general_name(subject: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(subject))
    except ValueError:
        return x509.DNSName(subject)


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not sign_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    # SEC1: kube-apiserver reads "EC PRIVATE KEY" for service accounts as well as for TLS
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
