"""`mlops fetch` and `mlops graph`: bundles and their order, on the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from mlops.bundles import Kustomize, Places, default_cache, fetch, load_bundle, read_lock
from mlops.bundles.bundle import LOCK_FILE, bundles_in
from mlops.bundles.repin import repin
from mlops.errors import Problem, UserError
from mlops.ordering import Graph, KubeObject, ObjectRef, build_graph, parse_documents
from mlops.tools.progress import ConsoleProgress, Progress

app = typer.Typer(no_args_is_help=True)

_CHECKOUT = Path(__file__).resolve().parents[2]
_MANIFESTS = _CHECKOUT / "manifests"


@app.command("fetch")
def fetch_command(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="Sources; all when none is named. With --update: NAME TAG, several pairs move together.", metavar="NAME"
        ),
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Move sources to other tags, and show what that changes.")] = False,
) -> None:
    """Fetch and verify upstream sources of the lock file, or move their pins."""
    with ConsoleProgress() as progress:
        lines = _moved(what or [], progress) if update else _fetched(what or [], progress)
    for line in lines:
        typer.echo(line)


def _fetched(names: list[str], progress: Progress) -> list[str]:
    lock = read_lock(_MANIFESTS / LOCK_FILE)
    unknown = [Problem("mlops fetch", name, f"one of: {', '.join(sorted(lock))}") for name in names if name not in lock]
    if unknown:
        raise UserError("there is no such source", unknown)
    chosen = [lock[name] for name in names or lock]
    trees = fetch(chosen, _places(), default_cache(), report=progress.say, progress=progress)
    return [f"{name} {lock[name].tag} {tree}" for name, tree in sorted(trees.items())]


def _moved(words: list[str], progress: Progress) -> list[str]:
    tags = dict(zip(words[::2], words[1::2], strict=False))
    if not words or len(words) % 2 or len(tags) * 2 != len(words):
        problem = Problem(
            "mlops fetch --update", " ".join(words), "a source and its new tag, each source once", "mlops fetch --update NAME TAG"
        )
        raise UserError("it is not clear what to update", [problem])
    done = repin(
        tags,
        manifests=_MANIFESTS,
        places=_places(),
        cache=default_cache(),
        kustomize=Kustomize.pinned(),
        report=progress.say,
        progress=progress,
    )
    lines = []
    for name, source in done.after.items():
        old = done.before[name]
        lines += [f"{name}: {old.tag} -> {source.tag}", f"  commit  {source.commit}", f"  digest  {source.dirhash}"]
    for bundle, changes in done.changes.items():
        head, *rest = changes.lines() if changes else ["nothing changes"]
        lines += [f"bundle {bundle}: {head}", *(f"  {line}" for line in rest)]
    return lines


@app.command()
def graph(
    what: Annotated[list[str] | None, typer.Argument(help="Bundles or YAML files; all bundles when left out.")] = None,
    why: Annotated[str | None, typer.Option(help="Show what holds an object back: a name, namespace/name or kind/name.")] = None,
    levels: Annotated[bool, typer.Option("--levels", help="Show the objects level by level.")] = False,
) -> None:
    """Show the order of objects: each edge with its rule and reason."""
    order = build_graph(_objects(what or bundles_in(_MANIFESTS)))
    for line in _why(order, why) if why else _levels(order) if levels else _edges(order):
        typer.echo(line)


def _places() -> Places:
    return Places.from_environment(checkout=_CHECKOUT)


def _objects(what: Iterable[str]) -> list[KubeObject]:
    objects: list[KubeObject] = []
    for name in what:
        if name in bundles_in(_MANIFESTS):
            bundle = load_bundle(name, manifests=_MANIFESTS, places=_places(), cache=default_cache(), kustomize=Kustomize.pinned())
            objects += bundle.objects
        else:
            objects += parse_documents(_read(name), origin=name)
    return objects


def _read(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(name, str(error), f"a YAML file, or one of the bundles {', '.join(bundles_in(_MANIFESTS))}")
        raise UserError("there is nothing to put in order", [problem]) from error


def _edges(order: Graph) -> Iterable[str]:
    yield from map(str, order.edges)
    counts = Counter(edge.rule for edge in order.edges)
    rules = ", ".join(f"{rule} {counts[rule]}" for rule in sorted(counts, key=lambda rule: int(rule[1:])))
    yield f"{len(order.objects)} objects, {len(order.edges)} edges, {len(order.levels())} levels: {rules}"


def _levels(order: Graph) -> Iterable[str]:
    for number, level in enumerate(order.levels()):
        yield f"level {number}"
        yield from (f"  {ref}" for ref in level)


def _why(order: Graph, asked: str) -> Iterable[str]:
    refs = [item.ref for item in order.objects if asked.lower() in _spellings(item.ref)]
    if not refs:
        raise UserError(
            "no such object", [Problem("--why", asked, "name, namespace/name or kind/name of an object", "mlops graph --levels")]
        )
    for ref in refs:
        yield str(ref)
        edges = order.why(ref)
        yield from (f"  {edge}" for edge in edges)
        yield from (f"  gate before it: {gate.reason}" for gate in order.gates_before(ref))
        if not edges:
            yield "  nothing holds it back"


def _spellings(ref: ObjectRef) -> set[str]:
    return {text.lower() for text in (ref.name, f"{ref.namespace}/{ref.name}", f"{ref.kind}/{ref.name}", str(ref))}
