"""The cluster that the stand-ins form around a real control plane, tried inside a frame by inside_cluster.py."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from mlops.rehearsal.site.controlplane import PROGRAMS
from mlops.tools import resolve


@pytest.fixture(scope="session")
def tools() -> str:
    """The programs, from the machine's cache: of session scope, so that it comes before a test gets a cache of its own."""
    return os.pathsep.join(str(tool.path) for tool in resolve([*PROGRAMS, "kubectl"]).values())


@pytest.mark.site
def test_cluster(tools: str, run_inside: Callable[..., str]) -> None:
    assert " passed" in run_inside("inside_cluster.py", SITE_TEST_TOOLS=tools)
