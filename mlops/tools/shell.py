"""Puts the pinned programs on PATH and sets the engine, for a process or for a person's shell."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlops.errors import Problem, UserError
from mlops.tools.cache import Cache
from mlops.tools.progress import Progress
from mlops.tools.resolver import Tool, resolve

ENGINE_SETTINGS: Mapping[str, str] = {
    # Its own choice is four steps for each processor; a step that waits for pods holds its place all the while.
    "PULUMI_PARALLEL": "64",
    # Go cleans up when its memory has doubled; the engine, which makes the text of its state after each step, does so all the time.
    "GOGC": "400",
}
"""How the engine runs at its best with a platform of this size: safe at any moment, since every checkpoint is still written."""


def engine_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """:data:`ENGINE_SETTINGS`, as far as the user has not chosen otherwise."""
    return {name: environ.get(name, value) for name, value in ENGINE_SETTINGS.items()}


def environment(names: Iterable[str] | None = None, *, progress: Progress | None = None) -> dict[str, str]:
    """The variables that put pinned programs, and this interpreter's scripts, before all others, and the engine's settings.

    Args:
        names: which programs; all when None.
        progress: told what goes on while they are fetched or built.

    Returns:
        ``PATH`` and :func:`engine_settings`, to be laid over the process's own environment.

    Raises:
        UserError: as :func:`mlops.tools.resolve`.
    """
    tools = resolve(names, progress=progress)
    first = [str(link_folder(tools.values(), Cache.of(os.environ).root / "bin")), str(Path(sys.prefix, "bin"))]
    others = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder not in first]
    return {"PATH": os.pathsep.join([*first, *others]), **engine_settings(os.environ)}


def shell_exports(variables: Mapping[str, str]) -> str:
    """Lines for ``eval`` in a POSIX shell, quoted."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def link_folder(tools: Iterable[Tool], root: Path) -> Path:
    """A folder with a link to each program and to what was published beside it; made once per set of programs."""
    links = {
        link.name: link for tool in tools for link in (sorted(tool.path.parent.iterdir()) if tool.how != "path" else [tool.path])
    }
    digest = hashlib.sha256("\0".join(map(str, sorted(links.values()))).encode()).hexdigest()[:12]
    folder = root / digest
    if not folder.exists():
        try:
            root.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(dir=root, prefix=".made-"))
        except OSError as error:
            problem = Problem(str(root), error.strerror or str(error), "a folder that can be written", "set MLOPS_CACHE_DIR to one")
            raise UserError("The folder of links to external programs cannot be made.", [problem]) from error
        try:
            made.chmod(0o755)
            for name, target in links.items():
                (made / name).symlink_to(target)
            made.rename(folder)
        except OSError:
            shutil.rmtree(made)
            if not folder.is_dir():  # another process was quicker
                raise
    return folder
