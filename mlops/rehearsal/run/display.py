"""Progress of an operation, layer by layer: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from mlops.rehearsal.run.events import LayerProgress, Progress

OnProgress = Callable[[Progress, float], None]
_PLAIN_INTERVAL_SECONDS = 10.0


def _step(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _cells(name: str, layer: LayerProgress, total: int | None, now: float) -> tuple[str, str, str, str]:
    count = f"{layer.done}/{total}" if total else str(layer.done)
    if layer.failed:
        state = f"failed: {_step(layer.failed[0])}"
    elif layer.running:
        urn, begun = min(layer.running.items(), key=lambda item: item[1])
        more = f" and {len(layer.running) - 1} more" if len(layer.running) > 1 else ""
        state = f"{_step(urn)}{more}, {now - begun:.0f} s"
    else:
        state = "waiting" if total and layer.done < total else "done"
    return name, count, f"{layer.seconds(now):.0f} s", state


class Display:
    """Shows operations one after the other.

    Args:
        console: where to; its kind decides between the live table and plain lines.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def operation(self, title: str, totals: Mapping[str, int]) -> Iterator[OnProgress]:
        """Shows one operation; what it yields is to be called with the progress several times a second.

        Args:
            title: what is done, e.g. ``up``.
            totals: resources that each layer will have, as far as known.
        """
        self.console.print(f"[bold]{title}[/bold]")
        if not self.console.is_terminal:
            yield self._plain(totals)
            return
        with Live(console=self.console, refresh_per_second=4, transient=False) as live:

            def show(progress: Progress, seconds: float) -> None:
                table = Table("layer", "resources", "time", f"state after {seconds:.0f} s", expand=False)
                now = time.monotonic()
                for name, layer in progress.layers.items():
                    table.add_row(*_cells(name, layer, totals.get(name), now))
                live.update(table)

            yield show

    def _plain(self, totals: Mapping[str, int]) -> OnProgress:
        said: dict[str, tuple[str, float]] = {}

        def show(progress: Progress, seconds: float) -> None:
            now = time.monotonic()
            for name, layer in progress.layers.items():
                _, count, spent, state = _cells(name, layer, totals.get(name), now)
                settled = "done" if state == "done" else "failed" if layer.failed else "running"
                before, at = said.get(name, ("", 0.0))
                if settled != before or (settled == "running" and now - at > _PLAIN_INTERVAL_SECONDS):
                    said[name] = (settled, now)
                    self.console.print(f"  {seconds:5.0f} s  {name}: {count} resources, {spent}, {state}", highlight=False)

        return show
