"""Rendering: bundles in a folder of their own, with copies of the verified sources beside them."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from mlops.bundles.bases import KUSTOMIZATION_FILES, Bases
from mlops.bundles.charts import CHART_FILE, OBJECTS_FILE, read_chart, render_chart
from mlops.bundles.forms import text_of
from mlops.bundles.hooks import Precedence
from mlops.bundles.lock import Source
from mlops.bundles.programs import Helm, Kustomize
from mlops.errors import Problem, UserError
from mlops.ordering import KubeObject, parse_documents
from mlops.ordering.documents import load_yaml

_SCRATCH = "mlops-render-"
_YOUNG_SECONDS = 60.0  # a folder may have been made just now, and not be locked yet
_SOURCE_REFERENCE = re.compile(r"\.\./sources/([a-z0-9][a-z0-9-]*)(?:/|\b)")


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a bundle's folder makes.

    Attributes:
        objects: its objects, in the order of the program that made them.
        order: what the hooks of its chart ask for, none without a chart.
    """

    objects: tuple[KubeObject, ...]
    order: tuple[Precedence, ...] = ()


def sources_of(bundle: Path) -> tuple[str, ...]:
    """Names of the sources that a bundle's files refer to as ``../sources/<name>/…``, sorted.

    Raises:
        UserError: each file that cannot be read.
    """
    names: set[str] = set()
    problems: list[Problem] = []
    for path in _own_files(bundle):
        try:
            names |= set(_SOURCE_REFERENCE.findall(text_of(path)))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(f"bundle {bundle.name} cannot be read", problems)
    return tuple(sorted(names))


def _own_files(bundle: Path) -> list[Path]:
    """The YAML files of a bundle's folder."""
    named = (path for path in bundle.rglob("*") if path.suffix in {".yaml", ".yml"} or path.name in KUSTOMIZATION_FILES)
    return sorted(path for path in named if not path.is_dir())


def _refuse_bombs(bundle: Path) -> None:
    """Refuse YAML that kustomize would sit over until its deadline, or that it would tell without the line.

    Raises:
        UserError: what is wrong in the bundle's own files.
    """
    problems: list[Problem] = []
    for path in _own_files(bundle):
        try:
            load_yaml(text_of(path), origin=f"bundle {bundle.name}, {path.relative_to(bundle)}", allowed="YAML")
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(f"bundle {bundle.name} cannot be rendered", problems)


@contextmanager
def sandbox(bundles: Iterable[Path], trees: Mapping[str, Path], lock: Mapping[str, Source]) -> Iterator[Path]:
    """A folder with copies of bundles and sources, in which every base is a folder: nothing outside decides the result.

    Args:
        bundles: folders of bundles.
        trees: folder of each source that they need, by its name.
        lock: all sources.

    Yields:
        The folder; a bundle is in it under its name.

    Raises:
        UserError: a base that no source pins, or no room for the copies.
    """
    with _scratch_folder() as root:
        folders = tuple(bundles)
        for bundle in folders:
            _refuse_bombs(bundle)
        try:
            for name, tree in trees.items():
                shutil.copytree(tree, root / "sources" / name, symlinks=True)
                _replace_texts(root / "sources" / name, lock[name])
            for bundle in folders:
                shutil.copytree(bundle, root / bundle.name)
        except OSError as error:
            found = str(error)
            if isinstance(error, shutil.Error):  # it has a reason for each file
                (_, _, found), *others = error.args[0]
                found += f" (and {len(others)} more)" if others else ""
            problem = Problem(str(root), found, "a folder with room for copies of the sources", "set TMPDIR to one, or free space")
            raise UserError("bundles cannot be rendered", [problem]) from error
        bases = Bases(root, lock)
        for bundle in folders:
            bases.resolve(root / bundle.name)
        yield root


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    """A folder that is gone afterwards; what a killed run left is taken away by the next one."""
    for leftover in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        with suppress(OSError):  # it may go away meanwhile
            _remove_abandoned(leftover)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH) as scratch, _locked_folder(Path(scratch)):
        yield Path(scratch).resolve()


def _remove_abandoned(folder: Path) -> None:
    """Remove a folder of ours that no process uses any more."""
    state = folder.lstat()
    if S_ISDIR(state.st_mode) and state.st_uid == os.geteuid() and time.time() - state.st_mtime > _YOUNG_SECONDS:
        with _locked_folder(folder) as locked:
            if locked:
                shutil.rmtree(folder)


@contextmanager
def _locked_folder(folder: Path) -> Iterator[bool]:
    """Try to hold a folder's lock, which the kernel lets go of when the process ends; says whether it is held."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = True
    except BlockingIOError:
        held = False
    try:
        yield held
    finally:
        os.close(descriptor)


def _replace_texts(folder: Path, source: Source) -> None:
    texts = [(old.encode(), new.replace("{tag}", source.tag).encode()) for old, new in source.replace.items()]
    for file in folder.rglob("*") if texts else ():
        if file.is_file() and not file.is_symlink():
            content = changed = file.read_bytes()
            for old, new in texts:
                changed = changed.replace(old, new)
            if changed != content:
                file.write_bytes(changed)


def render(name: str, root: Path, kustomize: Kustomize, helm: Helm) -> Rendered:
    """Render one bundle in a sandbox; its chart first, if it has one.

    The programs see no network: what is not pinned would make the result depend on more than digests. kustomize's load
    restrictions stay on.

    Args:
        name: folder in the sandbox.
        root: the sandbox.
        kustomize: renders a folder with a kustomization.
        helm: renders a folder with ``chart.yaml``.

    Raises:
        UserError: it does not render, with the program's own text, or it makes no object at all.
        OrderingError: the rendered documents are no usable objects.
    """
    folder, origin = root / name, f"bundle {name}"
    with tempfile.TemporaryDirectory(prefix="home-", dir=root) as home:
        chart = render_chart(read_chart(folder), folder, root, Path(home), helm) if (folder / CHART_FILE).is_file() else None
        kustomization = next((folder / file for file in KUSTOMIZATION_FILES if (folder / file).is_file()), None)
        if kustomization:
            if chart and OBJECTS_FILE not in text_of(kustomization):
                problem = Problem(
                    f"bundle {name}", kustomization.name, f"a kustomization with {OBJECTS_FILE}, the objects of its chart"
                )
                raise UserError(f"bundle {name} does not use its chart", [problem])
            text = kustomize.run(["build", folder], scratch=Path(home), bundle=name, hide=root)
            objects = parse_documents(text, origin=origin)
        else:
            objects = chart.objects if chart else ()
    if not objects:
        raise UserError(f"bundle {name} is empty", [Problem(origin, "no objects", "at least one object")])
    refs = {item.ref for item in objects}
    order = chart.order if chart else ()
    return Rendered(objects, tuple(p for p in order if p.first in refs and p.then in refs))
