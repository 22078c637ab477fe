"""Launchers: only where the official executable is missing, from any directory, replaced and taken away."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from mlops.rehearsal.standins import MODULES, install, report
from mlops.rehearsal.standins.install import official


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def environment(tmp_path: Path, *folders: Path) -> dict[str, str]:
    return {"PATH": os.pathsep.join(map(str, folders)), "PULUMI_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}


def test_all_stand_in_when_nothing_is_there(tmp_path: Path) -> None:
    made = install(tmp_path / "bin", environment=environment(tmp_path, tmp_path / "bin"))
    assert [standin.name for standin in made] == list(MODULES)
    assert all(os.access(standin.path, os.X_OK) for standin in made)
    assert "\n" not in report(made)
    assert all(name in report(made) for name in MODULES)
    # What stands in already is not taken for the official one.
    assert install(tmp_path / "bin", environment=environment(tmp_path, tmp_path / "bin")) == made


def test_official_ones_are_left_to_work(tmp_path: Path) -> None:
    official_bin = tmp_path / "official"
    given = environment(tmp_path, tmp_path / "bin", official_bin)
    install(tmp_path / "bin", environment=given)
    executable(official_bin / "pulumi-resource-tls")
    executable(tmp_path / "home/plugins/resource-random-v4.21.4/pulumi-resource-random")
    real = executable(tmp_path / "cli/pulumi")
    executable(tmp_path / "cli/pulumi-language-python")
    official_bin.joinpath("pulumi").symlink_to(real)
    made = install(tmp_path / "bin", environment=given)
    assert [standin.name for standin in made] == ["pulumi-resource-command"]
    assert [path.name for path in (tmp_path / "bin").glob("pulumi-*")] == ["pulumi-resource-command"]


def test_report_is_empty_when_nothing_stands_in() -> None:
    assert report(()) == ""


def test_providers_in_a_plugin_folder(tmp_path: Path) -> None:
    plugins = tmp_path / "home" / "plugins"
    given = environment(tmp_path, tmp_path / "bin")
    made = install(tmp_path / "bin", plugins=plugins, environment=given)
    assert plugins / "resource-command-v1.2.1" / "pulumi-resource-command" in [standin.path for standin in made]
    assert official("pulumi-resource-command", given) is None
    assert install(tmp_path / "bin", plugins=plugins, environment=given) == made


def test_engine_is_linked_beside_the_language_host(tmp_path: Path) -> None:
    engine = executable(tmp_path / "cli/pulumi")
    install(tmp_path / "bin", environment=environment(tmp_path, tmp_path / "bin", tmp_path / "cli"))
    assert (tmp_path / "bin" / "pulumi").samefile(engine)
    engine.unlink()
    newer = executable(engine, "#!/bin/sh\n# newer\n")
    install(tmp_path / "bin", environment=environment(tmp_path, tmp_path / "bin", tmp_path / "cli"))
    assert (tmp_path / "bin" / "pulumi").samefile(newer)


def test_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        install(tmp_path, needed=["pulumi-resource-aws"])


def test_a_launcher_serves_and_ends_quietly(tmp_path: Path) -> None:
    (made,) = install(tmp_path / "bin", needed=["pulumi-resource-random"], environment=environment(tmp_path, tmp_path))
    # A module of this name in the working directory must not be imported.
    (tmp_path / "grpc.py").write_text("raise SystemExit('the wrong grpc')")
    plugin = subprocess.Popen([made.path], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert plugin.stdout is not None
    assert int(plugin.stdout.readline()) > 0
    plugin.send_signal(signal.SIGTERM)
    out, err = plugin.communicate(timeout=10)
    assert (out, err, plugin.returncode) == ("", "", 0)


def test_a_plugin_ends_with_its_parent(tmp_path: Path) -> None:
    (made,) = install(tmp_path / "bin", needed=["pulumi-resource-random"], environment=environment(tmp_path, tmp_path))
    engine = subprocess.Popen(["sh", "-c", f"{made.path} & wait"], stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    assert int(engine.stdout.readline()) > 0
    engine.kill()
    # The pipe reaches its end only when the plugin, which holds it too, is gone.
    assert engine.communicate(timeout=10)[0] == ""
