"""Hosts and the network between them, tried inside a frame by inside_hosts.py and inside_systems.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.rehearsal.site.image import base_images
from mlops.rehearsal.site.systems import DEFAULT
from tests.rehearsal.site.site_for_tests import SiteForTests, make_site

pytestmark = pytest.mark.site

# hosts that have no image of their own are with the first, where their image is there already
SYSTEMS = {"node1": "debian-13", "node2": "rocky-9-stand-in", "node3": "leap-15.6-stand-in", "bastion": "ubuntu-24.04-stand-in"}


@pytest.fixture(scope="session")
def images(base: Path) -> Path:
    """The images of all systems, made once per machine."""
    return base_images(print, (DEFAULT, *SYSTEMS.values()))


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


def test_systems(images: Path, tmp_path: Path, run_inside: Callable[..., str]) -> None:
    written(make_site(systems=SYSTEMS), tmp_path)
    assert " passed" in run_inside("inside_systems.py")


def written(site: SiteForTests, directory: Path) -> None:
    """Puts a site in the place of the usual one."""
    for file in (directory / "site").iterdir():
        file.unlink()
    site.write(directory / "site")
