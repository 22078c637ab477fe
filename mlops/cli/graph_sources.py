"""Where `mlops graph` gets its objects: bundles of this project, files, folders, standard input, URLs."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mlops.bundles import Kustomize, Places, bundles_in, load_bundles
from mlops.bundles.download import DownloadError, download
from mlops.bundles.order import overrides_of
from mlops.errors import Problem, UserError
from mlops.folders import cache_folder
from mlops.ordering import KubeObject, Overrides, from_bodies
from mlops.ordering.documents import MAX_BYTES, load_yaml

CHECKOUT = Path(__file__).resolve().parents[2]
MANIFESTS = CHECKOUT / "manifests"
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


def read(what: Sequence[str], *, note: Callable[[str], None]) -> Input:
    """Read everything that is named; all bundles when nothing is.

    Args:
        what: bundles, files, folders, ``-`` for standard input, URLs.
        note: told of files in folders that hold no objects.

    Raises:
        UserError: something that cannot be read, all of it at once.
    """
    known = bundles_in(MANIFESTS)
    names = [name for name in what or known if name in known]
    bundles = load_bundles(
        names,
        manifests=MANIFESTS,
        places=Places.from_environment(checkout=CHECKOUT),
        cache=cache_folder(),
        kustomize=Kustomize.pinned(),
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
        raise UserError("there is nothing to put in order", problems)
    return Input(tuple(objects), overrides_of(bundles, MANIFESTS))


def _objects(name: str, bundles: tuple[str, ...], note: Callable[[str], None]) -> Iterable[KubeObject]:
    if name == "-":
        return _parsed(_decoded(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input"), "standard input")
    if urlsplit(name).scheme in {"http", "https"}:
        return _parsed(_downloaded(name), name)
    path = Path(name)
    if path.is_dir():
        return _of_folder(path, note)
    if not path.exists():
        allowed = f"a file, a folder, - for standard input, a http(s) URL, or a bundle: {', '.join(bundles)}"
        raise UserError("there is nothing to put in order", [Problem(name, "no such file", allowed)])
    return _parsed(_file(path), name)


def _of_folder(folder: Path, note: Callable[[str], None]) -> list[KubeObject]:
    for name, command in _RENDERED.items():
        if (folder / name).is_file():
            problem = Problem(str(folder), name, "a folder of plain manifests", f"{command} {folder} | mlops graph -")
            raise UserError("there is nothing to put in order", [problem])
    below = (path for path in folder.rglob("*") if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    files = sorted(path for path in below if path.suffix in _SUFFIXES and path.is_file())
    objects: list[KubeObject] = []
    problems: list[Problem] = []
    for path in files:
        try:
            bodies = load_yaml(_file(path), origin=str(path))
            if any(isinstance(body, dict) and "apiVersion" in body and "kind" in body for body in bodies):
                objects += from_bodies(bodies, origin=str(path))
            else:
                note(f"left out: {path} holds no Kubernetes objects")
        except UserError as error:
            problems += error.problems
    if not files:
        problems.append(Problem(str(folder), "no file that ends in .yaml, .yml or .json", "a folder of manifests"))
    if problems:
        raise UserError("there is nothing to put in order", problems)
    return objects


def _parsed(text: str, origin: str) -> tuple[KubeObject, ...]:
    objects = from_bodies(load_yaml(text, origin=origin), origin=origin)
    if not objects:
        raise UserError("there is nothing to put in order", [Problem(origin, "", "at least one Kubernetes object")])
    return objects


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return _decoded(file.read(MAX_BYTES + 1), str(path))
    except OSError as error:
        raise UserError("there is nothing to put in order", [Problem(str(path), str(error), "a readable file")]) from error


def _decoded(data: bytes, origin: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte {error.start} is no UTF-8"
        raise UserError("there is nothing to put in order", [Problem(origin, found, "YAML or JSON, UTF-8")]) from error


def _downloaded(url: str) -> str:
    with tempfile.TemporaryDirectory(prefix="mlops-graph-") as scratch:
        part = Path(scratch) / "manifest"
        try:
            download(url, part, limit=MAX_BYTES)
        except DownloadError as error:
            allowed = f"a URL that answers with at most {MAX_BYTES // 2**20} MiB of YAML"
            raise UserError("there is nothing to put in order", [Problem(url, str(error), allowed)]) from error
        return _decoded(part.read_bytes(), url)
