"""Which version a program is: asked once per file, then remembered by its modification time and size."""

from __future__ import annotations

import json
import mmap
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlops.tools.pins import Pin, Probe

_SECONDS = 15.0  # a large Go program on a cold disk needs several

# No program may look for updates or for a cluster when asked for its version.
_QUIET = {"PULUMI_SKIP_UPDATE_CHECK": "true", "KUBECONFIG": os.devnull}


def version_of(path: Path, probe: Probe) -> str | None:
    """The version a program tells, None when it tells none."""
    try:
        return _embedded(path, probe) if probe.embedded else _told(path, probe)
    except (OSError, ValueError, subprocess.TimeoutExpired):  # not runnable here, empty, not text, hanging
        return None


def _embedded(path: Path, probe: Probe) -> str | None:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        inside = re.search(probe.pattern.encode(), content)
        return inside[1].decode() if inside else None


def _told(path: Path, probe: Probe) -> str | None:
    command = [str(path), *probe.arguments]
    environment = {**os.environ, **_QUIET}
    answer = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    told = re.search(probe.pattern, answer.stdout + answer.stderr, re.MULTILINE)
    return told[1] if told else None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program of the right name: where it is and which version it tells, None when it tells none."""

    path: Path
    version: str | None


@dataclass(slots=True)
class Candidates:
    """Looks for programs on PATH and in the pin's own folders.

    Attributes:
        environ: whose PATH is meant.
        memory: file of the answers of earlier runs.
        ignored: folder whose programs do not count: the cache, when `make env` has put it on PATH.
    """

    environ: Mapping[str, str]
    memory: Path
    ignored: Path
    _known: dict[str, list[str | None]] = field(init=False)

    def __post_init__(self) -> None:
        try:
            known = json.loads(self.memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # none yet, or a broken one: costs a probe, nothing else
            known = {}
        self._known = known if isinstance(known, dict) else {}

    def of(self, pin: Pin) -> Iterator[Candidate]:
        """Yields each program of the pin's name once, PATH's order first."""
        seen: set[Path] = set()
        for folder in (*self.environ.get("PATH", "").split(os.pathsep), *self._own_folders(pin)):
            path = Path(folder or os.curdir, pin.name).absolute()
            program = path.resolve()
            if program in seen or program.is_relative_to(self.ignored) or not (path.is_file() and os.access(path, os.X_OK)):
                continue
            seen.add(program)
            yield Candidate(path, self._version(path, pin.probe))

    def _own_folders(self, pin: Pin) -> Iterator[str]:
        pulumi_home = self.environ.get("PULUMI_HOME") or "~/.pulumi"
        for template in pin.folders:
            yield str(Path(template.format(version=pin.version, pulumi_home=pulumi_home)).expanduser())

    def _version(self, path: Path, probe: Probe) -> str | None:
        status = path.stat()
        stamp = f"{path.resolve()} {status.st_mtime_ns} {status.st_size} {probe.model_dump_json()}"
        known = self._known.get(str(path))
        if known is None or known[0] != stamp:
            known = self._known[str(path)] = [stamp, version_of(path, probe)]
            self._remember()
        return known[1]

    def _remember(self) -> None:
        self.memory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self.memory.parent, prefix=self.memory.name, delete=False) as file:
            json.dump(self._known, file, indent=1)
        Path(file.name).replace(self.memory)
