"""People at the engine's command line, on a throw-away site: what they start, what they are told."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlops.rehearsal.run.engine import Engine


def until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Polls a condition until a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s: {what}"
        time.sleep(0.05)


@dataclass(frozen=True)
class Ended:
    """A run of the engine that has ended: its exit code and everything that it printed."""

    code: int
    text: str


@dataclass(frozen=True)
class Operator:
    """Somebody who runs ``pulumi`` by hand.

    Attributes:
        engine: whose state, stack and site file are used.
    """

    engine: Engine

    def run(self, *arguments: str, environment: dict[str, str] | None = None, config: Path | None = None) -> Ended:
        """Runs one command to its end."""
        with self.running(*arguments, environment=environment, config=config) as (process, output):
            process.wait(timeout=240)
        return Ended(process.returncode, output.read_text(encoding="utf-8"))

    @contextmanager
    def running(
        self, *arguments: str, environment: dict[str, str] | None = None, config: Path | None = None
    ) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """Runs one command while the block runs; gives the process and the file with its output."""
        command = [self.engine.pulumi, "--non-interactive", "--color=never", *arguments, f"--stack={self.engine.stack}"]
        if arguments[0] in {"up", "preview", "refresh", "destroy"}:
            command.append(f"--config-file={config or self.engine.config_file}")
        output = self.engine.home / "logs" / f"{time.monotonic_ns()}-{arguments[0]}.log"
        with output.open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=self.engine.project,
                env={**os.environ, **self.engine.environment(), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process, output
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
