"""`mlops fetch`: sources of the lock file, and new pins."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops.bundles import Kustomize
from mlops.cli import bundles
from mlops.cli.app import app
from mlops.errors import UserError
from mlops.tools import tool
from tests.bundles.test_repin import NEW, manifests, source

__all__ = ["manifests", "source"]  # fixtures: a lock with the sources `thing` and `other`, the bundle `b`, a mirror


@pytest.fixture(autouse=True)
def _here(manifests: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kustomize = tool("kustomize")  # before the cache becomes another
    monkeypatch.setattr(Kustomize, "pinned", lambda: Kustomize("1", lambda: kustomize))
    monkeypatch.setattr(bundles, "_MANIFESTS", manifests)
    monkeypatch.setattr(bundles, "_CHECKOUT", manifests.parent / "checkout")
    monkeypatch.setenv("MLOPS_CACHE_DIR", str(manifests.parent / "cache"))
    monkeypatch.setenv("MLOPS_SOURCE_MIRRORS", str(manifests.parent / "mirror"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no test reaches the origin


def run(*arguments: str) -> list[str]:
    result = CliRunner().invoke(app, ["fetch", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(result.stdout).splitlines()


def test_fetch_tells_where_a_source_is(manifests: Path) -> None:
    (line,) = run("thing")
    assert line.startswith(f"thing v1 {manifests.parent}/cache/sources/")


def test_update_shows_what_changes() -> None:
    lines = run("--update", "thing", "v2")
    assert lines[:2] == ["thing: v1 -> v2", f"  commit  {NEW}"]
    assert lines[2].startswith("  digest  h1:")
    assert lines[3:] == [
        "bundle b: 0 objects added, 0 removed, 1 changed",
        "  ~ ConfigMap n/c: data.version",
        "nothing changes in 0 of 1 bundles",
    ]
    assert run("--update", "thing", "v2")[3:] == ["nothing changes in 1 of 1 bundles"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nobody",), "no such source"),
        (("--update",), "not clear what to update"),
        (("--update", "thing"), "not clear what to update"),
        (("--update", "thing", "v2", "thing", "v3"), "not clear what to update"),
        (("--update", "thing", "v3"), "not known which commit"),
        (("other",), "not available"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(*arguments)
