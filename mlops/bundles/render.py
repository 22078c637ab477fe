"""Rendering: bundles in a folder of their own, with copies of the verified sources beside them."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlops.bundles.bases import KUSTOMIZATION_FILES, Bases
from mlops.bundles.charts import CHART_FILE, OBJECTS_FILE, read_chart, render_chart
from mlops.bundles.hooks import Precedence
from mlops.bundles.lock import Source
from mlops.bundles.programs import Helm, Kustomize
from mlops.errors import Problem, UserError
from mlops.ordering import KubeObject, parse_documents

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
    """Names of the sources that a bundle's files refer to as ``../sources/<name>/…``, sorted."""
    names = set()
    for path in bundle.rglob("*.yaml"):
        names |= set(_SOURCE_REFERENCE.findall(path.read_text(encoding="utf-8")))
    return tuple(sorted(names))


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
    with tempfile.TemporaryDirectory(prefix="mlops-render-") as scratch:
        root = Path(scratch).resolve()
        folders = tuple(bundles)
        try:
            for name, tree in trees.items():
                shutil.copytree(tree, root / "sources" / name, symlinks=True)
                _replace_texts(root / "sources" / name, lock[name])
            for bundle in folders:
                shutil.copytree(bundle, root / bundle.name)
        except OSError as error:
            problem = Problem(
                str(root), str(error), "a folder with room for copies of the sources", "set TMPDIR to one, or free space"
            )
            raise UserError("bundles cannot be rendered", [problem]) from error
        bases = Bases(root, lock)
        for bundle in folders:
            bases.resolve(root / bundle.name)
        yield root


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
            if chart and OBJECTS_FILE not in kustomization.read_text(encoding="utf-8"):
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
