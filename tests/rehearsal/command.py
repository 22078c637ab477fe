"""`mlops rehearse` as a user starts it: a process of its own, on a terminal or with its output in a file."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

from tests.rehearsal.site.machine import family, namespaces_of, until

NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
"""So that a checkout can be compared file by file: Python would lay its compiled modules into it."""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Rehearsal:
    """A rehearsal that runs.

    Args:
        site: name of the site.
        options: further options of the command.
        checkout: folder with the program.
        cache: value of MLOPS_CACHE_DIR.
        log: file for all that it says.
        terminal: give it a terminal, whose foreground program it is.
    """

    def __init__(self, site: str, *options: str, checkout: Path, cache: Path, log: Path, terminal: bool = False) -> None:
        self._log = log
        argv = [sys.executable, "-c", "from mlops.cli import main; main()", "rehearse", site, "--delay-scale", "0", *options]
        environment = {**os.environ, **NO_BYTECODE, "PYTHONPATH": str(checkout), "MLOPS_CACHE_DIR": str(cache)}
        environment.pop("FORCE_COLOR", None)  # a person's own wish to see colours in files
        environment |= {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"} if terminal else {}
        self._keyboard: int | None = None
        output = log.open("wb")
        if terminal:
            self._keyboard, theirs = pty.openpty()
            self.process = subprocess.Popen(
                ["setsid", "--ctty", *argv], cwd=checkout, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
            )
            os.close(theirs)
            threading.Thread(target=self._copy, args=(self._keyboard, output), daemon=True).start()
        else:
            with output:
                self.process = subprocess.Popen(
                    argv,
                    cwd=checkout,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    @staticmethod
    def _copy(terminal: int, output: BinaryIO) -> None:
        with os.fdopen(os.dup(terminal), "rb", buffering=0) as source, output:
            try:
                while data := source.read(65536):
                    output.write(data)
                    output.flush()
            except OSError:
                return  # the last program on the terminal has ended

    @property
    def raw(self) -> str:
        """All that it has said so far, as a terminal gets it."""
        return self._log.read_bytes().decode(errors="replace")

    @property
    def text(self) -> str:
        """The same without what moves a cursor or sets a colour."""
        return _ESCAPES.sub("", self.raw)

    def wait_for(self, pattern: str, seconds: float = 600) -> re.Match[str]:
        """Waits until it says something; fails when it ends without."""
        expression = re.compile(pattern, re.MULTILINE | re.DOTALL)
        until(lambda: bool(expression.search(self.text)) or self.process.poll() is not None, f"it never says {pattern}", seconds)
        found = expression.search(self.text)
        assert found is not None, self.text
        return found

    def wait_for_up(self) -> None:
        """Waits until the first ``up`` is at work on a host's cluster."""
        self.wait_for(r"^up\s*$.*cluster.{0,40}-microk8s")

    def inside(self) -> tuple[set[tuple[int, str]], set[str]]:
        """Its processes and the namespaces that they have for themselves."""
        processes = family(self.process.pid)
        return processes, namespaces_of(processes)

    def press_ctrl_c(self) -> None:
        """Types Ctrl-C on its terminal."""
        assert self._keyboard is not None
        os.write(self._keyboard, b"\x03")

    def end(self, seconds: float = 240) -> int:
        """Waits for its end; returns the exit code."""
        until(lambda: self.process.poll() is not None, "it does not end", seconds)
        return self.process.wait()

    def stop(self) -> None:
        """Ends it, whatever it does; everything of its frame goes with it."""
        self.process.kill()
        self.process.wait()
        if self._keyboard is not None:
            os.close(self._keyboard)
            self._keyboard = None


def seconds_until_end(rehearsal: Rehearsal) -> float:
    """How long it takes to end from now on."""
    began = time.monotonic()
    rehearsal.end(60)
    return time.monotonic() - began


def table(text: str) -> dict[str, list[str]]:
    """Rows of the closing table: layer to the other columns."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    return {name: cells for name, *cells in rows if len(cells) == 4 and cells[1].replace(".", "").isdigit()}
