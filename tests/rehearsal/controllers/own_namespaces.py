"""Runs a module in namespaces of its own, where it is root and nothing of it outlives the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
_OUR_NAMESPACES = ["-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"]


def result_of(module: str, scratch: Path, *, log: Path, seconds: float = 300.0) -> dict[str, Any]:
    """What the module wrote into result.json of the scratch directory; fails with what it and the stand-ins printed."""
    mapped = [] if os.geteuid() == 0 else ["-U", "--map-root-user"]
    argv = ["setpriv", "--pdeathsig", "KILL", "unshare", *mapped, *_OUR_NAMESPACES, sys.executable, "-m", module, str(scratch)]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=seconds)
    assert done.returncode == 0, f"{done.stderr}\n{log.read_text() if log.exists() else ''}"
    content: dict[str, Any] = json.loads((scratch / "result.json").read_text())
    return content
