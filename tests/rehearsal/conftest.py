"""What the tests of the rehearsal command share: a checkout that nobody else writes to and a cache of their own."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from mlops.bundles import Places, fetch, read_lock
from mlops.errors import UserError
from mlops.folders import cache_folder
from mlops.rehearsal.run.outside import TOOLS
from mlops.rehearsal.site import preflight
from mlops.rehearsal.site.image import base_images
from mlops.tools import resolve

ROOT = Path(__file__).parents[2]
SITE_FILES = ("Pulumi.baremetal.yaml", "Pulumi.corporate.yaml", "Pulumi.cloud.yaml")
PROGRAM = ("Pulumi.yaml", *SITE_FILES, "__main__.py", "components", "manifests", "mlops")
KUBEFLOW = re.compile(r"^  onprem-mlops:kubeflow:\n(?:    .*\n)+", re.MULTILINE)


@pytest.fixture(scope="session")
def ready() -> Path:
    """The machine's cache, once it holds all that a rehearsal needs; skips where no throw-away site can be held."""
    try:
        preflight.check(rootless=os.geteuid() != 0)
    except UserError as error:
        pytest.skip(f"this machine cannot hold a throw-away site: {error}")
    resolve(TOOLS)
    fetch(read_lock(ROOT / "manifests" / "sources.lock.yaml").values(), Places.from_environment(checkout=ROOT), cache_folder())
    base_images(print)
    return cache_folder()


@pytest.fixture(scope="session")
def rehearsal_cache(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that shares everything with the machine's but the rehearsals."""
    cache = tmp_path_factory.mktemp("cache")
    for name in ("tools", "images", "sources"):
        if (ready / name).exists():  # all programs may be on PATH
            (cache / name).symlink_to(ready / name)
    return cache


@pytest.fixture(scope="session")
def whole_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program: what a rehearsal would change in it is seen, what others change is not."""
    return copy_of_program(tmp_path_factory.mktemp("whole-checkout"))


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a copy whose site files have no Kubeflow, which takes minutes and which only few tests are about."""
    checkout = copy_of_program(tmp_path_factory.mktemp("checkout"))
    for name in SITE_FILES:
        file = checkout / name
        text, sections = KUBEFLOW.subn("", file.read_text())
        assert sections == 1, f"{name} has {sections} sections {KUBEFLOW.pattern}"
        file.write_text(text)
    return checkout


def copy_of_program(checkout: Path) -> Path:
    for name in PROGRAM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, checkout / name)
    (checkout / ".venv").symlink_to(ROOT / ".venv")
    return checkout
