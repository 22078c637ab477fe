"""The checks and the scripts accept the same operating systems."""

from __future__ import annotations

import json
import subprocess
from importlib import resources

import pytest

from mlops.hosts.checks import judge
from mlops.hosts.checks.check import Survey
from mlops.hosts.checks.system import SUPPORTED
from mlops.hosts.facts import Facts
from tests.hosts.doctor import samples
from tests.hosts.doctor.samples import release

FAMILY = resources.files("mlops.hosts").joinpath("scripts", "family.sh").read_text(encoding="utf-8")
RELEASES = [
    *(("ubuntu", version) for version in ("20.04", "22.04", "24.04", "25.10", "26.04")),
    *(("debian", version) for version in ("11", "12", "13", "14")),
    *((name, version) for name in ("rhel", "rocky", "almalinux") for version in ("8.10", "9", "9.6", "10", "10.1", "11")),
    *(("opensuse-leap", version) for version in ("15.5", "15.6", "16.0")),
    *(("sles", version) for version in ("15.5", "15.6", "15.7", "16.0")),
    ("fedora", "43"),
    ("arch", ""),
]


def by_script(name: str, version: str) -> str:
    values = f"release_value() {{ case \"$1\" in ID) printf %s {name} ;; VERSION_ID) printf %s '{version}' ;; esac; }}"
    text = f"{FAMILY}\n{values}\nrelease_support"
    return subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("name", "version"), RELEASES)
def test_check_and_script_agree(name: str, version: str) -> None:
    facts = Facts.parse(json.dumps(samples.facts("node1", os_release=release(name, version))))
    found = [entry.severity for entry in judge(Survey(samples.wanted(), {"node1": facts})) if entry.check == "os"]
    support = {(): "supported", ("warning",): "experimental", ("error",): "unsupported"}[tuple(found)]
    assert support == by_script(name, version)


def test_both_name_the_same_list() -> None:
    assert f"SUPPORTED='{SUPPORTED}'" in FAMILY
