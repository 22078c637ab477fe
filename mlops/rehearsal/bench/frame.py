"""Opens the frame of one run of the bench; a process of its own, since a frame lives and dies with the thread that opened it.

Usage: ``python -m mlops.rehearsal.bench.frame JOB.json``
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mlops.errors import UserError
from mlops.folders import cache_folder
from mlops.rehearsal.bench.outcome import Job
from mlops.rehearsal.run.display import make_console
from mlops.rehearsal.run.outside import install_plugins, keep_logs
from mlops.rehearsal.site import preflight
from mlops.rehearsal.site.frame import run_in_frame
from mlops.rehearsal.site.runs import run_directory
from mlops.tools import resolve
from mlops.tools.shell import link_folder

_SIGNALLED = 128


def main(arguments: list[str]) -> int:
    """Runs the job; returns 0 when it has an outcome, whatever that is."""
    file = Path(arguments[0])
    job = Job.load(file)
    os.environ["PATH"] = preflight.search_path()
    console = make_console(sys.stderr)
    try:
        with run_directory("bench") as run:
            tools = resolve(tuple(job.tools))
            console.quiet = True  # what stands in for plugins has been said once, before the first run
            install_plugins(run.path / "engine", tools, console)
            console.quiet = False
            link_folder([tool for tool in tools.values() if tool.name != "pulumi-resource-kubernetes"], run.path / "tools")
            code = run_in_frame([sys.executable, "-m", "mlops.rehearsal.bench.inside", str(file), str(run.path)], run)
            if code and code < _SIGNALLED:
                console.print(f"{job.label}: logs in {keep_logs(run.path, cache_folder() / 'failed-rehearsals')}", markup=False)
            return code
    except UserError as error:
        console.print(str(error), markup=False)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
