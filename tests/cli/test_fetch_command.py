"""`mlops fetch`: sources of the lock file, and new pins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue

import pytest
from typer.testing import CliRunner

from mlops.bundles import Kustomize
from mlops.cli import bundles, places
from mlops.cli.app import app
from mlops.errors import UserError
from mlops.tools import tool
from tests.bundles.test_repin import NEW, manifests, source

REPOSITORY = Path(__file__).resolve().parents[2]

__all__ = ["manifests", "source"]  # fixtures: a lock with the sources `thing` and `other`, the bundle `b`, a mirror


@pytest.fixture(autouse=True)
def _here(manifests: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kustomize = tool("kustomize")  # before the cache becomes another
    monkeypatch.setattr(Kustomize, "pinned", lambda: Kustomize("1", lambda: kustomize))
    monkeypatch.setattr(bundles, "MANIFESTS", manifests)
    monkeypatch.setattr(places, "CHECKOUT", manifests.parent / "checkout")
    monkeypatch.setenv("MLOPS_CACHE_DIR", str(manifests.parent / "cache"))
    monkeypatch.setenv("MLOPS_SOURCE_MIRRORS", str(manifests.parent / "mirror"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no test reaches the origin


def run(*arguments: str) -> list[str]:
    result = CliRunner().invoke(app, ["fetch", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(result.stdout).splitlines()


def test_fetch_tells_where_a_source_is(manifests: Path) -> None:
    (line,) = run("thing")
    assert line.startswith(f"thing v1 {manifests.parent}/cache/sources/")


def test_update_shows_what_changes() -> None:
    lines = run("--update", "thing", "v2")
    assert lines[:2] == ["thing: v1 -> v2", f"  commit  {NEW}"]
    assert lines[2].startswith("  digest  h1:")
    assert lines[3:] == [
        "bundle b: 0 objects added, 0 removed, 1 changed",
        "  ~ ConfigMap n/c: data.version",
        "nothing changes in 0 of 1 bundles",
    ]
    assert run("--update", "thing", "v2")[3:] == ["nothing changes in 1 of 1 bundles"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nobody",), "no such source"),
        (("--update",), "not clear what to update"),
        (("--update", "thing"), "not clear what to update"),
        (("--update", "thing", "v2", "thing", "v3"), "not clear what to update"),
        (("--update", "thing", "v3"), "not known which commit"),
        (("other",), "not available"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(*arguments)


def test_a_site_with_an_air_gap_folder_asks_no_other_place(manifests: Path, tmp_path: Path) -> None:
    checkout = manifests.parent / "checkout"
    checkout.mkdir()
    site = (REPOSITORY / "Pulumi.baremetal.yaml").read_text()
    (checkout / "Pulumi.closed.yaml").write_text(f"{site}\n  onprem-mlops:sources: {{airGap: {tmp_path}/air}}\n")
    with pytest.raises(UserError, match="not available") as caught:
        run("thing", "--site", "closed")
    (line,) = caught.value.problems[0].found.splitlines()
    assert line.startswith(f"{tmp_path}/air/github.com/")


class _Slow(BaseHTTPRequestHandler):
    """Answers with a byte now and then, or not at all."""

    asked: SimpleQueue[str]
    over: threading.Event
    answers: bool

    def do_GET(self) -> None:
        if self.answers:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"x")
        self.asked.put(self.path)
        while not self.over.wait(0.05):
            if self.answers:
                self.wfile.write(b"x")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[True, False], ids=["slow", "silent"])
def slow(request: pytest.FixtureRequest) -> Iterator[tuple[str, SimpleQueue[str]]]:
    class Handler(_Slow):
        asked = SimpleQueue[str]()
        over = threading.Event()
        answers = request.param

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """The client has gone; that is what is tested."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", Handler.asked
        Handler.over.set()
        server.shutdown()
        thread.join()


def test_ctrl_c_ends_downloads_soon(slow: tuple[str, SimpleQueue[str]], tmp_path: Path) -> None:
    mirror, asked = slow
    environment = {**os.environ, "MLOPS_SOURCE_MIRRORS": mirror, "MLOPS_CACHE_DIR": str(tmp_path / "fresh")}
    with subprocess.Popen(
        [sys.executable, "-m", "mlops.cli", "fetch"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for _ in range(4):
            asked.get(timeout=60)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)
    assert time.monotonic() - began < 5
    assert process.returncode == 130
    assert "Traceback" not in "".join(output)
    assert asked.empty()  # five sources and more are wanted: none was begun after the four
    assert [path for path in (tmp_path / "fresh/sources").iterdir() if path.suffix != ".lock"] == []
