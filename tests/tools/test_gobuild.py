from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mlops.tools.gobuild import BuildError, Builds
from mlops.tools.pins import Pin
from tests.tools.conftest import MakePin, put

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="no Go on this machine")

MAIN = """package main

var version string

func main() { println("hammer v" + version) }
"""


def build(pins: list[Pin], into: Path) -> list[str]:
    into.mkdir()
    told: list[str] = []
    Builds().build(pins, into, told.append)
    return told


@needs_go
def test_a_module_is_built_with_its_linker_flags(make_pin: MakePin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = make_pin()
    (pin.module / "go.mod").write_text("module example.org/hammer\n\ngo 1.21\n", encoding="utf-8")
    (pin.module / "main.go").write_text(MAIN, encoding="utf-8")
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    told = build([pin], tmp_path / "out")
    assert subprocess.run([tmp_path / "out" / "hammer"], capture_output=True, text=True, check=True).stderr == "hammer v1.2.3\n"
    assert told[-1] == f"{len(told)} packages compiled, now example.org/hammer"
    assert sorted(file.name for file in pin.module.iterdir()) == ["go.mod", "main.go"], "a build writes nothing into the checkout"


@needs_go
def test_the_compiler_s_words_are_the_error(make_pin: MakePin, tmp_path: Path) -> None:
    pin = make_pin()
    (pin.module / "go.mod").write_text("module example.org/hammer\n\ngo 1.21\n", encoding="utf-8")
    (pin.module / "main.go").write_text("package main\n\nfunc main() { undefined() }\n", encoding="utf-8")
    with pytest.raises(BuildError, match=r"main\.go:3:15: undefined: undefined"):
        build([pin], tmp_path / "out")


@needs_go
def test_a_go_too_old_for_the_module_says_so(make_pin: MakePin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = make_pin()
    (pin.module / "go.mod").write_text("module example.org/hammer\n\ngo 1.999\n", encoding="utf-8")
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    with pytest.raises(BuildError, match=r"go\.mod requires go >= 1\.999 \(running go 1\."):
        build([pin], tmp_path / "out")


@needs_go
def test_an_unreachable_module_proxy_fails_at_once(make_pin: MakePin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = make_pin(package="example.org/nail")
    (pin.module / "go.mod").write_text(
        "module example.org/hammer\n\ngo 1.24\n\ntool example.org/nail\n\nrequire example.org/nail v1.0.0\n", encoding="utf-8"
    )
    (pin.module / "go.sum").write_text(
        f"example.org/nail v1.0.0 h1:{'0' * 43}=\nexample.org/nail v1.0.0/go.mod h1:{'0' * 43}=\n", encoding="utf-8"
    )
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    with pytest.raises(BuildError, match="module lookup disabled by GOPROXY=off"):
        build([pin], tmp_path / "out")


@pytest.mark.usefixtures("no_go")
def test_without_go(make_pin: MakePin, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="`go` is not on PATH"):
        build([make_pin()], tmp_path / "out")


def test_programs_of_one_module_are_built_in_one_go(make_pin: MakePin, tmp_path: Path, fake_go: Path) -> None:
    pins = [make_pin("saw", package="a.org/cmd/saw"), make_pin("axe", package="a.org/cmd/axe")]
    build(pins, tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["axe", "saw"]
    asked, built = fake_go.read_text().splitlines()
    assert asked.endswith(" env -json GOPROXY")
    assert built == (
        f"{pins[0].module} -mod=readonly GOPROXY= build -v -buildvcs=false"
        f" -ldflags -s -w -X main.version=1.2.3 -o {tmp_path}/out/ a.org/cmd/saw a.org/cmd/axe"
    )


def test_an_interrupted_build_leaves_no_process(make_pin: MakePin, tmp_path: Path, fake_go: Path) -> None:
    pid_file = tmp_path / "pid"
    put(
        tmp_path / "go-bin" / "go",
        f'#!/bin/sh\n[ "$1" = build ] || exit 1\necho $$ > {pid_file}\necho example.org/a >&2\nexec sleep 60\n'.encode(),
    )

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt):
        Builds().build([make_pin()], tmp_path / "out", interrupted)
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()
