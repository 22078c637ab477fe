"""Runs a command beside a throw-away site, for looking around and for tests.

Usage: ``python -m mlops.rehearsal.site.shell --spec SPEC.json [--tools DIRECTORY] -- COMMAND ARGUMENT...``

The command runs in the frame with SITE_DIRECTORY in its environment.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from mlops.errors import UserError
from mlops.rehearsal.site.frame import run_in_frame
from mlops.rehearsal.site.image import base_images
from mlops.rehearsal.site.inner import InterruptedBySignal, raise_on_signals
from mlops.rehearsal.site.runs import run_directory
from mlops.rehearsal.site.site import ThrowAwaySite
from mlops.rehearsal.site.spec import SiteSpec

PROGRAMS = ("kubectl", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")


def find_tools(directory: Path | None) -> dict[str, Path]:
    """The programs that are there, from the directory first, else from PATH."""
    path = f"{directory}{os.pathsep}{os.environ['PATH']}" if directory else os.environ["PATH"]
    found = {name: shutil.which(name, path=path) for name in PROGRAMS}
    return {name: Path(where) for name, where in found.items() if where}


def main(arguments: list[str]) -> int:
    """Opens a frame around itself; inside, starts the site, runs the command and stops the site."""
    parser = argparse.ArgumentParser(prog="shell", description="runs a command beside a throw-away site")
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--tools", type=Path)
    parser.add_argument("--inside", nargs=2, type=Path, metavar=("WORKDIR", "BASE"), help=argparse.SUPPRESS)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    if options.inside:
        workdir, base = options.inside
        return _inside(options.spec, options.tools, workdir, base, options.command)
    try:
        base = base_images(lambda line: print(line, file=sys.stderr), SiteSpec.load(options.spec).systems)
        with run_directory("shell") as run:
            module = [
                sys.executable,
                "-m",
                "mlops.rehearsal.site.shell",
                "--spec",
                str(options.spec),
                "--inside",
                str(run.path),
                str(base),
            ]
            tools = ["--tools", str(options.tools)] if options.tools else []
            return run_in_frame([*module, *tools, "--", *options.command], run)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1


def _inside(spec: Path, tools: Path | None, workdir: Path, base: Path, command: list[str]) -> int:
    raise_on_signals()
    try:
        with ThrowAwaySite(SiteSpec.load(spec), find_tools(tools), workdir / "site", base):
            return subprocess.run(command, check=False, env={**os.environ, "SITE_DIRECTORY": str(workdir / "site")}).returncode
    except InterruptedBySignal as interrupt:
        return interrupt.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
