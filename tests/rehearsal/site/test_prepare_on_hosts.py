"""Throw-away hosts of every family: step prepare on them by inside_prepare.py, then what they are like by inside_systems.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.errors import UserError
from mlops.rehearsal.site import preflight
from mlops.rehearsal.site.facts import MODULES, HostFacts
from mlops.rehearsal.site.image import base_images
from tests.rehearsal.site.site_for_tests import SiteForTests, make_site

SYSTEMS = {"node1": "debian-13", "node2": "rocky-9-stand-in", "node3": "leap-15.6-stand-in", "bastion": "ubuntu-24.04-stand-in"}
FACTS = {
    "node2": HostFacts(firewalld="running", selinux="enforcing"),
    "node3": HostFacts(swaps=("/dev/vdb",)),
    # as on Ubuntu's cloud images, which come without linux-modules-extra
    "bastion": HostFacts(modules=tuple(name for name in MODULES if name not in {"nvme_tcp", "nvme_fabrics"})),
}


@pytest.fixture(scope="session")
def base() -> Path:
    """Images of every family."""
    try:
        preflight.check(rootless=os.geteuid() != 0)
    except UserError as error:
        pytest.skip(f"this machine cannot hold a throw-away site: {error}")
    return base_images(print, SYSTEMS.values())


@pytest.fixture
def made_site(tmp_path: Path) -> SiteForTests:
    site = make_site(systems=SYSTEMS, facts=FACTS)
    site.write(tmp_path / "site")
    return site


@pytest.mark.site
def test_prepare(run_inside: Callable[..., str]) -> None:
    assert " passed" in run_inside("inside_prepare.py", "inside_systems.py")
