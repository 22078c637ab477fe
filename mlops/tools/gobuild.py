"""Way three: built from the published Go module, whose every dependency go.sum pins by its hash."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlops.tools.pins import Pin
from mlops.tools.reachability import Reachability

_KEPT_LINES = 12


class BuildError(Exception):
    """The module could not be built; the message is the compiler's, shortened."""


@dataclass(frozen=True, slots=True)
class Builds:
    """Builds Go programs.

    Attributes:
        reachability: what is known of the module proxies.
    """

    reachability: Reachability = field(default_factory=Reachability)

    def build(self, pins: Sequence[Pin], into: Path, progress: Callable[[str], None]) -> None:
        """Builds programs of one recipe in one go; each is laid into a folder by its own name.

        Raises:
            BuildError: no Go, one too old for the module, a dependency that cannot be had, or no room.
        """
        go = shutil.which("go")
        if go is None:
            raise BuildError("`go` is not on PATH")
        module = pins[0].module
        # Several programs are named by their packages; a single one by us, as some packages are called `server` or `v3`.
        output = f"{into}/" if len(pins) > 1 else str(into / pins[0].name)
        command = [
            go,
            "build",
            "-v",
            "-buildvcs=false",
            "-ldflags",
            pins[0].ldflags,
            "-o",
            output,
            *(pin.build.package for pin in pins),
        ]
        _run(command, module, self._environment(go, module), progress)

    def _environment(self, go: str, module: Path) -> dict[str, str]:
        environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
        told = subprocess.run(
            [go, "env", "-json", "GOPROXY"], cwd=module, env=environment, capture_output=True, text=True, check=False
        )
        proxies = json.loads(told.stdout)["GOPROXY"] if told.returncode == 0 else ""
        servers = [proxy for proxy in proxies.replace("|", ",").split(",") if proxy.startswith(("https://", "http://"))]
        self.reachability.check(servers)
        if servers and not any(map(self.reachability.reachable, servers)):
            # What the module cache holds still builds; the rest fails at once instead of after minutes of retries.
            environment["GOPROXY"] = "off"
        return environment


def _run(command: Sequence[str], folder: Path, environment: dict[str, str], progress: Callable[[str], None]) -> None:
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    compiled = 0
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        try:
            for line in process.stderr or ():
                text = line.rstrip()
                if text.startswith("go: downloading "):
                    progress(text.removeprefix("go: "))
                elif " " not in text:  # -v prints the import path of each package it compiles
                    compiled += 1
                    progress(f"{compiled} packages compiled, now {text}")
                else:
                    last.append(text)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise BuildError("\n".join(last) or f"`go build` ended with {process.returncode}")
