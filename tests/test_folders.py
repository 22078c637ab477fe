"""Where the cache is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.folders import cache_folder


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"MLOPS_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"MLOPS_CACHE_DIR": "a"}, Path("a").absolute()),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/onprem-mlops")),
        ({"MLOPS_CACHE_DIR": ""}, Path.home() / ".cache/onprem-mlops"),
    ],
)
def test_the_place_follows_the_environment(environ: dict[str, str], folder: Path) -> None:
    assert cache_folder(environ) == folder
