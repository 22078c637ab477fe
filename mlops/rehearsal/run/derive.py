"""The derived site file: the user's own, with the values that only the real site has replaced by those of the throw-away site.

The list of what may differ is closed (:data:`REPLACED`); a test holds the two files against each other.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from mlops.rehearsal.run.derive_ways import Ways, ways
from mlops.rehearsal.site.pki import Authority, KeyPair
from mlops.settings import CorporateAuthority, MicroK8sCluster, Site

REPLACED = {
    "host keys": "hosts.nodes[].hostKey, hosts.access.bastion.hostKey",
    "SSH credentials": "hosts.access.key, hosts.access.bastion.key; in place of keyFile and agent, which are taken out, as well",
    "ways to the hosts": "hosts.nodes[].sshAddress, taken out unless it is an IPv6 address of this host alone; "
    "hosts.access.bastion.address when it is a name, or no address for a throw-away host",
    "files for hosts without the snap store": "cluster.offline, taken out: throw-away hosts have a stand-in for the store",
    "secrets": "every other secret value, and with trust.authority.key the certificates that belong to it (certificate, chain)",
    "the proxy's root": "trust.extraRoots[0] of a site with a proxy: the root of the stand-in proxy, which opens TLS in its place",
}
"""What the derived file replaces, and nothing else; the encryption salt goes with the secrets."""

_SSH_KEYS = ("hosts.access.key", "hosts.access.bastion.key")
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
        host_keys: host name to key pair; the jump host among them.
        user_key: key pair that may log in.
        ways: addresses at which the throw-away hosts are reached.
        proxy_authority: opens TLS at the proxy; None when the site has no proxy, or none that does.
    """

    text: str
    secret_values: Mapping[str, str]
    changes: tuple[str, ...]
    host_keys: Mapping[str, SshKey]
    user_key: SshKey
    ways: Ways
    proxy_authority: KeyPair | None


def derive(site_file_text: str, site: Site) -> DerivedSite:
    """Derives the file that the rehearsal runs.

    Args:
        site_file_text: text of ``Pulumi.<site>.yaml``.
        site: the same, parsed; has hosts.

    Raises:
        UserError: the throw-away site has no room for what the settings say.
    """
    found = ways(site)
    document: dict[str, Any] = yaml.safe_load(site_file_text)
    for key in _ENCRYPTION_KEYS:
        document.pop(key, None)
    config = document["config"]
    changes: set[str] = set()

    def replace(path: str, value: object) -> None:
        _set(config, path, value)
        changes.add(path)

    host_keys: dict[str, SshKey] = {}
    for index, node in enumerate(site.hosts.nodes if site.hosts else ()):
        host_keys[node.name] = SshKey.generate()
        replace(f"hosts.nodes[{index}].hostKey", host_keys[node.name].public)
    if site.hosts and site.hosts.access.bastion and found.jump_host:
        host_keys[found.jump_host.name] = SshKey.generate()
        replace("hosts.access.bastion.hostKey", host_keys[found.jump_host.name].public)
        if found.jump_host.known_as != site.hosts.access.bastion.address:
            replace("hosts.access.bastion.address", found.jump_host.known_as)
    user_key = SshKey.generate()
    values: dict[str, str] = {}
    for path in _elsewhere(site, found):
        changes.add(path)
        _remove(config, path)
    for path in {secret.path for secret in site.secrets()} | ({"hosts.access.key"} if site.hosts is not None else set()):
        changes.add(path)
        _remove(config, path)
        values[f"onprem-mlops:{path}"] = user_key.private if path in _SSH_KEYS else secrets.token_urlsafe(18)
    if isinstance(site.trust.authority, CorporateAuthority):
        # the real intermediate's key is not to be had, so its certificate is of no use either
        root = Authority("stand-in corporate root CA")
        issued = root.intermediate("stand-in corporate issuing CA")
        replace("trust.authority.certificate", issued.certificate)
        replace("trust.authority.chain", root.pair.certificate)
        values["onprem-mlops:trust.authority.key"] = issued.key
    proxy_authority: KeyPair | None = None
    if site.proxy is not None and site.trust.extra_roots:
        # a further root beside a proxy is the proxy's, whose key is not to be had either
        proxy_authority = Authority("stand-in proxy root CA").pair
        replace("trust.extraRoots[0]", proxy_authority.certificate)
    return DerivedSite(
        text=yaml.safe_dump(document, sort_keys=False, width=1000),
        secret_values=values,
        changes=tuple(sorted(changes)),
        host_keys=host_keys,
        user_key=user_key,
        ways=found,
        proxy_authority=proxy_authority,
    )


def _elsewhere(site: Site, found: Ways) -> Iterator[str]:
    """Settings that name a key or a folder outside the file, or an address outside the throw-away site."""
    if isinstance(site.cluster, MicroK8sCluster) and site.cluster.offline is not None:
        yield "cluster.offline"
    if site.hosts is None:
        return
    access, bastion = site.hosts.access, site.hosts.access.bastion
    if access.key_file is not None:
        yield "hosts.access.keyFile"
    if access.agent:
        yield "hosts.access.agent"
    if bastion is not None and bastion.key_file is not None:
        yield "hosts.access.bastion.keyFile"
    for index, node in enumerate(site.hosts.nodes):
        if node.ssh_address is not None and node.name not in found.ipv6:
            yield f"hosts.nodes[{index}].sshAddress"


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
