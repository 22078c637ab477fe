"""What a rehearsal found: the table per layer, and the faults that make its exit code 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from mlops.rehearsal.run.audit import AuditSummary, Write
from mlops.rehearsal.run.engine import Operation
from mlops.rehearsal.run.events import OTHER_LAYER, layer_of

_SHOWN_FAULTS = 20


@dataclass
class Report:
    """Everything the run leaves to be told.

    Attributes:
        site: the site's name.
        phases: name to seconds, in order.
        operations: the engine's runs, by name.
        audit: writes until the end of the second ``up``.
        faults: what was not as it must be; empty when the rehearsal has passed.
    """

    site: str
    phases: dict[str, float] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
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


def print_report(report: Report, console: Console) -> None:
    """Prints the table per layer, the phases, the slowest steps and the faults."""
    first, second = report.operations.get("up"), report.operations.get("second up")
    if first:
        objects = objects_by_layer(urn for _, urn in first.progress.steps)
        refused: dict[str, int] = {}
        for write in report.audit.refused:
            layer = layer_of_write(write, objects)
            refused[layer] = refused.get(layer, 0) + 1
        table = Table(
            "layer", "resources", "seconds", "refused writes", "changed by the second up", title=f"rehearsal of {report.site}"
        )
        for name, progress in first.progress.layers.items():
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
        console.print(table)
        slowest = sorted(first.progress.steps, reverse=True)[:5]
        console.print(
            "slowest steps: " + ", ".join(f"{urn.rsplit('::', 1)[-1]} {seconds:.1f} s" for seconds, urn in slowest), highlight=False
        )
    console.print("phases: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in report.phases.items()), highlight=False)
    audit = report.audit
    console.print(
        f"API writes of the deployer: {audit.deployer_writes} stored, {len(audit.refused)} refused; "
        f"gates asked in vain {audit.gate_refusals.total()} time(s); refused to controllers: {audit.controller_refusals.total()}",
        highlight=False,
    )
    for text, count in [*audit.gate_refusals.items(), *audit.controller_refusals.items()]:
        console.print(f"  {count} x {text}", highlight=False, markup=False)
    print_faults(report.faults, console)


def print_faults(faults: Sequence[str], console: Console) -> None:
    """Prints the verdict."""
    if not faults:
        console.print("[bold green]passed[/bold green]: nothing refused, nothing changed by the second up, nothing left by destroy")
        return
    console.print(f"[bold red]failed[/bold red]: {len(faults)} fault(s)")
    for fault in faults[:_SHOWN_FAULTS]:
        console.print(f"  - {fault}", highlight=False, markup=False)


def judge(report: Report, *, left_behind: Sequence[str]) -> None:
    """Adds the faults that the figures show.

    Args:
        report: what was measured.
        left_behind: what destroy left that the settings do not retain.
    """
    for operation in report.operations.values():
        if operation.exit_code != 0:
            texts = operation.progress.diagnostics or [f"see {operation.output}"]
            report.faults.extend(f"{operation.name} ended with exit code {operation.exit_code}: {text}" for text in texts)
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
