"""The command line's table of commands: a module is imported when its command is called, so that each starts fast."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

# Command -> the module that has it in its `app`; in the order of the help text.
COMMANDS = {
    "validate": "mlops.cli.settings",
    "schema": "mlops.cli.settings",
    "doctor": "mlops.cli.doctor",
    "tools": "mlops.cli.tools",
    "env": "mlops.cli.tools",
    "fetch": "mlops.cli.bundles",
    "graph": "mlops.cli.graph",
    "rehearse": "mlops.cli.rehearse",
    "bench": "mlops.cli.bench",
}


class LazyGroup(TyperGroup):
    """Takes commands from :data:`COMMANDS`."""

    def list_commands(self, _ctx: Any) -> list[str]:
        """Names of all commands, in the table's order."""
        return list(COMMANDS)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        """The command of a name, None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        return get_group(import_module(COMMANDS[cmd_name]).app).commands[cmd_name]


# A traceback is for bugs only, and then complete: typer's own would hide frames and show local values, secrets among them.
app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turns bare hosts into a complete, private MLOps platform: everything around `pulumi up`.",
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(version("onprem-mlops"))
        raise typer.Exit


@app.callback(context_settings={"help_option_names": ["-h", "--help"]})
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Turns bare hosts into a complete, private MLOps platform: everything around `pulumi up`."""
