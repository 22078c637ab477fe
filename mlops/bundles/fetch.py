"""Fetching: archives from the nearest place that has the right one, verified, unpacked once, kept by digest."""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops.bundles.archive import ArchiveError, Limits, no_room, unpack
from mlops.bundles.dirhash import dirhash
from mlops.bundles.download import DownloadError, Seen, download
from mlops.bundles.lock import Source
from mlops.bundles.places import Address, Places
from mlops.bundles.threads import in_threads
from mlops.errors import Problem, UserError
from mlops.tools.progress import Progress

_AT_ONCE = 4

Report = Callable[[str], None]


class _NotHere(Exception):  # noqa: N818  (no error: the next place is tried)
    """A place does not have the right archive; the text says why."""


class _Differs(_NotHere):
    """It has an archive of that commit, with other files than the lock says."""


def tree_of(source: Source, cache: Path) -> Path:
    """Folder in which a verified source lies unpacked, whether or not it is there yet."""
    digest = base64.b64decode(source.dirhash.removeprefix("h1:")).hex()
    return cache / "sources" / digest


def fetch(
    sources: Iterable[Source],
    places: Places,
    cache: Path,
    *,
    report: Report | None = None,
    progress: Progress | None = None,
    limits: Limits | None = None,
    check: bool = False,
) -> dict[str, Path]:
    """Make sources available as folders.

    A source that is in the cache costs one look at a folder. The proxy towards the origin and trusted CAs come from the environment
    (``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE``); mirrors are asked without a proxy. An interrupted download leaves a file in
    the cache's folder ``downloads``, from which the next one goes on.

    Args:
        sources: what is needed.
        places: where to look.
        cache: folder of the cache (:func:`mlops.folders.cache_folder`).
        report: called with one line for each source that was not in the cache.
        progress: told of the downloads that are under way, all in one line.
        limits: limits for archives.
        check: verify what is in the cache as well, and fetch anew what was altered there; done before anything is rendered.

    Returns:
        Folder of each source by its name; to be read only.

    Raises:
        UserError: names each source that no place has, and for each place tried the reason.
    """
    wanted = {source.name: source for source in sources}
    downloads = _Downloads(cache / "downloads", limits or Limits(), progress or Progress())

    def one(source: Source) -> None:
        _provide(source, places, cache, report, downloads)

    if check:
        with _cache_in_use(cache):
            for source in wanted.values():
                _drop_altered(source, tree_of(source, cache), report)
    missing = [source for _, source in sorted(wanted.items()) if not tree_of(source, cache).is_dir()]
    if missing:
        downloads.progress.start("upstream sources")
        in_threads(one, missing, at_once=_AT_ONCE, failed="upstream sources are not available")
    return {name: tree_of(source, cache) for name, source in wanted.items()}


def fetch_unverified(source: Source, places: Places, cache: Path, *, progress: Progress | None = None) -> Source:
    """Fetch a source whose digest is not known yet, and keep it under the digest that it has.

    For a new pin only: what comes here is trusted as the place that it came from.

    Args:
        source: repository, commit and paths; its digest is not looked at.
        places: where to look.
        cache: folder of the cache.
        progress: told of the download.

    Returns:
        The source with its digest.

    Raises:
        UserError: no place has it.
    """
    downloads = _Downloads(cache / "downloads", Limits(), progress or Progress())
    downloads.progress.start(source.label)
    with _cache_in_use(cache), tempfile.TemporaryDirectory(prefix=".new-", dir=_made(cache / "sources")) as scratch:
        _first_good(source, places, Path(scratch), downloads, verify=False)
        found = source.model_copy(update={"dirhash": dirhash(Path(scratch) / "tree")})
        tree = tree_of(found, cache)
        with _locked(tree.with_suffix(".lock")):
            if not tree.is_dir():
                (Path(scratch) / "tree").rename(tree)
    return found


class _Downloads:
    """Downloads of one call: partial files in one folder, one line of progress for all.

    Args:
        folder: where partial files are kept.
        limits: limits for archives.
        progress: where the line goes.
    """

    def __init__(self, folder: Path, limits: Limits, progress: Progress) -> None:
        self.limits, self.progress = limits, progress
        self._folder = folder
        self._under_way: dict[str, str] = {}
        self._lock = threading.Lock()

    def part(self, source: Source, address: Address) -> Path:
        """The partial file of one source from one place; the same in every run."""
        digest = hashlib.sha256(f"{source.dirhash} {address}".encode()).hexdigest()
        return _made(self._folder) / f"{source.name}-{digest[:16]}.part"

    def get(self, source: Source, address: Address) -> tuple[Path, bool]:
        """Download an archive; says also whether an earlier download was gone on with.

        Raises:
            DownloadError: it cannot be had there.
        """
        part = self.part(source, address)
        seen = self._seen(source.name)
        return part, download(address.url, part, limit=self.limits.compressed, direct=address.direct, seen=seen)

    def _seen(self, name: str) -> Seen:
        def seen(size: int, total: int | None) -> None:
            with self._lock:
                self._under_way[name] = f"{name} {size >> 20} MiB" if total is None else f"{name} {size >> 20} of {total >> 20} MiB"
                line = ", ".join(self._under_way.values())
            self.progress.update(line)

        return seen


