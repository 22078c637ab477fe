"""Where `mlops graph` gets its objects: bundles of this project, files, folders, standard input, URLs."""

from __future__ import annotations

import errno
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mlops.bundles import Kustomize, bundles_in, load_bundles
from mlops.bundles.download import DownloadError, download
from mlops.bundles.order import overrides_of
from mlops.cli.places import MANIFESTS, places_of
from mlops.errors import Problem, UserError
from mlops.folders import cache_folder
from mlops.ordering import KubeObject, Overrides, from_bodies
from mlops.ordering.documents import MAX_BYTES, load_yaml, too_big
from mlops.ordering.words import shortened
from mlops.tools.console import ConsoleProgress

_NOTHING = "there is nothing to put in order"
_LONGEST_NAME = 255  # of one part of a path
_SUFFIXES = {".yaml", ".yml", ".json"}
# What has to be rendered before there are objects, and how.
_RENDERED = {
    "kustomization.yaml": "kustomize build",
    "kustomization.yml": "kustomize build",
    "Kustomization": "kustomize build",
    "Chart.yaml": "helm template",
}


@dataclass(frozen=True, slots=True)
class Input:
    """What is put in order.

    Attributes:
        objects: the objects.
        overrides: what the bundles know better.
    """

    objects: tuple[KubeObject, ...]
    overrides: Overrides


def read(what: Sequence[str], *, note: Callable[[str], None], site: str | None = None) -> Input:
    """Read everything that is named; all bundles when nothing is.

    Args:
        what: bundles, files, folders, ``-`` for standard input, URLs.
        note: told of files in folders that hold no objects.
        site: whose settings say where sources of bundles are.

    Raises:
        UserError: something that cannot be read, all of it at once.
    """
    known = bundles_in(MANIFESTS)
    names = [name for name in what or known if name in known]
    with ConsoleProgress() as progress:
        bundles = load_bundles(
            names,
            manifests=MANIFESTS,
            places=places_of(site),
            cache=cache_folder(),
            kustomize=Kustomize.pinned(),
            report=progress.say,
            progress=progress,
        )
    objects = [item for bundle in bundles for item in bundle.objects]
    problems: list[Problem] = []
    for name in what:
        if name not in known:
            try:
                objects += _objects(name, known, note)
            except UserError as error:
                problems += error.problems
    if problems:
        raise UserError(_NOTHING, problems)
    return Input(tuple(objects), overrides_of(bundles, MANIFESTS))


def _objects(name: str, bundles: tuple[str, ...], note: Callable[[str], None]) -> Iterable[KubeObject]:
    if name == "-":
        return _parsed(_standard_input(), "standard input")
    if name.lower().startswith(("http://", "https://")):
        return _parsed(_downloaded(name), name)
    allowed = f"a file, a folder, - for standard input, a http(s) URL, or a bundle: {', '.join(bundles)}"
    path = Path(name)
    try:
        if path.is_dir():
            return _of_folder(path, bundles, note)
        there = path.exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise _refused(name, error.strerror or "", allowed) from error
        there = False
    if not there:
        first, more, _ = name.partition("\n")
        if more or len(name) > _LONGEST_NAME:
            mend = "hand it over on standard input, e.g. kustomize build DIR | mlops graph -"
            raise _refused(shortened(first), "a text in place of a name", allowed, mend)
        raise _refused(name, "no such file", allowed)
    return _parsed(_file(path), name)


def _of_folder(folder: Path, bundles: tuple[str, ...], note: Callable[[str], None]) -> list[KubeObject]:
    below = [path for path in folder.rglob("*") if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    recipes = {path.parent: path.name for path in sorted(below) if path.name in _RENDERED and path.is_file()}
    outermost = [inner for inner in sorted(recipes) if recipes.keys().isdisjoint(inner.parents)]
    problems = [_to_render(inner, recipes[inner], bundles) for inner in outermost]
    files = sorted(path for path in below if path.suffix in _SUFFIXES and path.is_file())
    objects: list[KubeObject] = []
    for path in files:
        if not recipes.keys().isdisjoint(path.parents):
            continue
        try:
            bodies = load_yaml(_file(path), origin=str(path))
            if any(isinstance(body, dict) and not {"apiVersion", "kind"}.isdisjoint(body) for body in bodies):
                objects += from_bodies(bodies, origin=str(path))
            else:
                note(f"left out: {path} holds no Kubernetes objects")
        except UserError as error:
            problems += error.problems
    if not files:
        problems.append(Problem(str(folder), "no file that ends in .yaml, .yml or .json", "a folder of manifests"))
    if problems:
        raise UserError(_NOTHING, problems)
    return objects


def _to_render(folder: Path, recipe: str, bundles: tuple[str, ...]) -> Problem:
    """A folder that holds no objects yet. The sources of a bundle of this project lie beside it only while it is rendered."""
    ours = folder.resolve()
    known = ours.name in bundles and ours.parent == MANIFESTS
    mend = f"mlops graph {ours.name}" if known else f"{_RENDERED[recipe]} {folder} | mlops graph -"
    return Problem(str(folder), recipe, "a folder of plain manifests, all that is in it too", mend)


def _parsed(text: str, origin: str) -> tuple[KubeObject, ...]:
    objects = from_bodies(load_yaml(text, origin=origin), origin=origin)
    if not objects:
        raise _refused(origin, "", "at least one Kubernetes object")
    return objects


def _standard_input() -> str:
    origin = "standard input"
    if sys.stdin is None:
        raise _refused(origin, "closed", "manifests", "kustomize build DIR | mlops graph -")
    return _decoded(sys.stdin.buffer.read(MAX_BYTES + 1), origin)


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return _decoded(file.read(MAX_BYTES + 1), str(path))
    except OSError as error:
        raise _refused(str(path), error.strerror or str(error), "a readable file") from error


def _decoded(data: bytes, origin: str) -> str:
    if len(data) > MAX_BYTES:
        raise too_big(origin)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte {error.object[error.start]:#04x}, which is no UTF-8"
        raise _refused(f"{origin}, line {line}", found, "YAML or JSON, UTF-8") from error


def _downloaded(url: str) -> str:
    allowed = f"a URL that answers with at most {MAX_BYTES // 2**20} MiB of YAML"
    try:
        urlsplit(url)
    except ValueError as error:
        raise _refused(url, f"no URL: {error}", allowed) from error
    with tempfile.TemporaryDirectory(prefix="mlops-graph-") as scratch:
        part = Path(scratch) / "manifest"
        try:
            download(url, part, limit=MAX_BYTES)
        except DownloadError as error:
            raise _refused(url, str(error), allowed) from error
        return _decoded(part.read_bytes(), url)


def _refused(where: str, found: str, allowed: str, mend: str = "") -> UserError:
    return UserError(_NOTHING, [Problem(where, found, allowed, mend)])
