"""Bundles: their objects, from the cache when nothing has changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

from mlops.bundles.bases import KUSTOMIZATION_FILES
from mlops.bundles.charts import CHART_FILE
from mlops.bundles.fetch import Report, fetch
from mlops.bundles.hooks import Precedence
from mlops.bundles.lock import Source, closure, read_lock
from mlops.bundles.places import Places
from mlops.bundles.programs import Helm, Kustomize
from mlops.bundles.render import Rendered, render, sandbox, sources_of
from mlops.bundles.threads import in_threads
from mlops.errors import Problem, UserError
from mlops.ordering import KubeObject, ObjectRef, OrderingError, from_bodies
from mlops.ordering.objects import duplicates
from mlops.tools.progress import Progress

LOCK_FILE = "sources.lock.yaml"
_FORMAT = "3"  # of the cache's entries
_NOT_RENDERED = {"order.yaml"}  # a change of the order makes no other objects


@dataclass(frozen=True, slots=True)
class Bundle:
    """A rendered bundle.

    Attributes:
        name: name of its folder.
        objects: its objects, in the order of the program that made them.
        digest: digest of all that it was rendered from.
        order: what the hooks of its chart ask for, none without a chart.
    """

    name: str
    objects: tuple[KubeObject, ...]
    digest: str
    order: tuple[Precedence, ...] = ()


@dataclass(frozen=True, slots=True)
class _Job:
    """A bundle that is wanted, its place in the cache and what it needs."""

    folder: Path
    sources: tuple[Source, ...]
    digest: str
    kept: Path

    @property
    def name(self) -> str:
        return self.folder.name


def load_bundle(
    name: str,
    *,
    manifests: Path,
    places: Places,
    cache: Path,
    kustomize: Kustomize,
    helm: Helm | None = None,
    report: Report | None = None,
) -> Bundle:
    """Load one bundle; see :func:`load_bundles`."""
    (bundle,) = load_bundles([name], manifests=manifests, places=places, cache=cache, kustomize=kustomize, helm=helm, report=report)
    return bundle


def load_bundles(
    names: Iterable[str],
    *,
    manifests: Path,
    places: Places,
    cache: Path,
    kustomize: Kustomize,
    helm: Helm | None = None,
    lock: Mapping[str, Source] | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
) -> tuple[Bundle, ...]:
    """Fetch, render and parse bundles, each as far as it is not done yet; several at a time.

    Args:
        names: folders below ``manifests``.
        manifests: folder with ``sources.lock.yaml`` and the bundles.
        places: where to look for sources.
        cache: folder of the cache.
        kustomize: what to render kustomizations with.
        helm: what to render charts with; the pinned one when left out.
        lock: sources, in place of those of ``manifests``.
        report: called with one line for each source that had to be fetched.
        progress: told of downloads, and of bundles that are being rendered.

    Raises:
        UserError: no such bundle, a source or base not in the lock, or not available, a folder that does not render.
        OrderingError: the rendered documents are no usable objects, or two bundles hold the same object.
    """
    helm = helm or Helm.pinned()
    sources = read_lock(manifests / LOCK_FILE) if lock is None else lock
    jobs = [_job(manifests / name, sources, cache, kustomize, helm) for name in dict.fromkeys(names)]
    done = {job.name: bundle for job in jobs if (bundle := _from_cache(job)) is not None}
    missing = [job for job in jobs if job.name not in done]
    if missing:
        needed = {source.name: source for job in missing for source in job.sources}
        trees = fetch(needed.values(), places, cache, report=report, progress=progress, check=True)
        with sandbox([job.folder for job in missing], trees, sources) as root:
            one = partial(_rendered, root=root, kustomize=kustomize, helm=helm, progress=progress or Progress())
            rendered = in_threads(one, missing, at_once=os.cpu_count() or 1, failed="bundles cannot be rendered")
            done |= {bundle.name: bundle for bundle in rendered}
    bundles = tuple(done[job.name] for job in jobs)
    problems = duplicates(item for bundle in bundles for item in bundle.objects)
    if problems:
        raise OrderingError("bundles hold the same object", problems)
    return bundles


def bundles_in(manifests: Path) -> tuple[str, ...]:
    """Names of the bundles in a folder, sorted."""
    files = (CHART_FILE, *KUSTOMIZATION_FILES)
    return tuple(sorted({path.parent.name for file in files for path in manifests.glob(f"*/{file}")}))


def bundles_using(source: str, manifests: Path, lock: Mapping[str, Source]) -> tuple[str, ...]:
    """Names of the bundles that are made from a source, also by way of another one's bases; sorted."""
    return tuple(
        name
        for name in bundles_in(manifests)
        if any(used.name == source for used in closure((n for n in sources_of(manifests / name) if n in lock), lock))
    )


def _job(folder: Path, lock: Mapping[str, Source], cache: Path, kustomize: Kustomize, helm: Helm) -> _Job:
    name, manifests = folder.name, folder.parent
    known = bundles_in(manifests)
    if name not in known:
        raise UserError(f"there is no bundle {name!r}", [Problem(str(folder), "", f"one of: {', '.join(known)}")])
    named = sources_of(folder)
    unknown = [
        Problem(str(folder), f"../sources/{source}", f"a source of {manifests / LOCK_FILE}: {', '.join(sorted(lock))}")
        for source in named
        if source not in lock
    ]
    if unknown:
        raise UserError(f"bundle {name} uses sources that are not locked", unknown)
    sources = closure(named, lock)
    versions = [kustomize.version, *([helm.version] if (folder / CHART_FILE).is_file() else [])]
    digest = _digest(folder, sources, versions)
    return _Job(folder, sources, digest, cache / "bundles" / f"{name}-{digest}.json")


def _digest(folder: Path, sources: tuple[Source, ...], versions: list[str]) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in _NOT_RENDERED)
    content = [(path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    parts = [_FORMAT, versions, content, [source.model_dump(mode="json") for source in sources]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _from_cache(job: _Job) -> Bundle | None:
    """The bundle as it was kept; None when it is not rendered yet, or its entry is not what was written."""
    try:
        digest, _, text = job.kept.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None  # the reason is told when the entry cannot be written anew
    if digest != _sum(text):
        return None
    content = json.loads(text)
    order = tuple(Precedence(ObjectRef(*first), ObjectRef(*then), reason) for first, then, reason in content["order"])
    return Bundle(job.name, from_bodies(content["objects"], origin=f"bundle {job.name}"), job.digest, order)


def _rendered(job: _Job, *, root: Path, kustomize: Kustomize, helm: Helm, progress: Progress) -> Bundle:
    progress.start(f"bundle {job.name}")
    made: Rendered = render(job.name, root, kustomize, helm)
    order = [[astuple(item.first), astuple(item.then), item.reason] for item in made.order]
    content = {"objects": [item.body for item in made.objects], "order": order}
    text = json.dumps(content, separators=(",", ":"))
    _keep(job.kept, f"{_sum(text)}\n{text}")
    return Bundle(job.name, made.objects, job.digest, made.order)


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _keep(path: Path, text: str) -> None:
    """Write a file so that readers see all of it or nothing.

    Raises:
        UserError: it cannot be written.
    """
    scratch: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".", delete=False) as file:
            scratch = Path(file.name)
            file.write(text)
        if path.is_dir():
            shutil.rmtree(path)
        scratch.replace(path)
    except OSError as error:
        if scratch:
            scratch.unlink(missing_ok=True)
        problem = Problem(str(path.parent), str(error), "a folder that can be written", "set MLOPS_CACHE_DIR to one, or free space")
        raise UserError("the cache of bundles cannot be used", [problem]) from error
