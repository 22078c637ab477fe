"""What a probe is asked for, as the settings say."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.hosts.expectations import expectations, probe_values
from mlops.settings import read_site_file
from tests.hosts.doctor.site_file import write_site
from tests.rehearsal.site.site_for_tests import make_site


@pytest.mark.parametrize("lost", [False, True])
def test_in_a_deployment_nodes_are_asked_for_when_a_host_is_declared_lost(tmp_path: Path, lost: bool) -> None:
    site = read_site_file(write_site(tmp_path / "Pulumi.test.yaml", make_site()))
    wanted = expectations(site).model_copy(update={"lost": ("old",) if lost else ()})
    asked = {host.name: bool(probe_values(site, wanted, host)["ASK_CLUSTER"]) for host in wanted.hosts}
    assert asked == {host.name: lost and host.is_control_plane for host in wanted.hosts}
    assert any(host.is_control_plane for host in wanted.hosts)
