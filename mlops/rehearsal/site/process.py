"""Long-running programs of the site, with a log each."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 5.0


class Program:
    """A program in a network namespace of the site.

    Args:
        name: for the log's name and for messages.
        argv: program and arguments; no secrets, they go into files.
        log: its log file, appended to.
        namespace: network namespace to run in; the frame's own when not given.
        environment: its whole environment.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        namespace: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._argv = [*(["nsenter", f"--net={namespace}", "--"] if namespace else []), *argv]
        self._log = log
        self._environment = dict(environment or {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, unless it runs."""
        if self.running:
            return
        with self._log.open("ab") as log:
            # its own session: Ctrl-C on the terminal is for the driver, which then stops the site in order
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def ended(self) -> bool:
        """Whether it was started and has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        """Ends it at once; nothing of a throw-away site needs an orderly end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            self._process = None

    def tail(self, lines: int = 12) -> str:
        """The end of its log."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return f"{self.name}: " + ("\n".join(text.strip().splitlines()[-lines:]) or "no output")
