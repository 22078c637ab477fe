"""`mlops graph`: the order of bundles, and of any manifests that somebody brings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mlops.bundles.order import read_overrides
from mlops.cli import graph_formats, graph_stats, graph_text
from mlops.cli.graph_sources import read
from mlops.cli.places import Site
from mlops.cli.printable import printable
from mlops.errors import Problem, UserError
from mlops.ordering import DIALLED, RULES, Graph, Overrides, build_graph, idle_overrides

app = typer.Typer(no_args_is_help=True)


class Format(Enum):
    """Forms of the answer."""

    TEXT = "text"
    DOT = "dot"
    MERMAID = "mermaid"
    JSON = "json"
    HTML = "html"


_WRITERS: dict[Format, Callable[[Graph], str]] = {
    Format.DOT: graph_formats.dot,
    Format.MERMAID: graph_formats.mermaid,
    Format.JSON: graph_formats.as_json,
    Format.HTML: graph_formats.html,
}


@app.command()
def graph(
    what: Annotated[
        list[str] | None,
        typer.Argument(help="Bundles, files, folders, - for standard input, URLs; all bundles when left out.", metavar="WHAT"),
    ] = None,
    *,
    why: Annotated[
        str | None, typer.Option(metavar="OBJECT", help="What holds an object back: name, namespace/name or kind/name.")
    ] = None,
    path: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="How one object waits, through others, for another.")
    ] = None,
    levels: Annotated[bool, typer.Option("--levels", help="The objects level by level.")] = False,
    critical_path: Annotated[bool, typer.Option("--critical-path", help="The longest chain.")] = False,
    removal: Annotated[bool, typer.Option("--removal", help="The objects in the order of their removal.")] = False,
    stats: Annotated[bool, typer.Option("--stats", help="Objects, edges, bytes, images, requests.")] = False,
    form: Annotated[Format, typer.Option("--format", help="Form of the whole graph.")] = Format.TEXT,
    overrides: Annotated[list[Path] | None, typer.Option(help="A file of overrides for manifests of your own.")] = None,
    namespace: Annotated[str, typer.Option(help="Where objects of files go that name no namespace.")] = "default",
    dialled: Annotated[bool, typer.Option("--dialled", help="Also guess by names that pods are told to dial (R24).")] = False,
    site: Site = None,
    strict: Annotated[bool, typer.Option("--strict", help="Anything missing or ambiguous is an error.")] = False,
) -> None:
    """Show the order of Kubernetes objects: what waits for what, by which rule, and why.

    Nothing is written anywhere, and no cluster is asked.
    """
    views: list[Callable[[Graph], Iterable[str]]] = []
    if why is not None:
        views.append(lambda order: graph_text.why(order, why))
    if path is not None:
        views.append(lambda order: graph_text.way(order, *path))
    views += [view for wanted, view in _views(levels, critical_path, removal, stats) if wanted]
    if len(views) + (form is not Format.TEXT) > 1:
        allowed = "one of --why, --path, --levels, --critical-path, --removal, --stats and --format"
        raise UserError("it is not clear what to show", [Problem("mlops graph", "several of them", allowed)])
    order = _order(what or [], overrides or [], namespace, dialled=dialled, site=site)
    if strict:
        order.require_complete()
    if form is not Format.TEXT:
        text = _WRITERS[form](order)
        typer.echo(text)
        if form is Format.MERMAID and (note := graph_formats.beyond_mermaid(text)):
            typer.echo(note, err=True)
        return
    for line in (views or [graph_text.edges])[0](order):
        typer.echo(printable(line))
    for line in _notes(order, with_cuts=bool(views)):
        typer.echo(printable(line, keep="\n"), err=True)


def _order(what: list[str], files: list[Path], namespace: str, *, dialled: bool, site: str | None) -> Graph:
    given = read(what, note=lambda line: typer.echo(printable(line), err=True), site=site)
    merged = Overrides.merged([given.overrides, *map(read_overrides, files)])
    rules = (*RULES, DIALLED) if dialled else RULES
    order = build_graph(given.objects, rules, merged, default_namespace=namespace)
    return replace(order, findings=(*order.findings, *idle_overrides(order.objects, rules, merged)))


def _views(levels: bool, critical_path: bool, removal: bool, stats: bool) -> list[tuple[bool, Callable[[Graph], Iterable[str]]]]:
    return [
        (levels, graph_text.levels),
        (critical_path, graph_text.critical_path),
        (removal, lambda order: map(str, order.deletion_order())),
        (stats, graph_stats.stats),
    ]


def _notes(order: Graph, *, with_cuts: bool) -> Iterable[str]:
    yield from map(str, order.cuts if with_cuts else ())
    for problem in order.findings:
        yield f"note: {problem}"
