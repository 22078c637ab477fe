"""What a rehearsal found: the table per layer, and the faults that make its exit code 1."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mlops.rehearsal.run.audit import AuditSummary, Write
from mlops.rehearsal.run.display import step_name
from mlops.rehearsal.run.engine import Operation
from mlops.rehearsal.run.events import OTHER_LAYER, layer_of

_SHOWN_FAULTS = 20
_SHOWN_STEPS = 5
_SHOWN_LOG_LINES = 12
# What the command plugin puts in front of a failing script's own output: the launcher's whole command line.
_LAUNCHED = re.compile(r'\AProcess exited with status \d+: running ".*?(?<!\\)":\n', re.DOTALL)

_VERDICT = re.compile(r"\w+ failed")


@dataclass
class Report:
    """Everything the run leaves to be told.

    Attributes:
        site: the site's name.
        phases: name to seconds, in order.
        operations: the engine's runs, by name.
        state_bytes: size of the stack's state when everything is there; the engine writes it anew at each step.
        audit: writes until the end of the second ``up``.
        faults: what was not as it must be; empty when the rehearsal has passed.
    """

    site: str
    phases: dict[str, float] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    state_bytes: int = 0
    audit: AuditSummary = field(default_factory=AuditSummary)
    faults: list[str] = field(default_factory=list)


def layer_of_write(write: Write, objects: Mapping[tuple[str, str], str]) -> str:
    """The layer whose object a write was about.

    Args:
        write: the write.
        objects: (lower-case kind, namespace/name or name) to layer, from the engine's events.
    """
    resource, _, name = write.what.partition(" ")
    plural = resource.split(".")[0].split("/")[0]
    for (kind, known), layer in objects.items():
        if known == name and plural.startswith(kind[:-1]):
            return layer
    return OTHER_LAYER


def objects_by_layer(urns: Iterable[str]) -> dict[tuple[str, str], str]:
    """Kubernetes objects among the resources: their names in the stack are ``bundle/Kind/[namespace/]name``."""
    table = {}
    for urn in urns:
        if "$kubernetes:" not in urn:
            continue
        _, kind, name = urn.rsplit("::", 1)[-1].split("/", 2)
        table[kind.lower(), name] = layer_of(urn)
    return table


def figures(report: Report) -> dict[str, object]:
    """The report's figures as plain data."""
    up = report.operations.get("up")
    layers = {} if up is None else up.progress.layers
    return {
        "site": report.site,
        "phases": report.phases,
        "layers": {
            name: {"resources": layer.done, "seconds": layer.seconds(up.progress.last if up else 0.0)}
            for name, layer in layers.items()
        },
        "stateBytes": report.state_bytes,
        "writes": report.audit.deployer_writes,
        "refused": len(report.audit.refused),
        "gateRefusals": report.audit.gate_refusals.total(),
        "faults": report.faults,
    }


def print_report(report: Report, console: Console) -> None:
    """Prints the table per layer, the figures behind it and the verdict, the faults last."""
    if first := report.operations.get("up"):
        console.print(_table(report, first))
        slowest = sorted(first.progress.steps, reverse=True)[:_SHOWN_STEPS]
        console.print("slowest steps: " + ", ".join(f"{step_name(urn)} {seconds:.1f} s" for seconds, urn in slowest), markup=False)
    console.print("phases: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in report.phases.items()), markup=False)
    audit = report.audit
    console.print(
        f"state: {report.state_bytes / 1e6:.2f} MB; API writes of the deployer: {audit.deployer_writes} stored, "
        f"{len(audit.refused)} refused; questions of gates refused: {audit.gate_refusals.total()}; writes of controllers refused: "
        f"{audit.controller_refusals.total()}"
    )
    for text, count in [*audit.gate_refusals.items(), *audit.controller_refusals.items()]:
        console.print(f"  {count} x {text}", markup=False)
    _print_verdict(report, console)


def _table(report: Report, first: Operation) -> Table:
    second = report.operations.get("second up")
    objects = objects_by_layer(urn for _, urn in first.progress.steps)
    refused = Counter(layer_of_write(write, objects) for write in report.audit.refused)
    table = Table("layer", "resources", "seconds", "refused", "changed again", title=f"rehearsal of {report.site}")
    by_end = sorted(first.progress.layers.items(), key=lambda item: (item[0] == OTHER_LAYER, item[1].ended or math.inf))
    for name, progress in by_end:
        again = second.progress.layers.get(name) if second else None
        table.add_row(
            name,
            str(progress.done),
            f"{progress.seconds(first.progress.last):.1f}",
            str(refused.pop(name, 0)),
            "-" if again is None else str(0 if name == OTHER_LAYER else again.changed),
        )
    for name, count in refused.items():
        table.add_row(name, "0", "-", str(count), "-")
    return table


def _print_verdict(report: Report, console: Console) -> None:
    if not report.faults:
        shown = ["nothing refused", "nothing changed by the second up"]
        if "destroy" in report.operations:
            shown.append("nothing left by destroy")
        console.print(f"[bold green]passed[/bold green]: {', '.join(shown)}")
        return
    console.print(f"[bold red]failed[/bold red]: {len(report.faults)} fault(s)")
    for fault in report.faults[:_SHOWN_FAULTS]:
        console.print("  - " + fault.replace("\n", "\n    "), markup=False)
    if len(report.faults) > _SHOWN_FAULTS:
        console.print(f"  ... and {len(report.faults) - _SHOWN_FAULTS} more")


def _failures(operation: Operation) -> Iterable[str]:
    """The failing steps with what the product itself says of them, then what the engine says of the whole operation."""
    told = False
    for urn, text in sorted(operation.progress.errors, key=lambda error: _is_about_the_whole(error[0])):
        if _is_about_the_whole(urn):
            # after a failing step it only says that it has failed
            if not (told and _VERDICT.fullmatch(text)):
                yield f"{operation.name} ended with exit code {operation.exit_code}: {text}"
        else:
            yield f"{operation.name}, {step_name(urn)}: {_LAUNCHED.sub('', text) or text}"
        told = True
    if not told:
        yield f"{operation.name} ended with exit code {operation.exit_code}: {_last_lines(operation.output)}"


def _is_about_the_whole(urn: str) -> bool:
    return not urn or "::pulumi:pulumi:Stack::" in urn


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return "\n".join(lines[-_SHOWN_LOG_LINES:])


def judge(report: Report, *, left_behind: Sequence[str]) -> None:
    """Adds the faults that the figures show.

    Args:
        report: what was measured.
        left_behind: what destroy left that the settings do not retain.
    """
    for operation in report.operations.values():
        if operation.exit_code != 0:
            report.faults.extend(_failures(operation))
    for name in ("second up", "second preview"):
        if again := report.operations.get(name):
            report.faults.extend(
                f"{name} changes {layer.changed} resource(s) of layer {layer_name}"
                for layer_name, layer in again.progress.layers.items()
                if layer.changed and layer_name != OTHER_LAYER
            )
    report.faults.extend(
        f"refused write: {write.verb} {write.what}: {write.status} {write.message}" for write in report.audit.refused
    )
    report.faults.extend(f"left behind by destroy: {item}" for item in left_behind)
