"""What a person sees while programs are fetched or built: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from mlops.tools.progress import Progress

_PLAIN_INTERVAL = 30.0  # seconds between signs of life where there is no live line


class ConsoleProgress(Progress):
    """Shows progress on standard error; use as a context manager, so that the live line ends with the work.

    Args:
        console: where to write.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._status: Status | None = None
        self._title = ""
        self._began = self._spoke = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._status:
            self._status.stop()

    def start(self, title: str) -> None:
        """Begins the live line, or prints the title."""
        self._title = title
        self._began = self._spoke = time.monotonic()
        if self._console.is_terminal:
            self._status = self._status or self._console.status("")
            self._status.start()
            self.update("")
        else:
            self.say(title)

    def update(self, detail: str) -> None:
        """Rewrites the live line, or prints a line every half minute."""
        now = time.monotonic()
        line = Text(f"{self._title}  {now - self._began:.0f} s  {detail}", overflow="ellipsis", no_wrap=True)
        if self._status:
            self._status.update(line)
        elif now - self._spoke >= _PLAIN_INTERVAL:
            self._spoke = now
            self.say(line.plain)

    def say(self, line: str) -> None:
        """Prints a line above the live one."""
        self._console.print(Text(line), soft_wrap=True)
