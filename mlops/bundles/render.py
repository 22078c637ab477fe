"""Rendering: kustomize on a copy of a bundle's folder, with the verified sources beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.errors import Problem, UserError
from mlops.tools import tool
from mlops.tools.pins import load_pins

_SOURCE_REFERENCE = re.compile(r"\.\./sources/([a-z0-9][a-z0-9-]*)/")
_DEADLINE_SECONDS = 120
_NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Kustomize:
    """The kustomize to render with.

    Attributes:
        version: e.g. ``5.8.2``; part of the cache's key.
        path: gives the program; called only when something has to be rendered.
    """

    version: str
    path: Callable[[], Path]

    @classmethod
    def pinned(cls) -> Kustomize:
        """The pinned kustomize; it is looked for, or made, when something has to be rendered."""
        return cls(load_pins()["kustomize"].version, lambda: tool("kustomize"))


def sources_of(bundle: Path) -> tuple[str, ...]:
    """Names of the sources that a bundle's files refer to as ``../sources/<name>/…``, sorted."""
    names = set()
    for path in bundle.rglob("*.yaml"):
        names |= set(_SOURCE_REFERENCE.findall(path.read_text(encoding="utf-8")))
    return tuple(sorted(names))


def render(bundle: Path, trees: Mapping[str, Path], kustomize: Path) -> str:
    """Render a bundle.

    kustomize sees a copy of the bundle's folder and the sources, and no network: a remote base would make the result depend on more
    than the digests, so it fails here. Its load restrictions stay on.

    Args:
        bundle: folder with ``kustomization.yaml``.
        trees: folder of each source by its name.
        kustomize: the program.

    Returns:
        YAML documents.

    Raises:
        UserError: with kustomize's own text.
    """
    with tempfile.TemporaryDirectory(prefix="mlops-render-") as scratch:
        root = Path(scratch)
        shutil.copytree(bundle, root / bundle.name)
        (root / "sources").mkdir()
        for name, tree in trees.items():
            (root / "sources" / name).symlink_to(tree.resolve(), target_is_directory=True)
        # A HOME of its own and a proxy that refuses: no settings of this machine, no network.
        environment = {"HOME": scratch, "PATH": os.devnull, "TMPDIR": scratch}
        environment |= {name: _NOWHERE for variable in ("http_proxy", "https_proxy") for name in (variable, variable.upper())}
        try:
            done = subprocess.run(
                [kustomize, "build", root / bundle.name],
                capture_output=True, text=True, check=False, env=environment, timeout=_DEADLINE_SECONDS,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(
                f"bundle {bundle.name} cannot be rendered", [Problem(str(kustomize), str(error), "kustomize v5")]
            ) from error
        if done.returncode:
            found = done.stderr.strip().replace(f"{root}/", "")
            raise UserError(
                f"bundle {bundle.name} cannot be rendered", [Problem(str(bundle), found, "a kustomization that builds")]
            )
    return done.stdout
