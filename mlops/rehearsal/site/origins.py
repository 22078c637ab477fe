"""Stands in for the world outside a site behind a proxy: one server under the real names of what hosts fetch from.

It listens on the frame's loopback only, where no host comes to: the stand-in proxy is the one way (:mod:`.interception`). Its
certificate is of a stand-in for a public authority. It answers with a few bytes, in the form that the real service has.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Container, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mlops.rehearsal.site.pki import Authority

ADDRESS = "127.0.0.2"
STORE = "api.snapcraft.io"
DOWNLOADS = "canonical-lgw01.cdn.snapcraftcontent.com"
"""Where the store sends a client for a snap's file; one of the names under snapcraftcontent.com."""
LOGIN = "login.proxy.example"
"""Where a proxy in the mode ``login-page`` sends everybody."""

# snapcraft.io "Network requirements"
SNAPS = (STORE, DOWNLOADS, "login.ubuntu.com", "dashboard.snapcraft.io")
PACKAGES = (
    "deb.debian.org",
    "security.debian.org",
    "archive.ubuntu.com",
    "security.ubuntu.com",
    "mirrors.rockylinux.org",
    "dl.rockylinux.org",
    "mirrors.almalinux.org",
    "repo.almalinux.org",
    "cdn.redhat.com",
    "subscription.rhsm.redhat.com",
    "mirrors.fedoraproject.org",
    "dl.fedoraproject.org",
    "download.opensuse.org",
    "cdn.opensuse.org",
)
REGISTRIES = (
    "registry-1.docker.io",
    "auth.docker.io",
    "production.cloudflare.docker.com",
    "registry.k8s.io",
    "quay.io",
    "gcr.io",
    "ghcr.io",
    "nvcr.io",
    "registry.istio.io",
    "pkg-containers.githubusercontent.com",
)
NAMES = (*SNAPS, *PACKAGES, *REGISTRIES, LOGIN)
"""Every name that there is outside."""

BASES = ("core22", "snapd")
"""What comes along with MicroK8s."""
RISKS = ("stable", "candidate", "beta", "edge")
# tracks of the MicroK8s snap: 1.10 to 1.35
TRACKS = tuple(f"1.{minor}" for minor in range(10, 36))
# a store closes channels that nobody tends any more; this one stands for them
CLOSED = frozenset({"1.33/edge"})


def has_channel(channel: str, closed: Container[str] = CLOSED) -> bool:
    """Whether the store has MicroK8s on a channel TRACK/RISK."""
    track, _, risk = channel.partition("/")
    return track in TRACKS and risk in RISKS and channel not in closed


_PAGE = b"<!DOCTYPE html><title>Log in</title><form><input name=user></form>\n"


@dataclass(frozen=True, slots=True)
class Request:
    """What reached an origin.

    Attributes:
        name: the origin's name, as the request's Host header has it.
        tls: whether it came over TLS.
        method: HTTP method.
        path: path with query.
        status: what was answered.
        peer: address that it came from.
    """

    name: str
    tls: bool
    method: str
    path: str
    status: int
    peer: str

    @property
    def url(self) -> str:
        """The address that was asked for."""
        return f"{'https' if self.tls else 'http'}://{self.name}{self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and further headers of a response."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def document(cls, value: object, status: int = 200, *headers: tuple[str, str]) -> Answer:
        """JSON."""
        return cls(status, json.dumps(value).encode(), (("Content-Type", "application/json"), *headers))


