"""Speed over twenty hosts: `pulumi up` that has nothing to do; inside_twenty_hosts.py runs inside a frame."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.rehearsal.run.derive import SshKey
from tests.rehearsal.run.on_a_site import ROOT, run_on_a_site

HERE = Path(__file__).parent
TEMPLATE = ROOT / "tests" / "faults" / "Pulumi.faults.yaml"
CONTROL_PLANES, WORKERS = 3, 17


def site_of_twenty(folder: Path) -> Path:
    """The fault table's site with as many hosts as wanted, each one like the template's first or last."""
    document: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    hosts = document["config"]["onprem-mlops:hosts"]
    plane, worker = hosts["nodes"][0], hosts["nodes"][-1]
    models = [("plane", plane)] * CONTROL_PLANES + [("worker", worker)] * WORKERS
    hosts["nodes"] = [
        {
            **copy.deepcopy(model),
            "name": f"{kind}{number}",
            "address": f"192.168.70.{10 + number}",
            "hostKey": SshKey.generate().public,
        }
        for number, (kind, model) in enumerate(models, 1)
    ]
    document["config"]["onprem-mlops:name"] = "twenty"
    file = folder / "Pulumi.twenty.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False, width=1000), encoding="utf-8")
    return file


@pytest.mark.engine
@pytest.mark.site
@pytest.mark.long
def test_nothing_to_do_on_twenty_hosts(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = run_on_a_site(HERE / "inside_twenty_hosts.py", site_of_twenty(tmp_path), tmp_path / "logs", "-s")
    output = "".join(capfd.readouterr())
    assert code == 0, f"{output}\nlogs: {tmp_path / 'logs'}"
    with capfd.disabled():
        print(*(line for line in output.splitlines() if line.startswith("twenty hosts:")), sep="\n")
