"""Fakes for the three ways: programs that tell a version, a release server on this machine, a tiny Go module."""

from __future__ import annotations

import hashlib
import http.server
import io
import ssl
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlops.tools.cache import Cache
from mlops.tools.pins import Build, Download, Pin, Platform, Probe
from mlops.tools.progress import Progress

VERSION = "1.2.3"
HERE = Platform("linux", "amd64")


def script(version: str) -> bytes:
    """A program that tells a version."""
    return f"#!/bin/sh\necho hammer v{version}\n".encode()


def put(path: Path, content: bytes) -> Path:
    """Writes an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tarball(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    """A .tar.gz of plain files and symbolic links."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return file.getvalue()


@dataclass
class Recorder(Progress):
    """Keeps what a person would have been told."""

    titles: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def start(self, title: str) -> None:
        self.titles.append(title)

    def say(self, line: str) -> None:
        self.lines.append(line)


@dataclass
class Server:
    """A release server: what it answers by path, and which paths were asked for."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(state: Server, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answers on a port of this machine, encrypted where a context is given; yields the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            if self.path in state.redirects:
                self.send_response(302)
                self.send_header("Location", state.redirects[self.path])
                self.end_headers()
                return
            content = state.files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write((content or b"")[: 5 if self.path in state.cut else None])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Stays quiet."""

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that breaks off is a test's business."""

    with Quiet(("127.0.0.1", 0), Handler) as httpd:
        if context:
            # the handshake belongs into the request's thread: a client that only knocks must not block the others
            httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield httpd.server_port
        httpd.shutdown()
        thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Server("")
    with serving(state) as port:
        state.url = f"http://127.0.0.1:{port}"
        yield state


MakePin = Callable[..., Pin]


@pytest.fixture
def make_pin(tmp_path: Path) -> MakePin:
    """Makes pins whose ways all fail unless a test provides one: nothing listens on port 9, the module is empty."""

    def make(
        name: str = "hammer",
        *,
        url: str = "http://127.0.0.1:9/hammer",
        package: str = ".",
        recipe: str = "recipe",
        **download: object,
    ) -> Pin:
        module = tmp_path / "gomodules" / recipe
        module.mkdir(parents=True, exist_ok=True)
        return Pin(
            name=name,
            version=VERSION,
            probe=Probe(arguments=("--version",), pattern=r"^hammer v(\S+)"),
            folders=(),
            download=Download.model_validate({"url": url, **download}),
            build=Build(recipe=recipe, package=package),
            module=module,
            ldflags=f"-s -w -X main.version={VERSION}",
        )

    return make


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", HERE)


FAKE_GO = """#!/bin/sh
# Stands in for `go`: notes how it was called, then writes a program per package.
echo "$PWD $GOFLAGS GOPROXY=$GOPROXY $*" >> "$FAKE_GO_LOG"
if [ "$1" = env ]; then echo '{"GOPROXY": "off"}'; exit; fi
if [ -n "$FAKE_GO_FAILS" ]; then echo "$FAKE_GO_FAILS" >&2; exit 1; fi
while [ "$1" != -o ]; do shift; done
out=$2; shift 2
for package; do
    case $out in */) file=$out${package##*/} ;; *) file=$out ;; esac
    echo "example.org/$package" >&2
    printf '#!/bin/sh\\necho hammer v%s\\n' "${FAKE_GO_VERSION:-1.2.3}" > "$file"
    chmod +x "$file"
done
"""


@pytest.fixture
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a fake `go` on PATH; returns the file that lists its calls."""
    put(tmp_path / "go-bin" / "go", FAKE_GO.encode())
    log = tmp_path / "go.log"
    log.touch()
    monkeypatch.setenv("FAKE_GO_LOG", str(log))
    monkeypatch.setenv("PATH", f"{tmp_path / 'go-bin'}:/usr/bin:/bin")
    return log


@pytest.fixture
def no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH without any `go`."""
    (tmp_path / "no-go").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "no-go"))