class Origins:
    """The outside.

    Args:
        directory: an empty directory for certificate and key.
        authority: stand-in for a public certificate authority.

    Attributes:
        closed: channels that the store does not have; a test may close one more.
    """

    def __init__(self, directory: Path, authority: Authority) -> None:
        self._directory = directory
        self._authority = authority
        self._mirrors: dict[tuple[str, str], Path] = {}
        self._requests: list[Request] = []
        self._lock = threading.Lock()
        self.closed = set(CLOSED)
        self._servers: list[ThreadingHTTPServer] = []

    def start(self) -> None:
        """Listens on ports 80 and 443 of :data:`ADDRESS`."""
        pair = self._authority.server(NAMES[0], NAMES)
        file = self._directory / "origins.pem"
        file.touch(mode=0o600)
        file.write_text(pair.certificate + pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        for port, wrapped in ((80, None), (443, context)):
            server = _Server((ADDRESS, port), self._handler(tls=wrapped is not None))
            if wrapped is not None:
                # the handshake is left to the connection's own thread: one client that hangs must not stop the others
                server.socket = wrapped.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
            self._servers.append(server)

    def stop(self) -> None:
        """Stops listening."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def serve(self, name: str, prefix: str, directory: Path) -> None:
        """Serves a directory, e.g. a package repository, below a path of one of the names.

        Raises:
            ValueError: there is no such name.
        """
        if name not in NAMES:
            raise ValueError(f"no origin {name}")
        self._mirrors[name, prefix.rstrip("/")] = directory

    @property
    def requests(self) -> tuple[Request, ...]:
        """What has reached it so far."""
        with self._lock:
            return tuple(self._requests)

    def answer(self, name: str, method: str, path: str, body: bytes) -> Answer:
        """The answer to one request."""
        plain = path.partition("?")[0]
        for (mirror, prefix), directory in self._mirrors.items():
            if mirror == name and plain.startswith(f"{prefix}/"):
                return _file(directory, plain.removeprefix(f"{prefix}/"))
        answer = Answer(421, b"") if name not in NAMES else Answer(404, b"")
        if name == STORE:
            answer = self._store(method, plain, body)
        elif name == LOGIN:
            answer = Answer(200, _PAGE, (("Content-Type", "text/html"),))
        elif name in REGISTRIES and plain.startswith("/v2/"):
            answer = _registry(name, plain)
        elif name == DOWNLOADS or (name in NAMES and plain == "/"):
            answer = Answer(200, f"stand-in for {name}{plain}\n".encode(), (("Content-Type", "application/octet-stream"),))
        return answer

    def _store(self, method: str, path: str, body: bytes) -> Answer:
        """The requests of snapd and of doctor: what to fetch and where (snapd store/store_action.go), which channels there are."""
        if (method, path) == ("GET", "/v2/snaps/info/microk8s"):
            return Answer.document({"name": "microk8s", "channel-map": list(self._channels())})
        if (method, path) != ("POST", "/v2/snaps/refresh"):
            return Answer.document({"error-list": [{"code": "resource-not-found", "message": path}]}, 404)
        try:
            results = [self._install(action["name"], action.get("channel")) for action in json.loads(body)["actions"]]
        except (ValueError, KeyError, TypeError) as error:
            return Answer.document({"error-list": [{"code": "api-error", "message": f"bad request: {error}"}]}, 400)
        return Answer.document({"results": results})

    def _install(self, name: str, channel: str | None) -> dict[str, object]:
        if name not in BASES and name != "microk8s":
            return {"result": "error", "name": name, "error": {"code": "name-not-found"}}
        if name == "microk8s" and channel and not has_channel(channel, self.closed):
            return {"result": "error", "name": name, "error": {"code": "revision-not-found"}}
        url = f"https://{DOWNLOADS}/download-origin/{name}.snap"
        return {"result": "install", "name": name, "snap": {"name": name, "download": {"url": url}}}

    def _channels(self) -> Iterator[dict[str, object]]:
        for track in TRACKS:
            for risk in RISKS:
                if has_channel(f"{track}/{risk}", self.closed):
                    yield {"channel": {"name": f"{track}/{risk}", "track": track, "risk": risk, "architecture": "amd64"}}

    def _handler(self, *, tls: bool) -> type[BaseHTTPRequestHandler]:
        origins = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                name = self.headers.get("Host", "").partition(":")[0]
                answer = origins.answer(name, self.command, self.path, body)
                origins.note(Request(name, tls, self.command, self.path, answer.status, self.client_address[0]))
                self.send_response(answer.status)
                for key, value in answer.headers:
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            do_GET = do_HEAD = do_POST = _handle  # noqa: N815 - names of http.server

            def log_message(self, *_: Any) -> None:
                """Requests are noted, not printed."""

        return Handler

    def note(self, request: Request) -> None:
        """Notes that a request was answered."""
        with self._lock:
            self._requests.append(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that goes away, or that trusts somebody else, is nothing to print."""


def _file(directory: Path, path: str) -> Answer:
    file = (directory / path).resolve()
    if not file.is_file() or not file.is_relative_to(directory.resolve()):
        return Answer(404, b"")
    return Answer(200, file.read_bytes(), (("Content-Type", "application/octet-stream"),))


def _registry(name: str, path: str) -> Answer:
    version = ("Docker-Distribution-Api-Version", "registry/2.0")
    if path == "/v2/":  # as registries of this kind do: 401 tells where a token is to be had
        realm = f'Bearer realm="https://{"auth.docker.io" if "docker" in name else name}/token",service="{name}"'
        return Answer.document({"errors": [{"code": "UNAUTHORIZED"}]}, 401, version, ("WWW-Authenticate", realm))
    return Answer.document({"stand-in": path}, 200, version)
