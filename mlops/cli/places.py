"""Where a command of the command line looks for sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlops.bundles import Places
from mlops.settings import read_site_file

CHECKOUT = Path(__file__).resolve().parents[2]
MANIFESTS = CHECKOUT / "manifests"

Site = Annotated[str | None, typer.Option(help="Site whose settings name mirrors or an air-gap folder.")]


def places_of(site: str | None) -> Places:
    """Where a site's settings say that sources are; without a site what the environment says.

    Raises:
        UserError: the site's file cannot be read, or has mistakes.
    """
    if site is None:
        return Places.from_environment(checkout=CHECKOUT)
    sources = read_site_file(CHECKOUT / f"Pulumi.{site}.yaml").sources
    return Places.from_environment(checkout=CHECKOUT, air_gap=sources.air_gap, mirrors=sources.mirrors)
