"""Stand-in language host: which Python runs the program, as the options of ``Pulumi.yaml`` say."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class OptionError(Exception):
    """The options name a Python that is not there or a way to get one that this host lacks; the text is for the user."""


@dataclass(frozen=True)
class Interpreter:
    """A Python.

    Attributes:
        executable: path.
        environment: variables a process of it gets.
    """

    executable: Path
    environment: Mapping[str, str]

    def site_packages(self) -> list[str]:
        """Its import path, asked from itself."""
        command = [str(self.executable), "-I", "-c", "import json, sys; print(json.dumps(sys.path))"]
        answer = subprocess.run(command, env=dict(self.environment), check=True, capture_output=True, text=True)
        paths: list[str] = json.loads(answer.stdout)
        return [path for path in paths if path]

    def packages(self) -> Iterator[importlib.metadata.Distribution]:
        """What is installed for it."""
        return iter(importlib.metadata.distributions(path=self.site_packages()))

    def plugins(self) -> list[dict[str, Any]]:
        """The ``pulumi-plugin.json`` of each installed package that needs a plugin."""
        found = []
        for directory in self.site_packages():
            for manifest in sorted(Path(directory).glob("*/pulumi-plugin.json")):
                plugin = json.loads(manifest.read_text())
                if plugin.get("resource"):
                    found.append(plugin)
        return found


def find(options: Mapping[str, Any], root: Path) -> Interpreter:
    """The Python for a program.

    Args:
        options: ``runtime.options`` of ``Pulumi.yaml``: ``toolchain`` (only pip here), ``virtualenv``.
        root: directory of ``Pulumi.yaml``, which a relative ``virtualenv`` starts from.

    Raises:
        OptionError: the virtual environment is missing, an option is unknown to this stand-in, or no Python is on PATH.
    """
    for name in ("virtualenv", "toolchain", "typechecker"):
        if not isinstance(options.get(name, ""), str):
            raise OptionError(f"{name} option must be a string")
    if options.get("toolchain", "pip") != "pip" or options.get("typechecker"):
        raise OptionError(
            "the stand-in language host knows the toolchain pip and no type checker; "
            "take the other runtime options out of Pulumi.yaml or put the official pulumi-language-python on PATH"
        )
    virtualenv = options.get("virtualenv", "")
    if virtualenv:
        place = (root / virtualenv).absolute()
        executable = place / "bin" / "python"
        if not executable.is_file():
            raise OptionError(
                f"The 'virtualenv' option in Pulumi.yaml is set to {virtualenv!r}, but {str(place)!r} "
                + ("doesn't appear to be a virtual environment" if place.exists() else "doesn't exist")
                + f"; make it with: python3 -m venv {place} && {executable} -m pip install -r {root / 'requirements.txt'}"
            )
        return Interpreter(executable, _activated(place))
    wanted = [os.environ["PULUMI_PYTHON_CMD"]] if os.environ.get("PULUMI_PYTHON_CMD") else ["python3", "python"]
    for name in wanted:
        if path := shutil.which(name):
            return Interpreter(Path(path), dict(os.environ))
    raise OptionError(f"failed to locate any of {wanted} on your PATH")


def _activated(virtualenv: Path) -> dict[str, str]:
    """The environment as ``activate`` would set it."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONHOME"}
    environment["VIRTUAL_ENV"] = str(virtualenv)
    environment["PATH"] = os.pathsep.join(filter(None, [str(virtualenv / "bin"), os.environ.get("PATH")]))
    return environment
