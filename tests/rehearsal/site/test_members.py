"""Hosts come, go and die, inside a frame by inside_members.py: the steps that do it, as the program composes them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlops.rehearsal.site.controlplane import PROGRAMS
from mlops.rehearsal.site.spec import HostSpec, Role
from mlops.tools import resolve
from tests.rehearsal.site.site_for_tests import SiteForTests, key_pair, make_site

pytestmark = pytest.mark.site


@pytest.fixture(scope="session")
def tools() -> str:
    """The programs, from the machine's cache: of session scope, so that it comes before a test gets a cache of its own."""
    return os.pathsep.join(str(tool.path) for tool in resolve([*PROGRAMS, "kubectl"]).values())


@pytest.fixture
def made_site(tmp_path: Path) -> SiteForTests:
    """Three control planes and two workers."""
    usual = make_site()
    _, public = key_pair()
    keys: dict[str, str] = {}

    def host(name: str, last: int, *roles: Role) -> HostSpec:
        private, keys[name] = key_pair()
        return HostSpec(name, f"192.168.50.{last}", 24, roles, private, "deploy", public)

    hosts = (
        *(host(f"c{number}", 10 + number, "control-plane") for number in (1, 2, 3)),
        *(host(f"w{number}", 20 + number, "worker") for number in (1, 2)),
    )
    site = SiteForTests(replace(usual.spec, hosts=hosts, bastion=None), usual.client_key, keys)
    site.write(tmp_path / "site")
    return site


def test_members(tools: str, run_inside: Callable[..., str]) -> None:
    assert " passed" in run_inside("inside_members.py", SITE_TEST_TOOLS=tools)
