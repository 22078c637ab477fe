"""A site held by an ordinary user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.rehearsal.site.image import image_directory
from tests.rehearsal.site.site_for_tests import SiteForTests

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
USER = 54321

pytestmark = [
    pytest.mark.site,
    pytest.mark.skipif(os.geteuid() != 0, reason="the other tests of the site run as an ordinary user here"),
]


@pytest.fixture
def home(base: Path) -> Iterator[Path]:
    """A home for the user; pytest's own temporary directories are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="rehearser-"))
    os.chown(directory, USER, USER)
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def as_user(home: Path, *command: str, subordinate: str = "") -> subprocess.CompletedProcess[str]:
    script = [
        "unshare",
        "--mount",
        "sh",
        str(HERE / "as_ordinary_user.sh"),
        str(home),
        str(ROOT),
        sys.base_prefix,
        sys.prefix,
        "--",
    ]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SUBORDINATE": subordinate}
    return subprocess.run([*script, *command], capture_output=True, text=True, env=environment, check=False, timeout=120, cwd=ROOT)


def test_an_ordinary_user_with_subordinate_ids_holds_a_site(home: Path, base: Path, made_site: SiteForTests) -> None:
    image = home / "cache" / "images" / image_directory(USER).name
    # the machine's base image under the user's ids, instead of a second mmdebstrap
    unpack = f"mkdir -p {image.parent} && unshare -U --map-auto --map-root-user sh -c 'mkdir {image} && tar -x -C {image}'"
    script = f"tar -c --exclude=./dev/* -C {base} . > {home}/base.tar"
    subprocess.run(["sh", "-c", script], check=True)
    unpacked = as_user(home, "sh", "-c", f"{unpack} < {home}/base.tar")
    assert unpacked.returncode == 0, unpacked.stderr
    keys = made_site.write(home / "site").parent
    for path in (keys, *keys.iterdir()):
        os.chown(path, USER, USER)
    ssh = f"ssh -F none -i {keys}/id -o BatchMode=yes -o UserKnownHostsFile={keys}/known_hosts deploy@192.168.50.12"
    command = f"{ssh} 'hostname; sudo -n id -u; snap list'; id -u; sysctl -w vm.swappiness=$(cat /proc/sys/vm/swappiness)"
    shell = [sys.executable, "-m", "mlops.rehearsal.site.shell", "--spec", str(keys / "spec.json"), "--", "sh", "-c", command]
    result = as_user(home, *shell)
    assert result.stdout.startswith("node2\n0\nName "), result.stdout + result.stderr
    assert result.stdout.endswith("\n0\n")  # root, in the frame only
    assert list((home / "cache" / "rehearsals").iterdir()) == []


def test_without_subordinate_ids_it_says_what_to_set(home: Path) -> None:
    check = "from mlops.rehearsal.site import preflight; preflight.check(rootless=True)"
    result = as_user(home, sys.executable, "-c", check, subordinate="other:100000:65536")
    assert "/etc/subuid" in result.stderr, result.stderr
    assert "usermod --add-subuids" in result.stderr
