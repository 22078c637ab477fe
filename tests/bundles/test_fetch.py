"""Fetching from every kind of place, and everything that can be wrong with an archive."""

from __future__ import annotations

import errno
import fcntl
import importlib
import multiprocessing
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlops.bundles import Places, Source, fetch, tree_of
from mlops.bundles import fetch as fetch_package
from mlops.bundles.archive import Limits
from mlops.bundles.dirhash import dirhash
from mlops.bundles.fetch import fetch_unverified
from mlops.errors import UserError
from tests.bundles.source_archives import FILES, archive, closed_port, info, make_places, make_source


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return make_source(tmp_path / "plain")


@pytest.fixture
def mirror(tmp_path: Path, source: Source) -> Path:
    archive(tmp_path / "mirror" / source.archive())
    return tmp_path / "mirror"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path / "served"))  # type: ignore[arg-type]  # handed through

        def log_message(self, *arguments: object) -> None:
            pass

    (tmp_path / "served").mkdir()

    class Server(ThreadingHTTPServer):
        def handle_error(self, *arguments: object) -> None:
            """A client that has had enough closes; that is no news."""

    httpd = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield httpd
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_only_the_named_paths_are_unpacked(tmp_path: Path, source: Source, mirror: Path) -> None:
    lines: list[str] = []
    tree = fetch([source], make_places(mirrors=(str(mirror),)), tmp_path / "cache", report=lines.append)["thing"]
    assert dirhash(tree) == source.dirhash
    assert sorted(p.name for p in tree.iterdir()) == ["base"]
    assert lines == [f"source thing v1: {mirror / source.archive()}"]


def test_what_not_every_place_has_is_left_out(tmp_path: Path, source: Source) -> None:
    chosen = source.model_copy(update={"without": ("base/pictures", "base/big.yaml")})
    more = {**FILES, "base/pictures/a.png": b"x", "base/big.yaml": b"x", "base/big.yaml.not": b"x"}
    archive(tmp_path / "mirror" / source.archive(), more)
    chosen = fetch_unverified(chosen, make_places(neighbour=tmp_path / "mirror"), tmp_path / "cache")
    tree = tree_of(chosen, tmp_path / "cache")
    assert sorted(path.name for path in (tree / "base").iterdir()) == ["a.yaml", "big.yaml.not", "kustomization.yaml"]
    assert chosen.dirhash == dirhash(tree)


@pytest.mark.parametrize("form", ["path", "file", "air gap", "neighbour", "http", "origin"])
def test_each_kind_of_place(form: str, tmp_path: Path, source: Source, mirror: Path, server: ThreadingHTTPServer) -> None:
    url = f"http://127.0.0.1:{server.server_port}"
    archive(tmp_path / "served" / source.archive())
    archive(tmp_path / "served" / "owner/thing/archive" / f"{source.commit}.tar.gz")
    chosen = {
        "path": make_places(mirrors=(str(mirror),)),
        "file": make_places(mirrors=(mirror.as_uri(),)),
        "air gap": make_places(air_gap=mirror),
        "neighbour": make_places(neighbour=mirror),
        "http": make_places(mirrors=(url + "/",)),
        "origin": make_places(origin=url),
    }[form]
    assert dirhash(fetch([source], chosen, tmp_path / "cache")["thing"]) == source.dirhash


def test_places_are_tried_in_order_and_the_next_one_serves_when_one_is_bad(tmp_path: Path, source: Source, mirror: Path) -> None:
    archive(tmp_path / "altered" / source.archive(), {"base/a.yaml": b"changed\n"})
    lines: list[str] = []
    chosen = make_places(mirrors=(str(tmp_path / "altered"), str(tmp_path / "empty")), neighbour=mirror)
    fetch([source], chosen, tmp_path / "cache", report=lines.append)
    assert lines == [f"source thing v1: {mirror / source.archive()}"]
    assert [str(place).split("/github.com")[0] for place in chosen.candidates(source)][:3] == [
        str(tmp_path / "altered"),
        str(tmp_path / "empty"),
        str(mirror),
    ]


