"""A site held by an ordinary user."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.site.ordinary_user import USER, as_user, give_image, home_directory
from tests.rehearsal.site.site_for_tests import SiteForTests

pytestmark = [
    pytest.mark.site,
    pytest.mark.skipif(os.geteuid() != 0, reason="the other tests of the site run as an ordinary user here"),
]


@pytest.fixture
def home(base: Path) -> Iterator[Path]:
    with home_directory() as directory:
        yield directory


def test_an_ordinary_user_with_subordinate_ids_holds_a_site(home: Path, base: Path, made_site: SiteForTests) -> None:
    give_image(home, base)
    keys = made_site.write(home / "site").parent
    for path in (keys, *keys.iterdir()):
        os.chown(path, USER, USER)
    ssh = f"ssh -F none -i {keys}/id -o BatchMode=yes -o UserKnownHostsFile={keys}/known_hosts deploy@192.168.50.12"
    command = f"{ssh} 'hostname; sudo -n id -u; snap version'; id -u; sysctl -w vm.swappiness=$(cat /proc/sys/vm/swappiness)"
    shell = [sys.executable, "-m", "mlops.rehearsal.site.shell", "--spec", str(keys / "spec.json"), "--", "sh", "-c", command]
    result = as_user(home, *shell)
    assert result.stdout.startswith("node2\n0\nsnap "), result.stdout + result.stderr
    assert result.stdout.endswith("\n0\n")  # root, in the frame only
    assert list((home / "cache" / "rehearsals").iterdir()) == []


def test_without_subordinate_ids_it_says_what_to_set(home: Path) -> None:
    check = "from mlops.rehearsal.site import preflight; preflight.check(rootless=True)"
    result = as_user(home, sys.executable, "-c", check, subordinate="other:100000:65536")
    assert "/etc/subuid" in result.stderr, result.stderr
    assert "usermod --add-subuids" in result.stderr
