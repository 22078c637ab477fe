"""The two programs that render, and how they are run: without settings of this machine, and without a network."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from mlops.bundles.threads import go_on
from mlops.errors import Problem, UserError
from mlops.tools import tool
from mlops.tools.pins import load_pins

_DEADLINE_SECONDS = 300  # the largest bundle takes 15 s on an idle core
_LOOK_SECONDS = 0.2  # how often it is asked whether anybody waits still
_NOWHERE = "http://127.0.0.1:9"

_pins = cache(load_pins)  # reading them takes longer than loading a bundle


@dataclass(frozen=True, slots=True)
class Program:
    """A program to render with.

    Attributes:
        version: e.g. ``5.8.2``; part of the cache's key.
        path: gives the program; called only when something has to be rendered.
    """

    version: str
    path: Callable[[], Path]

    @classmethod
    def named(cls, name: str) -> Self:
        """The pinned program of a name; it is looked for, or made, when something has to be rendered."""
        return cls(_pins()[name].version, lambda: tool(name))

    def run(self, arguments: Sequence[str | Path], *, scratch: Path, bundle: str, hide: Path) -> str:
        """Run it and return what it prints.

        Args:
            arguments: arguments.
            scratch: a folder of this run alone, its home.
            bundle: name of what is rendered, for messages.
            hide: folder whose path messages leave out.

        Raises:
            UserError: it does not start, does not end, or ends with an error; with its own text.
        """
        # A home of its own and a proxy that refuses: no settings of this machine, no network.
        environment = {"HOME": str(scratch), "PATH": os.devnull, "TMPDIR": str(scratch)}
        environment |= {name: _NOWHERE for variable in ("http_proxy", "https_proxy") for name in (variable, variable.upper())}
        program = self.path()
        try:
            done = _run([str(program), *map(str, arguments)], environment, scratch)
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = Problem(str(program), str(error), f"{type(self).__name__.lower()} {self.version}", "see: mlops tools")
            raise UserError(f"bundle {bundle} cannot be rendered", [problem]) from error
        if done.returncode:
            found = done.stderr.strip().replace(f"{hide}/", "")
            problem = Problem(f"bundle {bundle}", found, f"a folder that {type(self).__name__.lower()} {self.version} renders")
            raise UserError(f"bundle {bundle} cannot be rendered", [problem])
        return done.stdout


class Kustomize(Program):
    """kustomize."""

    @classmethod
    def pinned(cls) -> Self:
        """The pinned kustomize."""
        return cls.named("kustomize")


class Helm(Program):
    """Helm, of which only ``helm template`` is used."""

    @classmethod
    def pinned(cls) -> Self:
        """The pinned Helm."""
        return cls.named("helm")


def _run(command: list[str], environment: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program until it ends, its deadline passes, or nobody waits for it any more."""
    end = time.monotonic() + _DEADLINE_SECONDS
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment, cwd=folder
    ) as process:
        try:
            while True:
                try:
                    stdout, stderr = process.communicate(timeout=_LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    go_on()
                    if time.monotonic() > end:
                        raise subprocess.TimeoutExpired(command[0], _DEADLINE_SECONDS) from None
                else:
                    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
        except BaseException:
            process.kill()
            raise