def test_with_an_air_gap_folder_nothing_else_is_looked_at(tmp_path: Path, source: Source, mirror: Path) -> None:
    chosen = make_places(air_gap=tmp_path / "air", mirrors=(str(mirror), "http://127.0.0.1:9"), neighbour=mirror)
    with pytest.raises(UserError) as caught:
        fetch([source], chosen, tmp_path / "cache")
    (problem,) = caught.value.problems
    assert problem.found == f"{tmp_path / 'air' / source.archive()}: no such file"
    assert problem.mend.endswith(f"into {tmp_path / 'air'}")


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_a_mirror_is_asked_without_the_proxy_and_the_origin_through_it(
    name: str, tmp_path: Path, source: Source, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{server.server_port}"
    archive(tmp_path / "served" / source.archive())
    archive(tmp_path / "served" / "owner/thing/archive" / f"{source.commit}.tar.gz")
    for variable in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    fetch([source], make_places(mirrors=(url,)), tmp_path / "cache")
    with pytest.raises(UserError, match="refused"):
        fetch([source], Places(origin=url), tmp_path / "other cache")


def test_mirrors_come_from_the_environment_first(tmp_path: Path) -> None:
    chosen = Places.from_environment(
        checkout=tmp_path / "checkout", mirrors=["/c", "/a"], environ={"MLOPS_SOURCE_MIRRORS": "/a, https://b.example"}
    )
    assert chosen.mirrors == ("/a", "https://b.example", "/c")
    assert chosen.neighbour == tmp_path / "shared" / "upstream"


def test_absent_everywhere_names_each_source_and_each_place(tmp_path: Path, source: Source, server: ThreadingHTTPServer) -> None:
    other = source.model_copy(update={"name": "other", "repository": "github.com/owner/other", "dirhash": "h1:" + "A" * 43 + "="})
    mirrors = (str(tmp_path / "empty"), f"http://127.0.0.1:{server.server_port}", "ftp://x")
    chosen = make_places(mirrors=mirrors, neighbour=tmp_path / "beside")
    with pytest.raises(UserError) as caught:
        fetch([source, other], chosen, tmp_path / "cache")
    assert [problem.where for problem in caught.value.problems] == [
        "source other (github.com/owner/other v1)",
        "source thing (github.com/owner/thing v1)",
    ]
    lines = caught.value.problems[1].found.splitlines()
    assert lines[0] == f"{tmp_path / 'empty' / source.archive()}: no such file"
    assert lines[1].endswith("HTTP 404 File not found")
    assert lines[3] == f"{tmp_path / 'beside' / source.archive()}: no such file"
    assert lines[4].startswith(f"{chosen.origin}/owner/thing/archive/{source.commit}.tar.gz: ")
    assert "refused" in lines[4]
    assert source.dirhash in str(caught.value)


LIMITS = Limits(compressed=100_000, unpacked=1_000_000, members=50)
BAD = {
    "wrong content": ({"base/a.yaml": b"x"}, (), "holds other files than the lock says"),
    "absolute": (FILES, (info("/etc/x"),), "leads out of the archive"),
    "traversal": (FILES, (info("repo-123/base/../../../x"),), "leads out of the archive"),
    "traversal outside the paths": (FILES, (info("repo-123/docs/../../x"),), "leads out of the archive"),
    "link out": (FILES, (info("repo-123/base/l", tarfile.SYMTYPE, to="../../outside"),), "leads out of the archive"),
    "absolute link": (FILES, (info("repo-123/base/l", tarfile.SYMTYPE, to="/etc/passwd"),), "leads out of the archive"),
    # by its text the link stays inside, as `b/..` seems to be nothing
    "link out by way of links": (
        FILES,
        (
            info("repo-123/base/b", tarfile.SYMTYPE, to="."),
            info("repo-123/base/a0", tarfile.SYMTYPE, to="b/" * 20 + "../" * 20 + "dev/null"),
        ),
        "or through another link",
    ),
    "link below a link": (
        FILES,
        (info("repo-123/base/b", tarfile.SYMTYPE, to="."), info("repo-123/base/b/x/l", tarfile.SYMTYPE, to="a.yaml")),
        "or through another link",
    ),
    "link to a folder": (FILES, (info("repo-123/base/l", tarfile.SYMTYPE, to="."),), "no regular file"),
    "links in a circle": (FILES, (info("repo-123/base/l", tarfile.SYMTYPE, to="l"),), "Too many levels"),
    "name that is not UTF-8": (FILES, (info("repo-123/base/\udcff"),), "a name that is not UTF-8"),
    "dangling link": (FILES, (info("repo-123/base/l", tarfile.SYMTYPE, to="nothing"),), "a link leads nowhere"),
    "hard link": (FILES, (info("repo-123/base/l", tarfile.LNKTYPE, to="repo-123/base/a.yaml"),), "neither file, folder nor"),
    "device": (FILES, (info("repo-123/base/d", tarfile.CHRTYPE),), "neither file, folder nor"),
    "pipe": (FILES, (info("repo-123/base/p", tarfile.FIFOTYPE),), "neither file, folder nor"),
    "twice": (FILES, (info("repo-123/base/a.yaml", size=1),), "File exists"),
    "bomb": (FILES, (info("repo-123/docs/zeros", size=2_000_000),), "unpacks to more than 1000000 bytes"),
    "many": (FILES, tuple(info(f"repo-123/docs/{i}") for i in range(60)), "more than 50 entries"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_archives(case: str, tmp_path: Path, source: Source) -> None:
    files, extra, message = BAD[case]
    archive(tmp_path / "mirror" / source.archive(), files, extra)
    with pytest.raises(UserError) as caught:
        fetch([source], make_places(neighbour=tmp_path / "mirror"), tmp_path / "cache", limits=LIMITS)
    assert message in caught.value.problems[0].found
    assert not tree_of(source, tmp_path / "cache").exists()
    assert [p.name for p in (tmp_path / "cache/sources").iterdir() if not p.name.endswith(".lock")] == []
    assert not list(tmp_path.glob("**/x"))


@pytest.mark.parametrize("content", [b"", b"no gzip at all", b"cut"])
def test_damaged_archives(content: bytes, tmp_path: Path, source: Source, mirror: Path) -> None:
    path = mirror / source.archive()
    path.write_bytes(path.read_bytes()[:60] if content == b"cut" else content)
    with pytest.raises(UserError, match=r"is damaged|holds other files"):
        fetch([source], make_places(neighbour=mirror), tmp_path / "cache")


def test_too_large_download_is_stopped(tmp_path: Path, source: Source, server: ThreadingHTTPServer) -> None:
    path = tmp_path / "served" / source.archive()
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(2_000_000))
    with pytest.raises(UserError, match="is larger than 100000 bytes"):
        fetch([source], make_places(mirrors=(f"http://127.0.0.1:{server.server_port}",)), tmp_path / "cache", limits=LIMITS)


def test_a_link_inside_is_kept_and_counts_as_its_content(tmp_path: Path, source: Source) -> None:
    plain = tmp_path / "plain" / "base"
    (plain / "l.yaml").write_bytes(FILES["base/a.yaml"])
    linked = source.model_copy(update={"dirhash": dirhash(plain.parent)})
    archive(tmp_path / "m" / source.archive(), FILES, (info("repo-123/base/l.yaml", tarfile.SYMTYPE, to="a.yaml"),))
    tree = fetch([linked], make_places(neighbour=tmp_path / "m"), tmp_path / "cache")["thing"]
    assert (tree / "base/l.yaml").is_symlink()


def test_a_warm_cache_needs_no_place(tmp_path: Path, source: Source, mirror: Path) -> None:
    fetch([source], make_places(neighbour=mirror), tmp_path / "cache")
    lines: list[str] = []
    fetch([source], make_places(), tmp_path / "cache", report=lines.append)
    assert lines == []


def test_an_interrupted_run_leaves_nothing_that_hurts(
    tmp_path: Path, source: Source, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    module = __import__("mlops.bundles.fetch", fromlist=["dirhash"])
    with monkeypatch.context() as patch:
        patch.setattr(module, "dirhash", cut)
        with pytest.raises(KeyboardInterrupt):
            fetch([source], make_places(neighbour=mirror), tmp_path / "cache")
    tree = tree_of(source, tmp_path / "cache")
    leftover = tree.parent / f".{tree.name}.killed"  # what kill -9 leaves behind
    (leftover / "tree").mkdir(parents=True)
    assert not tree.exists()
    assert dirhash(fetch([source], make_places(neighbour=mirror), tmp_path / "cache")["thing"]) == source.dirhash
    assert not leftover.exists()


def _fetch_in_process(source: Source, mirror: Path, cache: Path, results: multiprocessing.Queue[list[str]]) -> None:
    lines: list[str] = []
    fetch_package([source], Places(neighbour=mirror, origin="http://127.0.0.1:9"), cache, report=lines.append)
    results.put(lines)


def test_of_two_processes_one_works(tmp_path: Path, source: Source, mirror: Path) -> None:
    context = multiprocessing.get_context("fork")  # what is imported already need not be again
    results: multiprocessing.Queue[list[str]] = context.Queue()
    processes = [context.Process(target=_fetch_in_process, args=(source, mirror, tmp_path / "cache", results)) for _ in range(2)]
    for process in processes:
        process.start()
    lines = [results.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert sum(map(len, lines)) == 1


def test_many_threads_share_one_result(tmp_path: Path, source: Source, mirror: Path) -> None:
    lines: list[str] = []
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(fetch, [source], make_places(neighbour=mirror), tmp_path / "cache", report=lines.append) for _ in range(8)
        ]
        assert {dirhash(job.result()["thing"]) for job in jobs} == {source.dirhash}
    assert len(lines) == 1


def test_a_cache_that_cannot_be_written(tmp_path: Path, source: Source, mirror: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="a folder that can be written"):
        fetch([source], make_places(neighbour=mirror), tmp_path / "cache")


@pytest.mark.parametrize(
    "what",
    [
        ("archive", "copyfileobj", errno.ENOSPC, "free space"),
        ("archive", "copyfileobj", errno.EFBIG, "ulimit -f"),
        ("fetch", "dirhash", errno.ENOSPC, "free space"),
    ],
)
def test_a_full_disk_is_told_as_such_and_once(
    what: tuple[str, str, int, str], tmp_path: Path, source: Source, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, function, number, mend = what

    def full(*_: object) -> None:
        raise OSError(number, "No space left on device", "some file")

    other = source.model_copy(update={"name": "other", "dirhash": "h1:" + "A" * 43 + "="})
    module = importlib.import_module(f"mlops.bundles.{name}")  # the package's `fetch` is the function
    monkeypatch.setattr(module if name == "fetch" else module.shutil, function, full)
    with pytest.raises(UserError) as caught:
        fetch([source, other], make_places(neighbour=mirror), tmp_path / "cache")
    (problem,) = caught.value.problems
    assert (problem.where, problem.found) == (str(tmp_path / "cache"), "No space left on device")
    assert mend in problem.mend
    assert [p.name for p in (tmp_path / "cache/sources").iterdir() if not p.name.endswith(".lock")] == []


def test_a_tree_altered_in_the_cache_is_fetched_anew_before_it_is_used(tmp_path: Path, source: Source, mirror: Path) -> None:
    places, cache, said = make_places(mirrors=(str(mirror),)), tmp_path / "cache", list[str]()
    (tree,) = fetch([source], places, cache).values()
    victim = next(path for path in sorted(tree.rglob("*")) if path.is_file())
    sound = victim.read_bytes()
    victim.write_bytes(b"image: evil.example/controller")
    assert fetch([source], places, cache, check=True, report=said.append)[source.name].is_dir()
    assert victim.read_bytes() == sound
    assert "altered" in said[0]


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        ("http://user:s3/cret@127.0.0.1:9", "//****@127.0.0.1:9"),
        ("https://s3cret@mirror.example", "without user and password"),
        ("http://u:s3cret@[bad", "Invalid IPv6 URL"),
    ],
)
def test_mirrors_of_the_environment_that_are_refused(tmp_path: Path, mirror: str, message: str) -> None:
    with pytest.raises(UserError, match="mirror") as caught:
        Places.from_environment(checkout=tmp_path, environ={"MLOPS_SOURCE_MIRRORS": f"/a {mirror}"})
    (problem,) = caught.value.problems
    assert message in str(problem)
    assert "s3" not in str(problem)


def test_an_altered_archive_says_to_look_at_the_lock(tmp_path: Path, source: Source) -> None:
    archive(tmp_path / "mirror" / source.archive(), {"base/a.yaml": b"changed"})
    with pytest.raises(UserError) as caught:
        fetch([source], make_places(neighbour=tmp_path / "mirror"), tmp_path / "cache")
    (problem,) = caught.value.problems
    assert "commit, paths and dirhash of sources.thing in the lock file" in problem.mend
    assert "mlops fetch --update thing v1" in problem.mend
    assert "MLOPS_SOURCE_MIRRORS" not in problem.mend


def test_a_sound_cache_that_cannot_be_written_is_good_enough(
    tmp_path: Path, source: Source, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, cache = make_places(mirrors=(str(mirror),)), tmp_path / "cache"
    fetch([source], places, cache)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert fetch([source], places, cache, check=True)[source.name].is_dir()
