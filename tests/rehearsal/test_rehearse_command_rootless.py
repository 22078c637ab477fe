"""A whole rehearsal by an ordinary user."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.rehearsal.site.image import base_images
from tests.rehearsal.site.ordinary_user import as_user, give_image, home_directory

pytestmark = [
    pytest.mark.engine,
    pytest.mark.site,
    pytest.mark.skipif(os.geteuid() != 0, reason="the other tests of the command run as an ordinary user here"),
]

REHEARSE = (sys.executable, "-c", "from mlops.cli import main; main()", "rehearse", "cloud", "--delay-scale", "0")


@pytest.fixture
def home() -> Iterator[Path]:
    with home_directory() as directory:
        yield directory


@pytest.mark.long
def test_an_ordinary_user_with_subordinate_ids_rehearses(ready: Path, program: Path, home: Path) -> None:
    checkout = shutil.copytree(program, home / "checkout", symlinks=True)
    # pytest's own folders are closed to others, and Python passes over what it cannot read: it would take another checkout
    checkout.chmod(0o755)
    give_image(home, base_images(print))
    shared = [(ready / name).resolve() for name in ("tools", "sources") if (ready / name).exists()]
    for folder in shared:
        (home / "cache" / folder.name).symlink_to(folder)
    done = as_user(home, *REHEARSE, checkout=checkout, show=shared, seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed: nothing refused, nothing changed by the second up, nothing left by destroy" in done.stdout
    assert list((home / "cache" / "rehearsals").iterdir()) == []


def test_without_subordinate_ids_it_says_what_to_set_before_any_work(ready: Path, home: Path) -> None:
    done = as_user(home, *REHEARSE, subordinate="other:100000:65536")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "usermod --add-subuids 100000-165535" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "cache").exists()  # no program was looked for, fetched or built
