"""`mlops rehearse`: the whole run on a throw-away site, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CHECKOUT = Path(__file__).resolve().parents[2]

app = typer.Typer()


@app.command()
def rehearse(
    site: Annotated[str, typer.Argument(help="Name of the site, e.g. baremetal for Pulumi.baremetal.yaml.")],
    keep: Annotated[bool, typer.Option("--keep", help="Keep the throw-away site after the second up, until interrupted.")] = False,
    delay_scale: Annotated[
        float, typer.Option(min=0, help="Factor on the start delays of simulated pods; 0 starts them at once.")
    ] = 1.0,
    report: Annotated[Path | None, typer.Option(help="File for the figures, as JSON.")] = None,
) -> None:
    """Deploy a site twice on throw-away hosts, destroy it, and report; nothing of this machine changes."""
    from mlops.rehearsal.run.outside import rehearse as run  # noqa: PLC0415 - heavy, and no other command needs it

    raise typer.Exit(run(site, checkout=CHECKOUT, keep=keep, delay_scale=delay_scale, report_file=report))
