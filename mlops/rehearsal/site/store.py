"""What the stand-in for snapd does on the network, and how it tells what went wrong.

The request is made on the host by the host's curl, with the host's own names, routes and trust store, so that a host whose
configuration is wrong fails here as it would in a data centre. Read in snapd: overlord/configstate/proxyconf/proxy.go (its own
setting first, without a look at NO_PROXY, else the environment), httputil/client.go (trust), Go's golang.org/x/net/http/httpproxy.
"""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from mlops.rehearsal.site.origins import STORE
from mlops.rehearsal.site.rooted import inside
from mlops.rehearsal.site.systems import System

STORE_CERTIFICATES = "/var/lib/snapd/ssl/store-certs"
_DROP_INS = "/etc/systemd/system/snapd.service.d"
# what the unit of each family's package reads: snapd data/systemd/snapd.service.in and packaging/
_ENVIRONMENT_FILES = {"debian": "/etc/environment", "redhat": "/etc/sysconfig/snapd", "suse": "/etc/sysconfig/snapd"}
# where Go looks for the host's trust: crypto/x509/root_linux.go, the first that is there
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
_SECONDS = 20
# curl's exit codes
_NO_PROXY_NAME, _NO_NAME, _REFUSED, _TIMEOUT, _UNTRUSTED = 5, 6, 7, 28, 60
# awk ends each file with a line break, which snapd's own files do not have
_FETCH = 'exec curl --silent --show-error --location --cacert <(awk 1 "$@") --config -'
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*?)\s*$", re.MULTILINE)


class NetworkError(Exception):
    """snapd did not reach the store; the text is its own.

    Args:
        text: what went wrong.
        task: the task of the change in which it did; empty when it was before there were any.
    """

    def __init__(self, text: str, task: str = "") -> None:
        super().__init__(text)
        self.task = task


