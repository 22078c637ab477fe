"""A bundle: its objects, from the cache when nothing has changed."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlops.bundles.fetch import Report, fetch
from mlops.bundles.lock import Source, read_lock
from mlops.bundles.places import Places
from mlops.bundles.render import Kustomize, render, sources_of
from mlops.errors import Problem, UserError
from mlops.ordering.objects import KubeObject, from_bodies, parse_documents

LOCK_FILE = "sources.lock.yaml"
_FORMAT = "1"  # of the cache's entries


@dataclass(frozen=True, slots=True)
class Bundle:
    """A rendered bundle.

    Attributes:
        name: name of its folder.
        objects: its objects, in kustomize's order.
        digest: digest of all that it was rendered from.
    """

    name: str
    objects: tuple[KubeObject, ...]
    digest: str


def load_bundle(
    name: str, *, manifests: Path, places: Places, cache: Path, kustomize: Kustomize, report: Report | None = None
) -> Bundle:
    """Fetch, render and parse a bundle, each as far as it is not done yet.

    Args:
        name: folder below ``manifests``.
        manifests: folder with ``sources.lock.yaml`` and the bundles.
        places: where to look for sources.
        cache: folder of the cache.
        kustomize: what to render with.
        report: called with one line for each source that had to be fetched.

    Raises:
        UserError: no such bundle, a source not in the lock or not available, a kustomization that does not build.
        OrderingError: the rendered documents are no usable objects.
    """
    folder = manifests / name
    if not (folder / "kustomization.yaml").is_file():
        raise UserError(f"there is no bundle {name!r}", [Problem(str(folder), "", f"one of: {', '.join(bundles_in(manifests))}")])
    sources = _used_sources(folder, read_lock(manifests / LOCK_FILE), manifests / LOCK_FILE)
    digest = _digest(folder, sources, kustomize.version)
    kept = cache / "bundles" / f"{name}-{digest}.json"
    origin = f"bundle {name}"
    try:
        return Bundle(name, from_bodies(json.loads(kept.read_bytes()), origin=origin), digest)
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):  # not rendered yet, or cut short by a full disk
        pass
    trees = fetch(sources, places, cache, report=report)
    objects = parse_documents(render(folder, trees, kustomize.path()), origin=origin)
    _keep(kept, json.dumps([item.body for item in objects], separators=(",", ":")))
    return Bundle(name, objects, digest)


def bundles_in(manifests: Path) -> tuple[str, ...]:
    """Names of the bundles in a folder, sorted."""
    return tuple(sorted(path.parent.name for path in manifests.glob("*/kustomization.yaml")))


def _used_sources(folder: Path, lock: dict[str, Source], lock_file: Path) -> tuple[Source, ...]:
    names = sources_of(folder)
    unknown = [name for name in names if name not in lock]
    if unknown:
        problems = [
            Problem(str(folder), f"../sources/{name}", f"a source of {lock_file}: {', '.join(sorted(lock))}") for name in unknown
        ]
        raise UserError(f"bundle {folder.name} uses sources that are not locked", problems)
    return tuple(lock[name] for name in names)


def _digest(folder: Path, sources: tuple[Source, ...], kustomize_version: str) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = [(path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    parts = [_FORMAT, kustomize_version, content, [(source.name, source.dirhash) for source in sources]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _keep(path: Path, text: str) -> None:
    """Write a file so that readers see all of it or nothing.

    Raises:
        UserError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".", delete=False) as file:
            file.write(text)
        Path(file.name).replace(path)
    except OSError as error:
        problem = Problem(str(path.parent), str(error), "a folder that can be written", "set MLOPS_CACHE_DIR to one, or free space")
        raise UserError("the cache of bundles cannot be used", [problem]) from error
