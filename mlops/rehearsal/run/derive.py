"""The derived site file: the user's own, with the values that only the real site has replaced by those of the throw-away site.

The list of what may differ is closed (:data:`REPLACED`); a test holds the two files against each other.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from mlops.settings import CorporateAuthority, Site

REPLACED = {
    "host keys": "hosts.nodes[].hostKey, hosts.access.bastion.hostKey",
    "SSH credentials": "hosts.access.key, hosts.access.bastion.key",
    "secrets": "every other secret value, and with trust.authority.key the certificates that belong to it (certificate, chain)",
}
"""What the derived file replaces, and nothing else; the encryption salt goes with the secrets."""

_ENCRYPTION_KEYS = ("encryptionsalt", "encryptedkey", "secretsprovider")


@dataclass(frozen=True, kw_only=True)
class SshKey:
    """A key pair: private half in OpenSSH's PEM form, public half as one line."""

    private: str
    public: str

    @classmethod
    def generate(cls) -> SshKey:
        """A new ed25519 key."""
        key = ed25519.Ed25519PrivateKey.generate()
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode()
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
        return cls(private=private, public=public)


@dataclass(frozen=True, kw_only=True)
class DerivedSite:
    """What the engine is given instead of the site file.

    Attributes:
        text: the derived file, without secrets.
        secret_values: configuration path to value, for ``pulumi config set --secret --path``.
        changes: configuration paths that differ from the site file, sorted.
        host_keys: host name to key pair; the bastion's under ``bastion``.
        user_key: key pair that may log in.
    """

    text: str
    secret_values: Mapping[str, str]
    changes: tuple[str, ...]
    host_keys: Mapping[str, SshKey]
    user_key: SshKey


def derive(site_file_text: str, site: Site) -> DerivedSite:
    """Derives the file that the rehearsal runs.

    Args:
        site_file_text: text of ``Pulumi.<site>.yaml``.
        site: the same, parsed.
    """
    document: dict[str, Any] = yaml.safe_load(site_file_text)
    for key in _ENCRYPTION_KEYS:
        document.pop(key, None)
    config = document["config"]
    changes: set[str] = set()

    def replace(path: str, value: object) -> None:
        _set(config, path, value)
        changes.add(path)

    host_keys: dict[str, SshKey] = {}
    if site.hosts is not None:
        for index, node in enumerate(site.hosts.nodes):
            host_keys[node.name] = SshKey.generate()
            replace(f"hosts.nodes[{index}].hostKey", host_keys[node.name].public)
        if site.hosts.access.bastion is not None:
            host_keys["bastion"] = SshKey.generate()
            replace("hosts.access.bastion.hostKey", host_keys["bastion"].public)
    user_key = SshKey.generate()
    values: dict[str, str] = {}
    for secret in site.secrets():
        changes.add(secret.path)
        _remove(config, secret.path)
        values[f"onprem-mlops:{secret.path}"] = user_key.private if secret.path.startswith("hosts.") else secrets.token_urlsafe(18)
    if isinstance(site.trust.authority, CorporateAuthority):
        certificate, chain, key = _corporate_chain()
        replace("trust.authority.certificate", certificate)
        replace("trust.authority.chain", chain)
        values["onprem-mlops:trust.authority.key"] = key
    return DerivedSite(
        text=yaml.safe_dump(document, sort_keys=False, width=1000),
        secret_values=values,
        changes=tuple(sorted(changes)),
        host_keys=host_keys,
        user_key=user_key,
    )


def _steps(path: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in path.replace("]", "").replace("[", ".").split(".")]


def _set(config: dict[str, Any], path: str, value: object) -> None:
    first, *rest = _steps(path)
    target: Any = config
    steps: list[str | int] = [f"onprem-mlops:{first}", *rest]
    for step in steps[:-1]:
        target = target[step]
    target[steps[-1]] = value


def _remove(config: dict[str, Any], path: str) -> None:
    first, *rest = _steps(path)
    target: Any = config
    steps: list[str | int] = [f"onprem-mlops:{first}", *rest]
    for step in steps[:-1]:
        target = target[step] if isinstance(step, int) else target.get(step, {})
    target.pop(steps[-1], None)


def _corporate_chain() -> tuple[str, str, str]:
    """A stand-in corporate CA: the real intermediate's key is not to be had, so its certificate is of no use either."""
    now = dt.datetime.now(dt.UTC)

    def certificate(
        subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, depth: int
    ) -> str:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        by = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=depth), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA384())
        )
        return built.public_bytes(serialization.Encoding.PEM).decode()

    root_key, key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    root_name = "stand-in corporate root CA"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return (
        certificate("stand-in corporate issuing CA", root_name, key, root_key, 0),
        certificate(root_name, root_name, root_key, root_key, 1),
        private,
    )