class SnapHost(Protocol):
    """What the stand-in for snapd needs of a host."""

    root: Path

    @property
    def system(self) -> System:
        """Its operating system."""

    def run(self, argv: Sequence[str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a program on the host."""


def read_environment(text: str) -> dict[str, str]:
    """Variables of a file that systemd reads as EnvironmentFile."""
    return {name: value.strip("\"'") for name, value in _ASSIGNMENT.findall(text)}


def environment_of_snapd(host: SnapHost) -> dict[str, str]:
    """The environment that snapd gets when its unit is started now: its package's file, then those of drop-ins."""
    files = [_ENVIRONMENT_FILES[host.system.family]]
    drop_ins = inside(host.root, _DROP_INS)
    for drop_in in sorted(drop_ins.glob("*.conf")) if drop_ins.is_dir() else ():
        files += re.findall(r"^EnvironmentFile=-?(\S+)$", drop_in.read_text(), re.MULTILINE)
    found: dict[str, str] = {}
    for name in files:
        file = inside(host.root, name)
        if file.is_file():
            found |= read_environment(file.read_text())
    return found


def proxy_for(url: str, settings: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """The proxy that snapd takes for a URL; empty for none.

    Args:
        url: what is asked for.
        settings: ``snap get system``: a proxy that stands here is taken for every name.
        environment: snapd's.
    """
    parts = urlsplit(url)
    if own := settings.get(f"proxy.{parts.scheme}"):
        return own
    name = f"{parts.scheme}_proxy"
    if spared(parts.hostname or "", environment.get("NO_PROXY") or environment.get("no_proxy") or ""):
        return ""
    return environment.get(name.upper()) or environment.get(name) or ""


def spared(name: str, no_proxy: str) -> bool:
    """Whether a name or address is reached without a proxy, as Go reads NO_PROXY."""
    for entry in filter(None, (part.strip() for part in no_proxy.split(","))):
        if entry == "*" or name == entry.removeprefix(".") or name.endswith(f".{entry.removeprefix('.')}"):
            # ".example.org" is for what is below example.org only
            if not (entry.startswith(".") and name == entry[1:]):
                return True
        elif "/" in entry and _in_network(name, entry):
            return True
    return False


def _in_network(name: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(name) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def fetch(host: SnapHost, url: str, proxy: str, body: str | None = None) -> tuple[int, str]:
    """One request from a host.

    Args:
        host: where it is made.
        url: what is asked for.
        proxy: URL with credentials, or empty.
        body: JSON to post; a GET without.

    Returns:
        HTTP status and text.

    Raises:
        NetworkError: no answer came; in the words of Go's library.
    """
    certificates = [next((file for file in _BUNDLES if inside(host.root, file).is_file()), _BUNDLES[0])]
    extra = inside(host.root, STORE_CERTIFICATES)
    certificates += sorted(f"{STORE_CERTIFICATES}/{file.name}" for file in extra.glob("*.pem"))
    options = {"url": url, "max-time": str(_SECONDS), "write-out": r"\n%{http_code} %{http_connect}"}
    options |= {"proxy": proxy} if proxy else {"noproxy": "*"}
    if body is not None:
        options |= {"data": body, "header": "Content-Type: application/json"}
    # by standard input: the proxy's password must not show among the host's processes
    configuration = "".join(f"{key} = {_quoted(value)}\n" for key, value in options.items())
    done = host.run(["/bin/bash", "-c", _FETCH, "curl", *certificates], stdin=configuration)
    text, _, codes = done.stdout.rpartition("\n")
    status, _, connected = codes.partition(" ")
    if done.returncode != 0:
        method = "Get" if body is None else "Post"
        raise NetworkError(f'{method} "{url}": {_words(done, connected, urlsplit(url).hostname or "", proxy)}')
    return int(status), text


def _quoted(text: str) -> str:
    escaped = text if text.startswith(r"\n%{") else text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _words(done: subprocess.CompletedProcess[str], connected: str, name: str, proxy: str) -> str:
    """Go's words for what went wrong."""
    there = urlsplit(proxy)
    dial = f"proxyconnect tcp: dial tcp {there.hostname}:{there.port}" if proxy else f"dial tcp {name}:443"
    refusals = {"407": "Proxy Authentication Required", "403": "Forbidden", "503": "Service Unavailable"}
    texts = {
        _NO_PROXY_NAME: f"proxyconnect tcp: dial tcp: lookup {there.hostname}: no such host",
        _NO_NAME: f"dial tcp: lookup {name}: no such host",
        _REFUSED: f"{dial}: connect: connection refused",
        _TIMEOUT: f"{dial}: i/o timeout",
        _UNTRUSTED: "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    }
    return refusals.get(connected) or texts.get(done.returncode) or done.stderr.strip()


class Store:
    """The snap store, as a host sees it.

    Args:
        host: the host.
        settings: its ``snap get system``.
        environment: its snapd's.
    """

    def __init__(self, host: SnapHost, settings: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self._host = host
        self._settings = settings
        self._environment = environment

    def download(self, name: str, channel: str, revision: str) -> str | None:
        """Asks for a snap and fetches it.

        Returns:
            None; or why the store has no such snap: its error code.

        Raises:
            NetworkError: the store or its file was not reached, or something else answered; in snapd's words.
        """
        url = f"https://{STORE}/v2/snaps/refresh"
        wanted = {"action": "install", "instance-key": name, "name": name, "channel": channel}
        status, text = self._fetch(url, json.dumps({"context": [], "actions": [wanted]}))
        if status != 200:
            raise NetworkError(f'cannot query the store for updates: got unexpected HTTP status code {status} via POST to "{url}"')
        try:
            (result,) = json.loads(text)["results"]
            if result["result"] == "error":
                return str(result["error"]["code"])
            address = str(result["snap"]["download"]["url"])
        except (ValueError, KeyError, TypeError):
            raise NetworkError(f"invalid character {text[:1]!r} looking for beginning of value") from None
        where = f'Download snap "{name}" ({revision}) from channel "{channel}"'
        try:
            status, _ = self._fetch(address)
        except NetworkError as error:
            raise NetworkError(str(error), where) from None
        if status != 200:
            raise NetworkError(f"received an unexpected http response code ({status}) when trying to download {address}", where)
        return None

    def _fetch(self, url: str, body: str | None = None) -> tuple[int, str]:
        return fetch(self._host, url, proxy_for(url, self._settings, self._environment), body)
