"""Downloads that break off, go on, and start anew when what was there does not fit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlops.bundles import Places, Source, fetch
from mlops.bundles.download import DownloadError, download
from mlops.bundles.threads import StoppedError
from mlops.errors import UserError
from mlops.tools.progress import Progress
from tests.bundles.source_archives import archive, make_places, make_source

CONTENT = bytes(range(256)) * 4096


class Server(ThreadingHTTPServer):
    """Serves one content at every path; breaks off after so many bytes of an answer when told to."""

    content = CONTENT
    ranges = True
    break_after: int | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        content = self.server.content
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.break_after])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    httpd = Server()
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield httpd
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_a_download_goes_on_where_it_broke_off(tmp_path: Path, server: Server) -> None:
    part = tmp_path / "part"
    server.break_after = 300_000
    with pytest.raises(DownloadError, match=r"broke off after 300000 of 1048576 bytes"):
        download(server.url, part, limit=2_000_000)
    assert part.stat().st_size == 300_000
    server.break_after = None
    seen: list[tuple[int, int | None]] = []
    assert download(server.url, part, limit=2_000_000, seen=lambda *sizes: seen.append(sizes))
    assert part.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_server_without_ranges_sends_all_of_it(tmp_path: Path, server: Server) -> None:
    (tmp_path / "part").write_bytes(b"old")
    server.ranges = False
    assert not download(server.url, tmp_path / "part", limit=2_000_000)
    assert (tmp_path / "part").read_bytes() == CONTENT


@pytest.mark.parametrize("had", [len(CONTENT), len(CONTENT) + 5])
def test_nothing_left_to_ask_for_starts_anew(tmp_path: Path, server: Server, had: int) -> None:
    (tmp_path / "part").write_bytes(bytes(had))
    assert not download(server.url, tmp_path / "part", limit=2_000_000)
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_too_many_bytes_leave_nothing(tmp_path: Path, server: Server) -> None:
    with pytest.raises(DownloadError, match="is larger than 1000 bytes"):
        download(server.url, tmp_path / "part", limit=1000)
    assert not (tmp_path / "part").exists()


def stopped() -> None:
    raise StoppedError


def test_a_stopped_download_keeps_what_it_has(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.bundles.download.go_on", stopped)
    with pytest.raises(StoppedError):
        download(server.url, tmp_path / "part", limit=2_000_000)
    assert 0 < (tmp_path / "part").stat().st_size < len(CONTENT)


def test_no_address_at_all(tmp_path: Path) -> None:
    for url in ("http://[bad", "ftp://127.0.0.1/x", "http://127.0.0.1:9/ä"):
        with pytest.raises(DownloadError):
            download(url, tmp_path / "part", limit=1)


@pytest.fixture
def source(tmp_path: Path, server: Server) -> Source:
    made = make_source(tmp_path / "plain")
    server.content = archive(tmp_path / "served.tar.gz").read_bytes()
    return made


class Heard(Progress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def update(self, detail: str) -> None:
        self.lines.append(detail)


def places(server: Server) -> Places:
    return make_places(mirrors=(server.url,))


def test_an_interrupted_fetch_is_gone_on_with_by_the_next(tmp_path: Path, server: Server, source: Source) -> None:
    server.break_after = 100
    with pytest.raises(UserError, match="broke off after 100 of"):
        fetch([source], places(server), tmp_path / "cache")
    (part,) = (tmp_path / "cache/downloads").iterdir()
    assert part.name.startswith("thing-")
    assert part.stat().st_size == 100
    assert [path.name for path in (tmp_path / "cache/sources").iterdir() if path.suffix != ".lock"] == []
    server.break_after = None
    heard = Heard()
    fetch([source], places(server), tmp_path / "cache", progress=heard)
    assert server.asked == [None, "bytes=100-"]
    assert heard.lines[-1] == "thing 0 of 0 MiB"
    assert list((tmp_path / "cache/downloads").iterdir()) == []


def test_a_stopped_unpacking_leaves_nothing(
    tmp_path: Path, server: Server, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops.bundles.archive.go_on", stopped)
    with pytest.raises(StoppedError):
        fetch([source], places(server), tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache/sources").iterdir() if path.suffix != ".lock"] == []


def test_bytes_that_do_not_fit_are_thrown_away_once(tmp_path: Path, server: Server, source: Source) -> None:
    server.break_after = 100
    with pytest.raises(UserError):
        fetch([source], places(server), tmp_path / "cache")
    (part,) = (tmp_path / "cache/downloads").iterdir()
    part.write_bytes(b"x" * 50)
    server.break_after = None
    fetch([source], places(server), tmp_path / "cache")
    assert server.asked == [None, "bytes=50-", None]


def test_wrong_bytes_are_asked_for_only_once(tmp_path: Path, server: Server, source: Source) -> None:
    server.content = CONTENT
    with pytest.raises(UserError, match="is damaged"):
        fetch([source], places(server), tmp_path / "cache")
    assert server.asked == [None]
    assert list((tmp_path / "cache/downloads").iterdir()) == []
