"""Twenty hosts are examined about as fast as one: inside_speed.py inside a frame."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlops.rehearsal.site.spec import HostSpec
from tests.hosts.doctor.site_file import write_site
from tests.rehearsal.site.site_for_tests import SiteForTests, key_pair, make_site

HERE = Path(__file__).parent
HOSTS = 20


@pytest.fixture
def made_site(tmp_path: Path) -> SiteForTests:
    """A control plane and nineteen workers."""
    small = make_site()
    first = small.spec.hosts[0]
    keys = dict(small.host_keys)

    def worker(number: int) -> HostSpec:
        name = f"node{number}"
        private, keys[name] = key_pair()
        return replace(first, name=name, address=f"192.168.50.{10 + number}", roles=("worker",), host_key=private)

    hosts = (first, *(worker(number) for number in range(2, HOSTS + 1)))
    site = replace(small, spec=replace(small.spec, hosts=hosts, bastion=None), host_keys=keys)
    site.write(tmp_path / "site")
    write_site(tmp_path / "site" / "Pulumi.test.yaml", site)
    return site


@pytest.mark.site
@pytest.mark.alone
def test_twenty_hosts_take_hardly_longer_than_one(run_inside: Callable[..., str]) -> None:
    output = run_inside(str(HERE / "inside_speed.py"), PYTEST_ADDOPTS="-s")
    figures = re.search(r"one host (\S+) s, twenty (\S+) s", output)
    assert figures, output
    print(figures[0])
