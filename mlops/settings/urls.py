"""URLs and what stands in them: mirrors, proxies, registries, names that bypass the proxy."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from mlops.settings.patterns import IPV4, LABEL, text_schema
from mlops.settings.section import Hint, RefusedError
from mlops.settings.types import address, network


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise RefusedError from None
    if parts.username is not None or parts.password is not None:
        raise RefusedError("a URL without credentials", "take user and password out of it")
    if parts.scheme not in {"http", "https"} or not host or port == 0 or re.search(r"\s", value):
        raise RefusedError
    if parts.query or parts.fragment:
        raise RefusedError("a URL without ? and #")
    if not re.fullmatch(IPV4, host) and not re.fullmatch(rf"{LABEL}(\.{LABEL})*", host):
        raise RefusedError
    return value


def _https_url(value: str) -> str:
    if not _url(value).startswith("https://"):
        raise RefusedError
    return value


def _registry_host(value: str) -> str:
    if "://" in value:
        raise RefusedError(mend="leave the scheme out: registries are reached by https")
    if "/" in value:
        raise RefusedError(mend=f"leave the path out: {value.partition('/')[0]}")
    name, _, port = value.partition(":")
    if name in _DOCKER_HUB:
        raise RefusedError(mend="write docker.io, as images name it")
    known = re.fullmatch(rf"{LABEL}(\.{LABEL})*", name) and ("." in name or port or name == "localhost")
    if not known or not re.fullmatch(r"(:[1-9][0-9]{0,4})?", value.removeprefix(name)) or int(port or 1) > 65535:
        raise RefusedError
    return value


# What containerd calls docker.io is served by these.
_DOCKER_HUB = ("registry-1.docker.io", "index.docker.io", "hub.docker.com")


def _proxy_url(value: str) -> str:
    if "@" in value:
        raise RefusedError("a URL without credentials", "write the user as proxy.username; its password is a secret: {password}")
    if urlsplit(_url(value)).path not in {"", "/"}:
        raise RefusedError("scheme, host and port only")
    return value.rstrip("/")


def _no_proxy(value: str) -> str:
    if value.startswith("*."):
        raise RefusedError(mend=f"a leading dot stands for all names below: {value[1:]}")
    if "/" in value and "://" not in value:
        return str(network(value))
    if re.fullmatch(IPV4, value):
        return str(address(value))
    if not re.fullmatch(rf"\.?{LABEL}(\.{LABEL})*", value):
        raise RefusedError
    return value


_URL = r"https?://[^\s?#@]+"
Url = Annotated[str, AfterValidator(_url), text_schema(_URL, "https://mirror.example.org/git"), Hint("an http:// or https:// URL")]
HttpsUrl = Annotated[
    str,
    AfterValidator(_https_url),
    text_schema(r"https://[^\s?#@]+", "https://login.example.org"),
    Hint("an https:// URL, e.g. https://login.example.org"),
]
RegistryHost = Annotated[
    str,
    AfterValidator(_registry_host),
    text_schema(rf"{LABEL}(\.{LABEL})*(:[0-9]{{1,5}})?", "registry.example.org:5000"),
    Hint("a registry's name in lower case, with :PORT if it has one, e.g. docker.io"),
]
ProxyUrl = Annotated[
    str,
    AfterValidator(_proxy_url),
    text_schema(_URL, "http://proxy.example.org:3128"),
    Hint("the proxy's URL, e.g. http://proxy.example.org:3128"),
]
NoProxyEntry = Annotated[
    str,
    AfterValidator(_no_proxy),
    text_schema(r"[a-z0-9./-]+", ".example.org"),
    Hint("one host name, .domain, IPv4 address or network, without scheme, port or wildcard"),
]
