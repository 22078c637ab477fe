"""The derived site file: the user's own, with the values that only the real site has replaced by those of the throw-away site.

The list of what may differ is closed (:data:`REPLACED`); a test holds the two files against each other.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from mlops.rehearsal.site.pki import Authority
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
        # the real intermediate's key is not to be had, so its certificate is of no use either
        root = Authority("stand-in corporate root CA")
        issued = root.intermediate("stand-in corporate issuing CA")
        replace("trust.authority.certificate", issued.certificate)
        replace("trust.authority.chain", root.pair.certificate)
        values["onprem-mlops:trust.authority.key"] = issued.key
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