def _provide(source: Source, places: Places, cache: Path, report: Report | None, downloads: _Downloads) -> None:
    """Put one source into the cache; of several processes one works, the others find it done."""
    tree = tree_of(source, cache)
    with _cache_in_use(cache):
        tree.parent.mkdir(parents=True, exist_ok=True)
        with _locked(tree.with_suffix(".lock")):
            if tree.is_dir():
                return
            for leftover in tree.parent.glob(f".{tree.name}.*"):  # of an interrupted run: we hold the lock
                shutil.rmtree(leftover)
            with tempfile.TemporaryDirectory(prefix=f".{tree.name}.", dir=tree.parent) as scratch:
                place = _first_good(source, places, Path(scratch), downloads)
                (Path(scratch) / "tree").rename(tree)
    if report:
        report(f"source {source.name} {source.tag}: {place}")


def _drop_altered(source: Source, tree: Path, report: Report | None) -> None:
    """Take a tree out of the cache when it is no longer what the lock says; a sound one needs no right to write."""
    if not tree.is_dir() or _is_sound(source, tree):
        return
    with _locked(tree.with_suffix(".lock")):
        if tree.is_dir() and not _is_sound(source, tree):  # another process may have mended it meanwhile
            shutil.rmtree(tree)
            if report:
                report(f"source {source.name}: its files in the cache were altered; it is fetched anew")


def _is_sound(source: Source, tree: Path) -> bool:
    try:
        return dirhash(tree) == source.dirhash
    except OSError:  # a link that leads nowhere, a file that is gone
        return False


def _first_good(source: Source, places: Places, scratch: Path, downloads: _Downloads, *, verify: bool = True) -> Path | Address:
    """Unpack the source into ``scratch/tree`` from the first place that has it, and tell which one that was."""
    tried: list[tuple[Path | Address, _NotHere]] = []
    for place in places.candidates(source):
        try:
            if isinstance(place, Path):
                _unpacked(source, place, scratch / "tree", downloads.limits, verify=verify)
            else:
                _downloaded(source, place, scratch / "tree", downloads, verify=verify)
        except _NotHere as reason:
            tried.append((place, reason))
        else:
            return place
    mend = f"put {source.archive()} (the repository's archive of that commit) into "
    mend += f"{places.air_gap}" if places.air_gap else "a mirror, name it in MLOPS_SOURCE_MIRRORS"
    if any(isinstance(reason, _Differs) for _, reason in tried):
        mend = f"see whether commit, paths and dirhash of sources.{source.name} in the lock file are as they were committed:\n"
        mend += f"- a pin that was changed by hand gets its digest from: mlops fetch --update {source.name} {source.tag}\n"
        mend += "- if they are right, the archives of these places are not, and have to be replaced"
    found = "\n".join(f"{place}: {reason}" for place, reason in tried)
    allowed = f"files with digest {source.dirhash}" if verify else f"the archive of commit {source.commit}"
    raise UserError("an upstream source is not available", [Problem(source.label, found, allowed, mend)])


def _downloaded(source: Source, address: Address, tree: Path, downloads: _Downloads, *, verify: bool) -> None:
    """Download and unpack; bytes of an earlier download that do not fit are thrown away, and all is asked for once more."""
    try:
        part, resumed = downloads.get(source, address)
        try:
            _unpacked(source, part, tree, downloads.limits, verify=verify)
        except _NotHere:
            part.unlink()
            if not resumed:
                raise
            part, _ = downloads.get(source, address)
            try:
                _unpacked(source, part, tree, downloads.limits, verify=verify)
            finally:
                part.unlink()
        else:
            part.unlink()
    except DownloadError as error:
        raise _NotHere(str(error)) from error


def _unpacked(source: Source, archive: Path, tree: Path, limits: Limits, *, verify: bool) -> None:
    """Unpack an archive into a folder; the folder is there only when the content is right."""
    tree.mkdir()
    wrong: _NotHere | None = None
    try:
        unpack(archive, source.paths, tree, limits, without=source.without)
        digest = dirhash(tree)
        if not any(tree.iterdir()):
            wrong = _NotHere(f"holds nothing below {', '.join(source.paths)}")
        elif verify and digest != source.dirhash:
            wrong = _Differs(f"holds other files than the lock says: digest {digest}")
    except FileNotFoundError as error:
        wrong = _NotHere("no such file" if not archive.exists() else f"a link leads nowhere: {error.filename}")
    except (ArchiveError, OSError) as error:
        if no_room(error):
            raise
        wrong = _NotHere(str(error))
    if wrong:
        shutil.rmtree(tree)
        raise wrong


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _cache_in_use(cache: Path) -> Iterator[None]:
    """Tell the user when the cache cannot be written.

    Raises:
        UserError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        found = f"{error.strerror}" if no_room(error) else str(error)  # the same for all sources, whatever file was being written
        mend = "set MLOPS_CACHE_DIR to one, or free space"
        if error.errno == errno.EFBIG:
            mend = "let files be larger (ulimit -f)"
        problem = Problem(str(cache), found, "a folder that can be written", mend)
        raise UserError("the cache of sources cannot be used", [problem]) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file's lock; the kernel lets go of it when the process ends, however it ends."""
    with path.open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
