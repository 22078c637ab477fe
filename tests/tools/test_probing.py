from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mlops.tools import probing
from mlops.tools.pins import Probe
from mlops.tools.probing import Candidate, Candidates, version_of
from tests.tools.conftest import MakePin, put, script

PROBE = Probe(arguments=("--version",), pattern=r"^hammer v(\S+)")


@pytest.mark.parametrize(
    ("content", "version"),
    [
        (script("1.2.3"), "1.2.3"),
        (script("1.2.3-dispatcher"), "1.2.3-dispatcher"),
        (b"#!/bin/sh\necho warning\necho hammer v1.2.3 >&2\nexit 1\n", "1.2.3"),
        (b"#!/bin/sh\necho nail v1.2.3\n", None),
        (b"#!/nowhere\n", None),
        (b"\x7fELF broken", None),
        (b"#!/bin/sh\nprintf '\\377'\n", None),
    ],
)
def test_the_version_is_asked_from_the_program(tmp_path: Path, content: bytes, version: str | None) -> None:
    assert version_of(put(tmp_path / "hammer", content), PROBE) == version


def test_a_program_that_hangs_tells_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_SECONDS", 0.1)
    assert version_of(put(tmp_path / "hammer", b"#!/bin/sh\nread forever < /dev/zero\n"), PROBE) is None


@pytest.mark.parametrize(("content", "version"), [(b"\0\xff-X a/b.Version=v4.25.0 \xff", "4.25.0"), (b"\0", None), (b"", None)])
def test_the_version_is_read_out_of_the_file(tmp_path: Path, content: bytes, version: str | None) -> None:
    probe = Probe(embedded=True, pattern=r"a/b\.Version=v?(\d+\.\d+\.\d+)")
    assert version_of(put(tmp_path / "plugin", content), probe) == version


def test_candidates_come_in_the_order_of_path_and_each_is_asked_once(tmp_path: Path, make_pin: MakePin) -> None:
    first = put(tmp_path / "a" / "hammer", b"#!/bin/sh\necho x >> ${0%/*}/asked\necho hammer v0.1\n")
    second = put(tmp_path / "b" / "hammer", script("1.2.3"))
    put(tmp_path / "c" / "hammer", script("9")).chmod(0o644)
    put(tmp_path / "cache" / "links" / "hammer", script("1.2.3"))
    (tmp_path / "again").symlink_to(tmp_path / "a")
    environ = {"PATH": ":".join(str(tmp_path / name) for name in ("cache/links", "a", "again", "nowhere", "c", "b"))}

    def look() -> list[Candidate]:
        return list(Candidates(environ, tmp_path / "probes.json", tmp_path / "cache").of(make_pin()))

    assert look() == look() == [Candidate(first, "0.1"), Candidate(second, "1.2.3")]
    assert (tmp_path / "a" / "asked").read_text() == "x\n"
    put(first, script("0.22"))
    assert look()[0] == Candidate(first, "0.22")
    for broken in ("{broken", "[1]"):
        (tmp_path / "probes.json").write_text(broken)
        assert look()[0] == Candidate(first, "0.22")


def test_the_folder_of_engine_plugins_is_looked_into(tmp_path: Path, make_pin: MakePin) -> None:
    pin = dataclasses.replace(make_pin(), folders=("{pulumi_home}/plugins/resource-hammer-v{version}",))
    installed = put(tmp_path / "home" / "plugins" / "resource-hammer-v1.2.3" / "hammer", script("1.2.3"))
    environ = {"PATH": "/nowhere", "PULUMI_HOME": str(tmp_path / "home")}
    assert list(Candidates(environ, tmp_path / "probes.json", tmp_path / "cache").of(pin)) == [Candidate(installed, "1.2.3")]
