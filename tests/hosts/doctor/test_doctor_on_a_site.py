"""The doctor on throw-away hosts, by inside_doctor.py inside a frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.rehearsal.site.facts import Disk, HostFacts
from tests.hosts.doctor.site_file import DISK, write_site
from tests.rehearsal.site.site_for_tests import SiteForTests, make_site

HERE = Path(__file__).parent
STORAGE = HostFacts(disks=(*HostFacts().disks, Disk("vdb", by_id=Path(DISK).name)))


@pytest.fixture
def made_site(tmp_path: Path) -> SiteForTests:
    site = make_site(facts={"node3": STORAGE})
    site.write(tmp_path / "site")
    write_site(tmp_path / "site" / "Pulumi.test.yaml", site)
    write_site(tmp_path / "site" / "Pulumi.jump.yaml", site, bastion=True)
    return site


@pytest.mark.site
def test_doctor(run_inside: Callable[..., str]) -> None:
    assert " passed" in run_inside(str(HERE / "inside_doctor.py"))
