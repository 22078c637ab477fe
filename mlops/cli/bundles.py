"""`mlops fetch`: sources of bundles, on the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops.bundles import Kustomize, Places, fetch, read_lock
from mlops.bundles.bundle import LOCK_FILE
from mlops.bundles.repin import repin
from mlops.cli.places import MANIFESTS, Site, places_of
from mlops.errors import Problem, UserError
from mlops.folders import cache_folder
from mlops.tools.console import ConsoleProgress
from mlops.tools.progress import Progress

app = typer.Typer(no_args_is_help=True)


@app.command("fetch")
def fetch_command(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="Sources; all when none is named. With --update: NAME TAG, several pairs move together.", metavar="NAME"
        ),
    ] = None,
    site: Site = None,
    update: Annotated[bool, typer.Option("--update", help="Move sources to other tags, and show what that changes.")] = False,
) -> None:
    """Fetch and verify upstream sources of the lock file, or move their pins."""
    with ConsoleProgress() as progress:
        places = places_of(site)
        lines = _moved(what or [], places, progress) if update else _fetched(what or [], places, progress)
    for line in lines:
        typer.echo(line)


def _fetched(names: list[str], places: Places, progress: Progress) -> list[str]:
    lock = read_lock(MANIFESTS / LOCK_FILE)
    unknown = [Problem("mlops fetch", name, f"one of: {', '.join(sorted(lock))}") for name in names if name not in lock]
    if unknown:
        raise UserError("there is no such source", unknown)
    chosen = [lock[name] for name in names or lock]
    trees = fetch(chosen, places, cache_folder(), report=progress.say, progress=progress, check=True)
    return [f"{name} {lock[name].tag} {tree}" for name, tree in sorted(trees.items())]


def _moved(words: list[str], places: Places, progress: Progress) -> list[str]:
    tags = dict(zip(words[::2], words[1::2], strict=False))
    if not words or len(words) % 2 or len(tags) * 2 != len(words):
        problem = Problem(
            "mlops fetch --update", " ".join(words), "a source and its new tag, each source once", "mlops fetch --update NAME TAG"
        )
        raise UserError("it is not clear what to update", [problem])
    done = repin(
        tags,
        manifests=MANIFESTS,
        places=places,
        cache=cache_folder(),
        kustomize=Kustomize.pinned(),
        report=progress.say,
        progress=progress,
    )
    lines = []
    for name, source in done.after.items():
        old = done.before[name]
        lines += [f"{name}: {old.tag} -> {source.tag}", f"  commit  {source.commit}", f"  digest  {source.dirhash}"]
    for bundle, changes in done.changes.items():
        if changes:
            head, *rest = changes.lines()
            lines += [f"bundle {bundle}: {head}", *(f"  {line}" for line in rest)]
    if done.changes:
        lines.append(f"nothing changes in {sum(not changes for changes in done.changes.values())} of {len(done.changes)} bundles")
    return lines
