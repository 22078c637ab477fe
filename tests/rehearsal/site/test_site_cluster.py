"""The cluster that the stand-ins form around a real control plane, tried inside a frame by inside_cluster.py."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from mlops.rehearsal.site.controlplane import PROGRAMS
from mlops.tools import resolve


@pytest.mark.site
def test_cluster(run_inside: Callable[..., str]) -> None:
    tools = resolve([*PROGRAMS, "kubectl"])
    paths = os.pathsep.join(str(tool.path) for tool in tools.values())
    assert " passed" in run_inside("inside_cluster.py", SITE_TEST_TOOLS=paths)
