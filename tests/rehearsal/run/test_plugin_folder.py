"""The engine's own plugin folder: what is official on this machine is used, only the rest is stood in for."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from mlops.rehearsal.run.outside import install_plugins
from mlops.rehearsal.standins.install import VERSIONS
from mlops.tools import Tool


def plugin(home: Path, name: str, version: str) -> Path:
    path = home / "plugins" / f"resource-{name}-v{version}" / f"pulumi-resource-{name}"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, Tool]:
    made = {}
    for name in ("pulumi", "pulumi-resource-kubernetes"):
        path = tmp_path / name / name
        path.parent.mkdir()
        path.write_text("#!/bin/sh\n", encoding="utf-8")
        path.chmod(0o755)
        made[name] = Tool(name, "4.25.0", path, "cache", 0.0)
    return made


def test_an_official_plugin_of_the_right_version_is_used_and_another_version_is_no_help(
    tmp_path: Path, tools: dict[str, Tool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "theirs"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    official = plugin(tmp_path / "theirs", "tls", VERSIONS["pulumi-resource-tls"])
    plugin(tmp_path / "theirs", "random", "0.0.1")
    said = io.StringIO()
    install_plugins(tmp_path / "engine", tools, Console(file=said, width=500))
    folder = tmp_path / "engine" / "pulumi-home" / "plugins"

    ours = folder / official.parent.name / official.name
    assert ours.resolve() == official
    assert not ours.parent.is_symlink(), "the engine passes over links to folders"
    assert "pulumi-resource-tls" not in said.getvalue()
    for name in ("random", "command"):
        assert f"pulumi-resource-{name}" in said.getvalue()
        assert (folder / f"resource-{name}-v{VERSIONS[f'pulumi-resource-{name}']}" / f"pulumi-resource-{name}").is_file()
    assert (folder / "resource-kubernetes-v4.25.0" / "pulumi-resource-kubernetes").resolve() == tools[
        "pulumi-resource-kubernetes"
    ].path
