"""`mlops bench`: the figures of docs/benchmarks.md, measured on this machine."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from mlops.errors import Problem, UserError

CHECKOUT = Path(__file__).resolve().parents[2]
RUNS = 5

app = typer.Typer()

COMMANDS: dict[str, Sequence[str]] = {
    "`mlops tools`, all there": ("tools",),
    "`mlops validate corporate`": ("validate", "corporate"),
    "`mlops graph --stats`, all bundles, rendered before": ("graph", "--stats"),
}


@app.command()
def bench(
    site: Annotated[str, typer.Argument(help="Site to rehearse.")] = "baremetal",
    *,
    quick: Annotated[bool, typer.Option("--quick", help="One seed of the guarded objects, all installers.")] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds with everything installed, by each installer.")] = 3,
    small_seeds: Annotated[int, typer.Option(min=0, help="Further seeds with the guarded objects, this program only.")] = 20,
    mutations: Annotated[bool, typer.Option(help="Take hard edges away and see what is refused.")] = True,
    write: Annotated[Path | None, typer.Option(help="Page whose measured part is replaced.")] = None,
) -> None:
    """Install the same objects in three ways on throw-away clusters, measure the rest, print Markdown; 1 if a goal is missed."""
    from mlops.rehearsal.bench.bench import QUICK, Size, run_bench  # noqa: PLC0415 - heavy, and no other command needs it
    from mlops.rehearsal.bench.page import Figures, page, write_page  # noqa: PLC0415
    from mlops.rehearsal.run.display import make_console  # noqa: PLC0415
    from mlops.rehearsal.site.inner import InterruptedBySignal, raise_on_signals  # noqa: PLC0415

    began = time.monotonic()
    figures = Figures(machine=_machine())
    size = QUICK if quick else Size(seeds=seeds, small_seeds=small_seeds, mutations=mutations)
    raise_on_signals()
    try:
        if not quick:
            figures.commands = {title: _timed(arguments) for title, arguments in COMMANDS.items()}
            figures.rehearsal = _rehearsal(site)
        run_bench(CHECKOUT, make_console(sys.stderr), size, figures)
    except InterruptedBySignal as interrupt:
        typer.echo("interrupted: everything of the bench is ended", err=True)
        raise typer.Exit(interrupt.code) from None
    except UserError as error:
        figures.stopped = str(error)  # what was measured in up to an hour is not thrown away
    figures.seconds = time.monotonic() - began
    text = page(figures)
    typer.echo(text)
    if write is not None:
        write_page(write, text)
    if figures.faults():
        raise typer.Exit(1)


def _timed(arguments: Sequence[str]) -> tuple[float, float, float]:
    """Median, least and most seconds of some runs of a command."""
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "mlops.cli", *arguments], cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), min(seconds), max(seconds)


def _rehearsal(site: str) -> dict[str, Mapping[str, float]]:
    """Seconds of a whole rehearsal without start delays, by phase and by layer."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [sys.executable, "-m", "mlops.cli", "rehearse", site, "--delay-scale", "0", "--report", str(file)]
        done = subprocess.run(command, cwd=CHECKOUT, check=False, stdout=sys.stderr)
        if not file.exists():
            raise UserError(
                "the rehearsal gave no figures", [Problem(" ".join(command[2:]), f"exit code {done.returncode}", "a report")]
            )
        report = json.loads(file.read_text(encoding="utf-8"))
    layers = {f"{name}, {layer['resources']} resources": layer["seconds"] for name, layer in report["layers"].items()}
    phases = {name: seconds for name, seconds in report["phases"].items() if seconds >= 0.1}
    return {f"Rehearsal of {site} without start delays, phase": phases, "Layer in its first `up`": layers}


def _machine() -> str:
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    kernel, _, _ = platform.release().partition("-")
    today = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    return f"{today}, {os.cpu_count()} cores, {memory} GiB, Linux {kernel}, Python {platform.python_version()}"
