"""What the tests of the throw-away site share: a cache of their own with the machine's images, and the way into a frame."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops.errors import UserError
from mlops.folders import cache_folder
from mlops.rehearsal.site import preflight
from mlops.rehearsal.site.frame import run_in_frame
from mlops.rehearsal.site.image import base_images
from mlops.rehearsal.site.runs import run_directory
from mlops.rehearsal.site.site import ThrowAwaySite
from mlops.rehearsal.site.spec import SiteSpec
from tests.rehearsal.site.site_for_tests import SiteForTests, make_site

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.fixture(scope="session")
def base() -> Path:
    """The folder of images, with the one that most tests use; skips where no frame can be opened."""
    try:
        preflight.check(rootless=os.geteuid() != 0)
    except UserError as error:
        pytest.skip(f"this machine cannot hold a throw-away site: {error}")
    return base_images(print)


@pytest.fixture
def cache(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache that knows the images: rehearsals of others do not disturb."""
    images = cache_folder() / "images"
    directory = tmp_path / "cache"
    directory.mkdir()
    (directory / "images").symlink_to(images)
    monkeypatch.setenv("MLOPS_CACHE_DIR", str(directory))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return directory


@pytest.fixture
def made_site(tmp_path: Path) -> SiteForTests:
    site = make_site()
    site.write(tmp_path / "site")
    return site


@pytest.fixture
def run_inside(
    cache: Path, base: Path, made_site: SiteForTests, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs test files of this directory inside a frame, on one site; returns what they printed, fails with it."""

    def run(*files: str, **environment: str) -> str:
        argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--durations=5"]
        argv += [str(HERE / file) for file in files]
        with run_directory("test") as frame:
            inside = {
                **os.environ,
                "SITE_TEST_KEYS": str(tmp_path / "site"),
                "SITE_TEST_WORKDIR": str(frame.path / "site"),
                "SITE_TEST_BASE": str(base),
                **environment,
            }
            code = run_in_frame(argv, frame, environment=inside)
        output = "".join(capfd.readouterr())
        assert code == 0, output
        return output

    return run


@pytest.fixture(scope="session")
def inside_site() -> Iterator[ThrowAwaySite]:
    """The site, for the files that run inside a frame."""
    tools = {path.name: path for path in map(Path, os.environ.get("SITE_TEST_TOOLS", "").split(os.pathsep)) if path.name}
    spec = SiteSpec.load(Path(os.environ["SITE_TEST_KEYS"]) / "spec.json")
    with ThrowAwaySite(spec, tools, Path(os.environ["SITE_TEST_WORKDIR"]), Path(os.environ["SITE_TEST_BASE"])) as site:
        yield site
