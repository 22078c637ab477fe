"""`mlops tools` and `mlops env`: the external programs, for people and for the Makefile."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mlops.tools import Tool, environment, resolve, shell_exports
from mlops.tools.console import ConsoleProgress

LANGUAGE_HOST = "pulumi-language-python"

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
    if (note := missing_language_host(found)) is not None:
        Console(stderr=True, soft_wrap=True).print(note, style="yellow", highlight=False)
    table = Table("tool", "version", "way", "seconds", "path", box=None)
    for tool in found.values():
        table.add_row(tool.name, tool.version, tool.how, f"{tool.seconds:.1f}", str(tool.path))
    # Nobody can widen a pipe: it gets whole lines.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def missing_language_host(found: Mapping[str, Tool]) -> str | None:
    """A remark when Pulumi cannot run Python programs: a build from the module comes without the official language host."""
    pulumi = found.get("pulumi")
    if pulumi is None or pulumi.path.with_name(LANGUAGE_HOST).exists() or shutil.which(LANGUAGE_HOST):
        return None
    return (
        f"{LANGUAGE_HOST} is not on this machine; it comes with the official release of Pulumi. `pulumi up` needs it, and the "
        "plugins command, tls and random (`pulumi plugin install`). A rehearsal does without: it brings stand-ins."
    )


@app.command()
def env(names: Names = None) -> None:
    """Print exports that put the external programs on PATH and set the engine: eval "$(make -s env)"."""
    with ConsoleProgress() as progress:
        typer.echo(shell_exports(environment(names or None, progress=progress)))
