"""Somebody at the engine's command line, on a throw-away site: what they start, and what they are told."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlops.rehearsal.run.engine import Engine

_WITH_SITE_FILE = {"up", "preview", "refresh", "destroy"}


def until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Polls a condition until a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s: {what}"
        time.sleep(0.05)


@dataclass(frozen=True)
class Ended:
    """A run of the engine that has ended: its exit code, everything that it printed, and its diagnostics by resource."""

    code: int
    text: str

    @property
    def diagnostics(self) -> dict[str, str]:
        section = self.text.partition("Diagnostics:\n")[2]
        blocks = re.split(r"^  \S+ \((\S+)\):\n", re.split(r"^\w", section, maxsplit=1, flags=re.MULTILINE)[0], flags=re.MULTILINE)
        return dict(zip(blocks[1::2], blocks[2::2], strict=True))


@dataclass
class Running:
    """A run of the engine."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def end(self) -> Ended:
        self.process.wait(timeout=240)
        return Ended(self.process.returncode, self.text)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class Operator:
    """Runs ``pulumi`` as a person or a pipeline does; ``engine`` names state, stack and site file."""

    engine: Engine

    @contextmanager
    def running(
        self, *arguments: str, config: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> Iterator[Running]:
        command = [self.engine.pulumi, "--non-interactive", "--color=never", *arguments, f"--stack={self.engine.stack}"]
        if arguments[0] in _WITH_SITE_FILE:
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
        running = Running(process, output)
        try:
            yield running
        finally:
            if process.poll() is None:
                running.kill()

    def run(self, *arguments: str, config: Path | None = None, environment: Mapping[str, str] | None = None) -> Ended:
        with self.running(*arguments, config=config, environment=environment) as running:
            return running.end()

    def up(self, *arguments: str, config: Path | None = None) -> Ended:
        return self.run("up", "--yes", "--skip-preview", *arguments, config=config)

    def nothing_to_do(self) -> Ended:
        """A preview that fails when there is something to do."""
        return self.run("preview", "--expect-no-changes", environment={"PULUMI_SKIP_CHECKPOINTS": "true"})

    def checkpoint(self) -> dict[str, list[str]]:
        """What the state holds: names of the resources, and of those that an operation is pending on."""
        latest = json.loads(self.engine.state_file.read_text(encoding="utf-8"))["checkpoint"]["latest"] or {}
        pending = [entry["resource"] for entry in latest.get("pending_operations") or []]
        resources = {"resources": latest.get("resources") or [], "pending": pending}
        return {kind: [entry["urn"].rpartition("::")[2] for entry in entries] for kind, entries in resources.items()}

    def locks(self) -> list[Path]:
        return list((self.engine.home / "state" / ".pulumi" / "locks").rglob("*.json"))

    def end_leftovers(self) -> None:
        """Ends what a killed engine had started: an official plugin does not notice that its engine has gone."""
        mark = f"PULUMI_HOME={self.engine.home}/".encode()
        for directory in Path("/proc").iterdir():
            with contextlib.suppress(OSError):  # it may end by itself at this very moment
                if directory.name.isdigit() and mark in (directory / "environ").read_bytes():
                    os.kill(int(directory.name), signal.SIGKILL)
