"""Fetching: archives from the nearest place that has the right one, verified, unpacked once, kept by digest."""

from __future__ import annotations

import base64
import fcntl
import http.client
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from mlops.bundles.archive import ArchiveError, Limits, unpack
from mlops.bundles.dirhash import dirhash
from mlops.bundles.lock import Source
from mlops.bundles.places import Places
from mlops.errors import Problem, UserError

_SILENCE_SECONDS = 20.0
_AT_ONCE = 4
_CHUNK = 1024**2

Report = Callable[[str], None]


class _NotHere(Exception):  # noqa: N818  (no error: the next place is tried)
    """A place does not have the right archive; the text says why."""


def tree_of(source: Source, cache: Path) -> Path:
    """Folder in which a verified source lies unpacked, whether or not it is there yet."""
    digest = base64.b64decode(source.dirhash.removeprefix("h1:")).hex()
    return cache / "sources" / digest


def fetch(
    sources: Iterable[Source], places: Places, cache: Path, *, report: Report | None = None, limits: Limits | None = None
) -> dict[str, Path]:
    """Make sources available as folders.

    A source that is in the cache costs one look at a folder. Proxies and trusted CAs for URLs come from the environment
    (``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE``).

    Args:
        sources: what is needed.
        places: where to look.
        cache: folder of the cache (:func:`mlops.bundles.places.default_cache`).
        report: called with one line for each source that was not in the cache.
        limits: limits for archives.

    Returns:
        Folder of each source by its name; to be read only.

    Raises:
        UserError: names each source that no place has, and for each place tried the reason.
    """
    wanted = {source.name: source for source in sources}
    problems: dict[str, Problem] = {}

    def one(source: Source) -> None:
        try:
            _provide(source, places, cache, report, limits or Limits())
        except UserError as error:
            problems[source.name] = error.problems[0]

    missing = [source for source in wanted.values() if not tree_of(source, cache).is_dir()]
    if missing:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(one, missing))
    if problems:
        raise UserError(
            "upstream sources are not available" if len(problems) > 1 else "an upstream source is not available",
            [problems[name] for name in sorted(problems)],
        )
    return {name: tree_of(source, cache) for name, source in wanted.items()}


def _provide(source: Source, places: Places, cache: Path, report: Report | None, limits: Limits) -> None:
    """Put one source into the cache; of several processes one works, the others find it done."""
    tree = tree_of(source, cache)
    try:
        tree.parent.mkdir(parents=True, exist_ok=True)
        with _locked(tree.with_suffix(".lock")):
            if tree.is_dir():
                return
            for leftover in tree.parent.glob(f".{tree.name}.*"):  # of an interrupted run: we hold the lock
                shutil.rmtree(leftover)
            with tempfile.TemporaryDirectory(prefix=f".{tree.name}.", dir=tree.parent) as scratch:
                place = _first_good(source, places, Path(scratch), limits)
                (Path(scratch) / "tree").rename(tree)
    except OSError as error:
        problem = Problem(str(cache), str(error), "a folder that can be written", "set MLOPS_CACHE_DIR to one, or free space")
        raise UserError("the cache of sources cannot be used", [problem]) from error
    if report:
        report(f"source {source.name} {source.tag}: {place}")


def _first_good(source: Source, places: Places, scratch: Path, limits: Limits) -> Path | str:
    """Unpack the source into ``scratch/tree`` from the first place that has it, and tell which one that was."""
    tried = []
    for place in places.candidates(source):
        tree = scratch / "tree"
        tree.mkdir()
        try:
            archive = place if isinstance(place, Path) else _download(place, scratch / "archive", limits.compressed)
            _verified(source, archive, tree, limits)
        except _NotHere as reason:
            tried.append(f"{place}: {reason}")
            shutil.rmtree(tree)
        else:
            return place
    mend = f"put {source.archive()} (the repository's archive of that commit) into a mirror, name it in MLOPS_SOURCE_MIRRORS"
    found = "\n".join(tried)
    raise UserError(
        "",
        [Problem(f"source {source.name} ({source.repository} {source.tag})", found, f"files with digest {source.dirhash}", mend)],
    )


def _verified(source: Source, archive: Path, tree: Path, limits: Limits) -> None:
    try:
        unpack(archive, source.paths, tree, limits)
        digest = dirhash(tree)
    except FileNotFoundError as error:
        raise _NotHere("no such file" if not archive.exists() else f"a link leads nowhere: {error.filename}") from error
    except (ArchiveError, OSError) as error:
        raise _NotHere(str(error)) from error
    if digest != source.dirhash:
        raise _NotHere(f"holds other files than the lock says: digest {digest}")


def _download(url: str, to: Path, limit: int) -> Path:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise _NotHere("not a http(s) URL")
    size = 0
    try:
        with urllib.request.urlopen(url, timeout=_SILENCE_SECONDS) as answer, to.open("wb") as file:  # noqa: S310  (scheme checked)
            while chunk := answer.read(_CHUNK):
                size += len(chunk)
                if size > limit:
                    raise _NotHere(f"is larger than {limit} bytes")
                file.write(chunk)
    except urllib.error.HTTPError as error:
        raise _NotHere(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _NotHere(str(error.reason)) from error
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _NotHere(f"{type(error).__name__}: {error}") from error
    return to


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file's lock; the kernel lets go of it when the process ends, however it ends."""
    with path.open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
