"""containerd's view of registries: one folder with a hosts.toml for each, read anew at every pull.

Sources: containerd docs/hosts.md; canonical/microk8s ``default-args/certs.d`` (MicroK8s' own folder and its two defaults).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence

from mlops.settings import Registry

CERTIFICATES_FOLDER = "/var/lib/onprem-mlops/registries"
"""Where mirrors' certificates lie on a host: outside the snap's folder, which is not there before the snap is."""

# the name in images is not that of the server
_SERVERS = {"docker.io": "registry-1.docker.io"}


def hosts_toml(registry: Registry, password: str | None) -> str:
    """The text of ``certs.d/<registry>/hosts.toml``: mirrors first, then the registry itself.

    Args:
        registry: the registry; its user is sent to it and to its mirrors, with every request (HTTP Basic).
        password: password of that user, None without one. The text is as secret as that.
    """
    server = f"https://{_SERVERS.get(registry.host, registry.host)}"
    lines = [f"server = {_string(server)}"]
    for mirror in registry.mirrors:
        lines += ["", f"[host.{_string(mirror.url.rstrip('/'))}]", '  capabilities = ["pull", "resolve"]']
        if mirror.certificate_authority is not None:
            lines.append(f"  ca = {_string(certificate_path(mirror.certificate_authority))}")
        if mirror.override_path:
            lines.append("  override_path = true")
        lines += _login(registry, mirror.url.rstrip("/"), password)
    if not registry.mirrors:
        lines += ["", f"[host.{_string(server)}]", '  capabilities = ["pull", "resolve"]', *_login(registry, server, password)]
    return "\n".join([*lines, ""])


def certificate_files(registries: Sequence[Registry]) -> dict[str, str]:
    """Absolute path on a host to the PEM certificates of a mirror."""
    found = [mirror.certificate_authority for registry in registries for mirror in registry.mirrors]
    return {certificate_path(pem): pem for pem in found if pem is not None}


def certificate_path(pem: str) -> str:
    """Where the certificates of a mirror lie; the name follows the content, so that a file never changes."""
    return f"{CERTIFICATES_FOLDER}/{hashlib.sha256(pem.encode()).hexdigest()[:16]}.crt"


def registry_texts(registries: Sequence[Registry], passwords: Mapping[str, str]) -> dict[str, str]:
    """Registry as images name it to the text of its hosts.toml; ``passwords`` by registry, of those that have a user."""
    return {registry.host: hosts_toml(registry, passwords.get(registry.host)) for registry in registries}


def _login(registry: Registry, host: str, password: str | None) -> list[str]:
    if registry.username is None or password is None:
        return []
    token = base64.b64encode(f"{registry.username}:{password}".encode()).decode()
    return [f"  [host.{_string(host)}.header]", f"    Authorization = [{_string(f'Basic {token}')}]"]


def _string(text: str) -> str:
    """A basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text)
