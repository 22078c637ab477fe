"""`mlops tools` and `mlops env`: the external programs, for people and for the Makefile."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mlops.tools import environment, resolve, shell_exports
from mlops.tools.progress import ConsoleProgress

app = typer.Typer(help="External programs in their pinned versions.")

Names = Annotated[
    list[str] | None, typer.Argument(help="Which programs; all when none is named.", metavar="NAME", show_default=False)
]


@app.command()
def tools(names: Names = None, *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Find the external programs, or fetch or build them; say which way was taken and how long it took."""
    with ConsoleProgress() as progress:
        found = resolve(names or None, progress=progress)
    if as_json:
        typer.echo(json.dumps([{**dataclasses.asdict(tool), "path": str(tool.path)} for tool in found.values()], indent=2))
        return
    table = Table("tool", "version", "way", "seconds", "path", box=None)
    for tool in found.values():
        table.add_row(tool.name, tool.version, tool.how, f"{tool.seconds:.1f}", str(tool.path))
    # Nobody can widen a pipe: it gets whole lines.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


@app.command()
def env(names: Names = None) -> None:
    """Print exports that put the external programs on PATH: eval "$(make -s env)"."""
    with ConsoleProgress() as progress:
        typer.echo(shell_exports(environment(names or None, progress=progress)))
