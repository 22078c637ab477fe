"""A site file whose jump host and hosts are reached by names and IPv6: its throw-away hosts answer the program's own SSH."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.rehearsal.run.derive import derive
from mlops.rehearsal.run.plan import site_spec
from mlops.settings import read_site_file
from tests.rehearsal.site.site_for_tests import SiteForTests

pytestmark = pytest.mark.site
ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["2001:db8:0:8::4", "jump.corporate.example", "172.16.8.4"])
def made_site(request: pytest.FixtureRequest, tmp_path: Path) -> SiteForTests:
    """Derived from a site file with a jump host of that address; the derived settings lie beside the specification."""
    file = tmp_path / "Pulumi.corporate.yaml"
    document = yaml.safe_load((ROOT / file.name).read_text(encoding="utf-8"))
    del document["config"]["onprem-mlops:proxy"]
    hosts = document["config"]["onprem-mlops:hosts"]
    hosts["access"]["bastion"]["address"] = request.param
    first, *_, last = hosts["nodes"]
    hosts["nodes"] = [first | {"sshAddress": "2001:db8::11", "port": 2201}, last | {"sshAddress": "corp4.corporate.example"}]
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    site = read_site_file(file)
    derived = derive(file.read_text(encoding="utf-8"), site)
    keys = {name: pair.public for name, pair in derived.host_keys.items()}
    made = SiteForTests(site_spec(site, derived, delay_scale=0), derived.user_key.private, keys)
    values: dict[str, Any] = {
        name.removeprefix("onprem-mlops:"): section for name, section in yaml.safe_load(derived.text)["config"].items()
    }
    values["hosts"]["access"]["key"] = derived.user_key.private
    folder = made.write(tmp_path / "site").parent
    (folder / "settings.json").write_text(json.dumps(values))
    return made


def test_hosts_answer(run_inside: Callable[..., str]) -> None:
    assert "1 passed" in run_inside("inside_ways.py")
