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
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mlops.errors import Problem, UserError

CHECKOUT = Path(__file__).resolve().parents[2]
RUNS = 5

app = typer.Typer()

COMMANDS: dict[str, Sequence[str]] = {
    "`mlops tools`, all there": ("tools",),
    "`mlops validate corporate`": ("validate", "corporate"),
    "`mlops graph cert-manager`, rendered before": ("graph", "cert-manager"),
}


@app.command()
def bench(site: Annotated[str, typer.Argument(help="Site to rehearse.")] = "baremetal") -> None:
    """Measure the command line and a rehearsal, the peer on the same cluster included; print Markdown."""
    lines = [
        _machine(),
        "",
        f"| Command, median (least to most) of {RUNS} runs | seconds |",
        "|---|---|",
    ]
    for title, arguments in COMMANDS.items():
        seconds = sorted(_timed(arguments) for _ in range(RUNS))
        lines.append(f"| {title} | {statistics.median(seconds):.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f}) |")
    lines += ["", f"| Rehearsal of {site}, phase | seconds |", "|---|---|"]
    report = _rehearsal(site)
    lines += [f"| {name} | {seconds:.1f} |" for name, seconds in report["phases"].items() if seconds >= 0.1]
    layers, peer = report["layers"], report["peer"]
    lines += ["", "| Layer in the first `up` | resources | seconds |", "|---|---|---|"]
    lines += [f"| {name} | {layer['resources']} | {layer['seconds']:.1f} |" for name, layer in layers.items()]
    ours = layers["certificates"]["seconds"]
    lines += [
        "",
        "| cert-manager and one issuer, on the same cluster | attempts | seconds | refused writes | ready at the end |",
        "|---|---|---|---|---|",
        f"| this program | 1 | {ours:.1f} | {report['refused']} | yes, waited for |",
        f"| `kubectl apply` in a loop | {peer['attempts']} | {peer['seconds']:.1f} | {peer['refused']} | not looked at |",
        "",
        f"Ratio of the times: {ours / peer['seconds']:.2f}. Writes of the deployer in all: {report['writes']}.",
    ]
    typer.echo("\n".join(lines))


def _timed(arguments: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "mlops.cli", *arguments], cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _rehearsal(site: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [sys.executable, "-m", "mlops.cli", "rehearse", site, "--compare", "--report", str(file)]
        done = subprocess.run(command, cwd=CHECKOUT, check=False, stdout=sys.stderr)
        if not file.exists():
            raise UserError(
                "the rehearsal gave no figures", [Problem(" ".join(command[2:]), f"exit code {done.returncode}", "a report")]
            )
        figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return figures


def _machine() -> str:
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    kernel, _, _ = platform.release().partition("-")
    today = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    return f"{today}, {os.cpu_count()} cores, {memory} GiB, Linux {kernel}, Python {platform.python_version()}"
