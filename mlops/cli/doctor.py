"""`mlops doctor`: whether a site's hosts, and this machine, are as a deployment needs them; or still are as it left them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from mlops.bundles import Kustomize, Places, bundles_in, load_bundles
from mlops.bundles.requests import Demand, demand
from mlops.cli.places import CHECKOUT, MANIFESTS
from mlops.cli.printable import printable
from mlops.cli.settings import project_directory, site_path
from mlops.errors import UserError
from mlops.folders import cache_folder
from mlops.hosts.checks import CHECKS, Finding, Report, table
from mlops.hosts.examination import Question, examine
from mlops.hosts.expectations import enabled_bundles
from mlops.hosts.ssh import Answer
from mlops.settings import Site
from mlops.settings.stackfile import site_name_of
from mlops.tools.console import ConsoleProgress

app = typer.Typer()

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}
INTERRUPTED = 130


@app.command()
def doctor(
    site: Annotated[str | None, typer.Argument(metavar="SITE", help="Site, or path of a site file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    drift: Annotated[bool, typer.Option("--drift", help="Compare the hosts with what the last deployment left on them.")] = False,
    host: Annotated[list[str] | None, typer.Option("--host", metavar="NAME", help="Ask this host only; may be repeated.")] = None,
    checks: Annotated[bool, typer.Option("--checks", help="Print what is checked, and ask no host.")] = False,
) -> None:
    """Check hosts and site before anything changes, or for drift afterwards; changes nothing itself."""
    if checks:
        typer.echo(_checks_as_json() if as_json else table())
        return
    if site is None:
        raise typer.BadParameter("name a site", param_hint="SITE")
    project = project_directory(Path.cwd())
    file = site_path(site, project)
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    asked: list[str] = []

    def told(name: str, answer: Answer) -> None:
        asked.append(name)
        words = "answered" if answer.code == 0 else "did not answer as it should"
        console.print(Text(f"{name}: {words} ({answer.seconds:.1f} s)"))

    question = Question(
        file=file,
        stack=site_name_of(file) or site,
        demand=lambda settings: _demand(settings, console),
        against_records=drift,
        hosts=tuple(host or ()),
    )
    try:
        result = examine(question, told)
    except KeyboardInterrupt:
        console.print("interrupted: nothing was changed")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        typer.echo(_as_json(site, asked, result))
    else:
        _show(result, hosts=len(asked), seconds=time.monotonic() - began, drift=drift)
    raise typer.Exit(1 if result.errors else 0)


def _demand(site: Site, console: Console) -> Demand | None:
    """What the site's bundles ask for; None, with a word, when they cannot be had here."""
    names = enabled_bundles(site, bundles_in(MANIFESTS))
    places = Places.from_environment(checkout=CHECKOUT, air_gap=site.sources.air_gap, mirrors=site.sources.mirrors)
    try:
        with ConsoleProgress(console) as progress:
            bundles = load_bundles(
                names,
                manifests=MANIFESTS,
                places=places,
                cache=cache_folder(),
                kustomize=Kustomize.pinned(),
                report=progress.say,
                progress=progress,
            )
    except UserError as error:
        console.print(Text(f"sums of requests are left out: {printable(error.summary)} (`mlops fetch` gets the sources)"))
        return None
    return demand(item for bundle in bundles for item in bundle.objects)


def _checks_as_json() -> str:
    rows = [{name: getattr(check, name) for name in ("name", "scope", "severity", "needed", "mend")} for check in CHECKS.values()]
    return json.dumps(rows, indent=2, ensure_ascii=False)


def _as_json(site: str, asked: Sequence[str], result: Report) -> str:
    document = {
        "site": site,
        "hosts": sorted(asked),
        "findings": [asdict(finding) for finding in result.findings],
        "skipped": [{**asdict(finding), "reason": reason} for finding, reason in result.skipped],
        "errors": len(result.errors),
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _show(result: Report, *, hosts: int, seconds: float, drift: bool) -> None:
    console = Console(highlight=False)
    rank = {"error": 0, "warning": 1, "note": 2}
    for finding in sorted(result.findings, key=lambda entry: (entry.host, rank[entry.severity])):
        console.print(_block(finding), soft_wrap=True)
    for finding, reason in result.skipped:
        words = f"skipped  {_place(finding)}: {printable(finding.found)}\n         reason: {printable(reason)}"
        console.print(Text(words, style="dim"), soft_wrap=True)
    warnings = sum(finding.severity == "warning" for finding in result.findings)
    what = "against the records of the last deployment" if drift else f"by {len(CHECKS)} checks"
    examined = f"{hosts} host(s) examined {what}" if hosts else "no host was asked"
    console.print(
        Text(f"{examined} in {seconds:.1f} s: {len(result.errors)} error(s), {warnings} warning(s), {len(result.skipped)} skipped"),
        soft_wrap=True,
    )


def _place(finding: Finding) -> str:
    return f"{finding.host or 'site'}: {finding.check}"


def _block(finding: Finding) -> Text:
    """Lines are not folded: a command among them can be copied whole."""
    rows = [("found", finding.found)] if finding.severity == "note" else []
    rows = rows or [("found", finding.found), ("needed", finding.needed), ("mend", finding.mend)]
    block = Text.assemble((f"{finding.severity:<9}", _COLOURS[finding.severity]), (_place(finding), "bold"))
    for label, text in rows:
        if text:
            block.append(f"\n{label:<9}", style="dim").append(printable(text, keep="\n").replace("\n", "\n" + " " * 9))
    return block
