"""Hosts and the network between them, tried inside a frame by inside_hosts.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.site
def test_hosts(run_inside: Callable[..., str]) -> None:
    assert " passed" in run_inside("inside_hosts.py")
