"""Hosts and the network between them, tried inside a frame by inside_hosts.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rehearsal.site.site_for_tests import SiteForTests, make_site

pytestmark = pytest.mark.site


def test_hosts(tmp_path: Path, run_inside: Callable[..., str]) -> None:
    usual = make_site()
    hosts = [
        dataclasses.replace(host, ipv6=ipv6)
        for host, ipv6 in zip(usual.spec.hosts, ("", "fd00:50::12", "fd00:50::13"), strict=True)
    ]
    assert usual.spec.bastion
    bastion = dataclasses.replace(usual.spec.bastion, sudo_password="s3cret pass")
    written(dataclasses.replace(usual, spec=dataclasses.replace(usual.spec, hosts=tuple(hosts), bastion=bastion)), tmp_path)
    assert " passed" in run_inside("inside_hosts.py")


def written(site: SiteForTests, directory: Path) -> None:
    """Puts a site in the place of the usual one."""
    for file in (directory / "site").iterdir():
        file.unlink()
    site.write(directory / "site")
