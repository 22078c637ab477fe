"""The two programs that render, and how they are run: without settings of this machine, and without a network."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from mlops.errors import Problem, UserError
from mlops.tools import tool
from mlops.tools.pins import load_pins

_DEADLINE_SECONDS = 300  # the largest bundle takes 15 s on an idle core
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
            done = subprocess.run(
                [program, *arguments],
                capture_output=True, text=True, check=False, env=environment, cwd=scratch, timeout=_DEADLINE_SECONDS,
            )  # fmt: skip
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
