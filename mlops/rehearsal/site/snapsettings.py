"""Stands in for ``snap get|set|unset system``: the settings of snapd itself (snapd overlord/configstate/configcore)."""

from __future__ import annotations

import json
import re
from typing import Any

from cryptography import x509

from mlops.rehearsal.site.daemon import Reply
from mlops.rehearsal.site.rooted import inside
from mlops.rehearsal.site.store import STORE_CERTIFICATES, SnapHost

_KNOWN = re.compile(r"proxy\.(http|https|ftp|no-proxy|store)|refresh\.[\w-]+|experimental\.[\w-]+|store-certs\..*")
# configcore/corecfg.go
_CERTIFICATE_NAME = re.compile(r"\w(?:-?\w)*")
_SYSTEM = ("system", "core")


def set_settings(host: SnapHost | None, settings: dict[str, str], words: list[str]) -> Reply:
    """``snap set system KEY=VALUE...``, all or nothing; ``KEY!`` unsets. Certificates for the store become files on the host."""
    if not words or words[0] not in _SYSTEM:
        return Reply(1, err=f'error: snap "{" ".join(words[:1])}" has no configuration that the stand-in knows\n')
    wanted = [
        (word.removesuffix("!"), "", "") if word.endswith("!") and "=" not in word else word.partition("=") for word in words[1:]
    ]
    for key, _, value in wanted:
        if reason := _refusal(key, value):
            text = f'cannot perform the following tasks:\n- Run configure hook of "core" snap ({reason})'
            return Reply(1, err=f"error: {text}\n")
    for key, _, value in wanted:
        if value:
            settings[key] = value
        else:
            settings.pop(key, None)
        if host is not None and key.startswith("store-certs."):
            _keep(host, key.removeprefix("store-certs."), value)
    return Reply()


def unset_settings(host: SnapHost | None, settings: dict[str, str], words: list[str]) -> Reply:
    """``snap unset system KEY...``."""
    return set_settings(host, settings, [*words[:1], *(f"{word}!" for word in words[1:])])


def get_settings(settings: dict[str, str], words: list[str], *, document: bool) -> Reply:
    """``snap get [-d] system KEY``: one value, or as JSON what is below a key."""
    key = words[-1] if len(words) > 1 else ""
    if key in settings and not document:
        return Reply(out=settings[key] + "\n")
    below: dict[str, Any] = {}
    for name, value in settings.items():
        if name == key or name.startswith(f"{key}." if key else ""):
            *folders, last = name.split(".")
            place = below
            for folder in folders:
                place = place.setdefault(folder, {})
            place[last] = value
    if not below:
        return Reply(1, err=f'error: snap "core" has no "{key}" configuration option\n')
    return Reply(out=json.dumps(below, indent="\t") + "\n")


def _refusal(key: str, value: str) -> str:
    if not _KNOWN.fullmatch(key):
        return f'cannot set "core.{key}": unsupported system option'
    if key.startswith("store-certs.") and value:
        name = key.removeprefix("store-certs.")
        if not _CERTIFICATE_NAME.fullmatch(name):
            return f'cannot set store ssl certificate under name "{name}": name must only contain word characters or a dash'
        try:
            x509.load_pem_x509_certificates(value.encode())
        except ValueError:
            return f'cannot decode pem certificate "{name}"'
    return ""


def _keep(host: SnapHost, name: str, value: str) -> None:
    file = inside(host.root, STORE_CERTIFICATES) / f"{name}.pem"
    if value:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)
    else:
        file.unlink(missing_ok=True)
