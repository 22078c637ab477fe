"""Progress of an operation, layer by layer: a live table on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from mlops.rehearsal.run.events import OTHER_LAYER, LayerProgress, Progress

OnProgress = Callable[[Progress, float], None]
_PLAIN_INTERVAL_SECONDS = 10.0
_PLAIN_WIDTH = 1000


def make_console(file: TextIO | None = None) -> Console:
    """A console for everything that a rehearsal says; nobody can widen a pipe, so that it gets whole lines."""
    console = Console(file=file, highlight=False)
    return console if console.is_terminal else Console(file=file, highlight=False, width=_PLAIN_WIDTH)


def step_name(urn: str) -> str:
    """The name that a resource has in the stack."""
    return urn.rsplit("::", 1)[-1]


def _count(layer: LayerProgress, total: int | None) -> str:
    return f"{layer.done}/{total}" if total else str(layer.done)


def _state(layer: LayerProgress, total: int | None, now: float) -> str:
    if layer.failed:
        return f"failed: {', '.join(map(step_name, layer.failed))}"
    if layer.running:
        urn, begun = min(layer.running.items(), key=lambda item: item[1])
        more = f" and {len(layer.running) - 1} more" if len(layer.running) > 1 else ""
        return f"{step_name(urn)}{more}, {now - begun:.0f} s"
    return "waiting" if total is None or layer.done < total else "done"


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
            lines = _PlainLines(self.console, totals)
            yield lines.show
            lines.end()
            return
        with Live(console=self.console, refresh_per_second=4) as live:

            def show(progress: Progress, seconds: float) -> None:
                table = Table("layer", "resources", "time", f"state after {seconds:.0f} s")
                now = time.monotonic()
                for name, layer in progress.layers.items():
                    total = totals.get(name)
                    table.add_row(name, _count(layer, total), f"{layer.seconds(now):.0f} s", _state(layer, total, now))
                live.update(table)

            yield show


class _PlainLines:
    """A line when a layer begins, one every ten seconds while it works, one when it ends; nothing of what belongs to no layer.

    Without totals the end of a layer is known at the end of the operation only, and nothing is said before unless it takes long.
    """

    def __init__(self, console: Console, totals: Mapping[str, int]) -> None:
        self._console = console
        self._totals = totals
        self._said: dict[str, float] = {}
        self._ended: set[str] = set()
        self._last: tuple[Progress, float] | None = None

    def show(self, progress: Progress, seconds: float) -> None:
        self._last = progress, seconds
        now = time.monotonic()
        for name, layer in progress.layers.items():
            if name in self._ended or name == OTHER_LAYER or layer.started is None:
                continue
            total = self._totals.get(name)
            if layer.failed or (total is not None and layer.done >= total and not layer.running):
                self._end(name, layer, seconds)
            elif now - self._said.setdefault(name, now if total is None else float("-inf")) >= _PLAIN_INTERVAL_SECONDS:
                self._say(name, layer, seconds, _state(layer, total, now))
                self._said[name] = now

    def end(self) -> None:
        """The operation has ended, and with it every layer."""
        if self._last is not None:
            progress, seconds = self._last
            for name, layer in progress.layers.items():
                if name not in self._ended and name != OTHER_LAYER:
                    self._end(name, layer, seconds)

    def _end(self, name: str, layer: LayerProgress, seconds: float) -> None:
        now = time.monotonic()
        self._ended.add(name)
        complete = layer.done >= self._totals.get(name, 0)
        state = _state(layer, self._totals.get(name), now) if layer.failed or not complete else "done"
        self._say(name, layer, seconds, f"{state} in {layer.seconds(now):.0f} s" if state == "done" else state)

    def _say(self, name: str, layer: LayerProgress, seconds: float, state: str) -> None:
        self._console.print(f"  {seconds:5.0f} s  {name}: {_count(layer, self._totals.get(name))}, {state}", markup=False)
