"""Stand-in plugins: put executables on PATH for those official ones that are missing, and only for those."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import mlops

_MARK = "# stand-in made by mlops.rehearsal.standins"
_PACKAGE = "mlops.rehearsal.standins"


@dataclass(frozen=True)
class StandIn:
    """One executable that stands in for an official one.

    Attributes:
        name: of the executable, e.g. ``pulumi-resource-tls``.
        path: where it is.
    """

    name: str
    path: Path


MODULES: Mapping[str, str] = {
    "pulumi-language-python": "language",
    "pulumi-resource-command": "command",
    "pulumi-resource-tls": "tls",
    "pulumi-resource-random": "random",
}
# Of the official plugin that each provider follows; the pinned SDK packages ask the engine for these.
VERSIONS: Mapping[str, str] = {
    "pulumi-resource-command": "1.2.1",
    "pulumi-resource-tls": "5.6.2",
    "pulumi-resource-random": "4.21.4",
}


def install(
    directory: Path,
    *,
    needed: Iterable[str] = tuple(MODULES),
    plugins: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[StandIn, ...]:
    """Write a launcher for each needed plugin whose official executable is missing; take away those no longer wanted.

    The engine warns at every start about a plugin on PATH, but not about one in its plugin folder, nor about a language host
    beside the ``pulumi`` that runs; hence ``plugins``, and a hard link to ``pulumi`` in ``directory`` where one can be made.

    Args:
        directory: the caller puts it first on PATH; made if missing.
        needed: names of executables, keys of :data:`MODULES`.
        plugins: the plugin folder (``$PULUMI_HOME/plugins``) of a throw-away PULUMI_HOME for the providers to go to;
            None puts them into ``directory``.
        environment: PATH, PULUMI_HOME and HOME to look into; this process's by default.

    Returns:
        The stand-ins that are in use, in the order of ``needed``.

    Raises:
        KeyError: a name that nothing stands in for.
    """
    looked_into = os.environ if environment is None else environment
    directory.mkdir(parents=True, exist_ok=True)
    made = []
    for name in needed:
        module = MODULES[name]
        launcher = directory / name
        if plugins is not None and name in VERSIONS:
            launcher = plugins / f"{name.removeprefix('pulumi-')}-v{VERSIONS[name]}" / name
        if official(name, looked_into) is not None:
            if launcher.is_file() and _is_standin(launcher):
                launcher.unlink()
            continue
        launcher.parent.mkdir(parents=True, exist_ok=True)
        _write(launcher, _launcher(name, module))
        made.append(StandIn(name, launcher))
        if name not in VERSIONS:
            _link_engine(directory, looked_into)
    return tuple(made)


def _write(launcher: Path, text: str) -> None:
    if launcher.is_file() and launcher.read_text() == text:
        return
    # Renamed into place: another run may be starting this very file.
    fresh = launcher.with_name(f".{launcher.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.chmod(0o755)
    fresh.replace(launcher)


def _link_engine(directory: Path, environment: Mapping[str, str]) -> None:
    """A hard link to ``pulumi`` beside the language host; without it the engine only warns once more."""
    elsewhere = [folder for folder in environment.get("PATH", os.defpath).split(os.pathsep) if Path(folder) != directory]
    found = shutil.which("pulumi", path=os.pathsep.join(elsewhere))
    link = directory / "pulumi"
    if found is None or (link.exists() and link.samefile(found)):
        return
    fresh = directory / f".pulumi.{os.getpid()}"
    try:
        fresh.hardlink_to(Path(found).resolve())
    except OSError:  # another file system, or a file that this user may not link to
        return
    fresh.replace(link)


def report(standins: Iterable[StandIn]) -> str:
    """One line that says what stands in; empty when nothing does."""
    names = [standin.name for standin in standins]
    return f"stand-ins in use (the official plugin is not here): {', '.join(names)}" if names else ""


def official(name: str, environment: Mapping[str, str]) -> Path | None:
    """The official executable: on PATH (beside ``pulumi`` for the language host) or in Pulumi's plugin folder."""
    path = environment.get("PATH", os.defpath)
    for folder in path.split(os.pathsep):
        found = shutil.which(name, path=folder)
        if found is not None and not _is_standin(Path(found)):
            return Path(found)
    pulumi = shutil.which("pulumi", path=path)
    if pulumi is not None:
        beside = Path(pulumi).resolve().with_name(name)
        if beside.is_file() and not _is_standin(beside):
            return beside
    home = environment.get("PULUMI_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".pulumi"
    # the engine asks for the very version of the SDK package, so another one is of no use; a language host has no folder there
    version = VERSIONS.get(name)
    if version is None:
        return None
    plugin = Path(home) / "plugins" / f"{name.removeprefix('pulumi-')}-v{version}" / name
    return plugin if plugin.is_file() and not _is_standin(plugin) else None


def _is_standin(path: Path) -> bool:
    with path.open("rb") as executable:
        return _MARK.encode() in executable.read(4096)


def _launcher(name: str, module: str) -> str:
    """A shell script: it works from any directory, and leaves nothing in the environment of what the plugin starts.

    ``-P`` keeps the working directory, which is the program's, off the import path.
    """
    root = str(Path(mlops.__file__).resolve().parent.parent)
    code = (
        f"import runpy, sys; sys.path.insert(0, {root!r}); "
        f"runpy.run_module({f'{_PACKAGE}.{module}'!r}, run_name='__main__', alter_sys=True)"
    )
    return f'#!/bin/sh\n{_MARK} for {name}\nexec {shlex.quote(sys.executable)} -P -c {shlex.quote(code)} "$@"\n'
