"""Runs the real ``pulumi`` on the throw-away site, one operation at a time."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops.errors import Problem, UserError
from mlops.rehearsal.run.event_stream import PHASE_BEGINS, EventStream
from mlops.rehearsal.run.events import Progress
from mlops.tools.shell import engine_settings

_POLL_SECONDS = 0.1
STATE_OPTIONS = "?metadata=skip"
"""What the README has a site's own backend end in: without it the backend puts an MD5 beside each file that it writes, a sum that
nothing reads, of the whole state and of its copy at every checkpoint (docs/decisions/0010)."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One run of the engine.

    Attributes:
        name: e.g. ``up``.
        exit_code: the engine's.
        seconds: wall time.
        progress: what the events of its last phase told.
        output: file with everything it printed.
    """

    name: str
    exit_code: int
    seconds: float
    progress: Progress
    output: Path


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The engine with a state of its own.

    Attributes:
        project: folder with the program, where ``__main__.py`` is.
        home: folder of this run: state, plugins, passphrase, logs.
        stack: name of the stack.
        path: directories to put in front of PATH: tools and stand-in plugins.
        extra: further variables.
    """

    project: Path
    home: Path
    stack: str
    path: Sequence[Path]
    extra: Mapping[str, str]

    @property
    def pulumi(self) -> str:
        """The engine: the first on the path, since its language host lies beside it."""
        return shutil.which("pulumi", path=os.pathsep.join(map(str, self.path))) or "pulumi"

    @property
    def config_file(self) -> Path:
        """The derived site file."""
        return self.home / "project" / f"Pulumi.{self.stack}.yaml"

    @property
    def state_file(self) -> Path:
        """The stack's checkpoint."""
        return self.home / "state" / ".pulumi" / "stacks" / "onprem-mlops" / f"{self.stack}.json"

    def environment(self) -> dict[str, str]:
        """Variables that a person needs to use this engine by hand; the passphrase stands in a file."""
        return {
            **engine_settings(os.environ),
            **self.extra,
            "PATH": os.pathsep.join([*map(str, self.path), os.environ.get("PATH", os.defpath)]),
            "PULUMI_HOME": str(self.home / "pulumi-home"),
            "PULUMI_BACKEND_URL": f"file://{self.home / 'state'}{STATE_OPTIONS}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.home / "passphrase"),
            # nothing is downloaded by surprise, and nobody is asked for news
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            # shows the flag --event-log
            "PULUMI_DEBUG_COMMANDS": "true",
        }

    def prepare(self, site_file_text: str, secret_values: Mapping[str, str]) -> None:
        """Makes the state, the derived site file and the stack; secrets go in by standard input.

        Args:
            site_file_text: text of the derived site file.
            secret_values: configuration path to secret value.
        """
        for folder in ("project", "state", "logs"):
            (self.home / folder).mkdir(mode=0o700)
        passphrase = self.home / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        # `stack init` and `config set` write into the folder they run in, so they get one of their own instead of the checkout
        (self.home / "project" / "Pulumi.yaml").write_text("name: onprem-mlops\nruntime: python\n", encoding="utf-8")
        self.config_file.touch(mode=0o600)
        self.config_file.write_text(site_file_text, encoding="utf-8")
        self.run("stack", "init", self.stack, folder=self.home / "project")
        for path, value in secret_values.items():
            self.run("config", "set", "--secret", "--path", path, "-s", self.stack, folder=self.home / "project", stdin=value)

    def run(self, *arguments: str, folder: Path | None = None, stdin: str | None = None) -> str:
        """Runs a short command of the engine and returns what it prints.

        Raises:
            UserError: it failed; the text is its own.
        """
        done = subprocess.run(
            [self.pulumi, "--non-interactive", *arguments],
            cwd=folder or self.project,
            env={**os.environ, **self.environment()},
            input=stdin or "",
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise UserError(
                "the engine refused", [Problem(f"pulumi {' '.join(arguments[:2])}", done.stderr.strip(), "exit code 0")]
            )
        return done.stdout

    def operate(
        self,
        name: str,
        arguments: Sequence[str],
        on_progress: Callable[[Progress, float], None],
        *,
        environment: Mapping[str, str] | None = None,
    ) -> Operation:
        """Runs ``preview``, ``up`` or ``destroy`` and follows its events.

        Args:
            name: how the operation is called in logs.
            arguments: command line after ``pulumi``.
            on_progress: called with the progress so far and the seconds since the start, several times a second.
            environment: further variables for this operation.
        """
        output = self.home / "logs" / f"{name}.log"
        started = time.monotonic()
        progress = Progress()
        with output.open("w", encoding="utf-8") as out, EventStream() as events:
            process = subprocess.Popen(
                [
                    self.pulumi,
                    "--non-interactive",
                    "--color=never",
                    *arguments,
                    f"--stack={self.stack}",
                    f"--config-file={self.config_file}",
                    f"--event-log={events.address}",
                ],
                cwd=self.project,
                env={**os.environ, **self.environment(), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            try:
                ended = False
                while not ended:
                    ended = process.poll() is not None
                    for event in events.drain(_POLL_SECONDS):
                        if event is PHASE_BEGINS:
                            progress = Progress()
                        else:
                            progress.feed(event, time.monotonic())
                    on_progress(progress, time.monotonic() - started)
            except BaseException:
                # asked politely, it would wait for the steps under way; nothing of a throw-away site needs that
                process.kill()
                process.wait()
                raise
        return Operation(
            name=name, exit_code=process.returncode, seconds=time.monotonic() - started, progress=progress, output=output
        )
