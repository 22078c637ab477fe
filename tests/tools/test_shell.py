from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.errors import UserError
from mlops.tools import shell as module
from mlops.tools.resolver import Tool
from mlops.tools.shell import environment, link_folder, shell_exports
from tests.tools.conftest import put, script


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, Tool]:
    cached = put(tmp_path / "cache" / "tools" / "saw" / "1-a" / "saw", script("1"))
    put(cached.with_name("saw-blade"), b"")
    on_path = put(tmp_path / "bin" / "hammer", script("2"))
    put(on_path.with_name("bystander"), b"")
    return {"saw": Tool("saw", "1", cached, "cache", 0), "hammer": Tool("hammer", "2", on_path, "path", 0)}


def test_links_name_the_programs_and_their_companions_only(tools: dict[str, Tool], tmp_path: Path) -> None:
    folder = link_folder(tools.values(), tmp_path / "links")
    assert {link.name: link.readlink() for link in folder.iterdir()} == {
        "saw": tools["saw"].path,
        "saw-blade": tools["saw"].path.with_name("saw-blade"),
        "hammer": tools["hammer"].path,
    }
    assert link_folder(reversed(tools.values()), tmp_path / "links") == folder
    assert link_folder([tools["saw"]], tmp_path / "links") != folder
    assert len(list((tmp_path / "links").iterdir())) == 2


def test_the_engines_settings_are_the_users_where_he_has_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOGC", raising=False)
    monkeypatch.setenv("PULUMI_PARALLEL", "8")
    monkeypatch.setattr(module, "resolve", lambda *_, **__: {})
    monkeypatch.setattr(module, "link_folder", lambda *_: Path("/links"))
    made = environment()
    assert (made["PULUMI_PARALLEL"], made["GOGC"]) == ("8", module.ENGINE_SETTINGS["GOGC"])


def test_no_setting_skips_a_checkpoint() -> None:
    """What is killed would not be known to the next run."""
    assert "PULUMI_SKIP_CHECKPOINTS" not in module.ENGINE_SETTINGS


def test_a_set_that_another_process_links_meanwhile(
    tools: dict[str, Tool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = link_folder(tools.values(), tmp_path / "links")
    real, first = Path.exists, iter([False])
    monkeypatch.setattr(Path, "exists", lambda path: next(first, True) and real(path))
    assert link_folder(tools.values(), tmp_path / "links") == folder
    assert list((tmp_path / "links").iterdir()) == [folder]


def test_tools_then_the_virtual_environment_then_the_rest(
    tools: dict[str, Tool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "resolve", lambda *_, **__: tools)
    monkeypatch.setenv("MLOPS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"/usr/bin:{sys.prefix}/bin:/bin")
    links, scripts, *rest = environment()["PATH"].split(os.pathsep)
    assert Path(links, "saw").exists()
    assert [scripts, *rest] == [f"{sys.prefix}/bin", "/usr/bin", "/bin"]
    monkeypatch.setenv("PATH", environment()["PATH"])
    assert environment()["PATH"] == os.environ["PATH"], "a second time adds nothing"


@pytest.mark.parametrize("value", ["/plain", "/with space:/and 'quote'", '$(touch no) `touch no` "', "line\nbreak", "back\\slash"])
def test_exports_survive_the_shell(value: str, tmp_path: Path) -> None:
    text = 'eval "$1"; printf %s "$VARIABLE"'
    told = subprocess.run(
        ["/bin/sh", "-c", text, "sh", shell_exports({"VARIABLE": value})], cwd=tmp_path, capture_output=True, check=True
    )
    assert told.stdout.decode() == value
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    with pytest.raises(UserError) as failure:
        link_folder([], blocked / "bin")
    assert "MLOPS_CACHE_DIR" in str(failure.value)
