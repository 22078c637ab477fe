from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mlops.errors import UserError
from mlops.tools.cache import Cache
from mlops.tools.pins import Pin
from mlops.tools.resolver import Resolver, Tool
from tests.tools.conftest import HERE, MakePin, Recorder, Server, put, script, sha256


def resolve(pins: list[Pin], cache: Cache, path: Path = Path("/nowhere"), progress: Recorder | None = None) -> dict[str, Tool]:
    return Resolver({pin.name: pin for pin in pins}, cache, {"PATH": str(path)}, progress).resolve()


def ways(found: dict[str, Tool]) -> dict[str, str]:
    return {name: tool.how for name, tool in found.items()}


def release(server: Server, make_pin: MakePin, name: str = "hammer", content: bytes = script("1.2.3")) -> Pin:
    server.files[f"/{name}"] = content
    return make_pin(name, url=f"{server.url}/{name}", sha256={"linux-amd64": sha256(content)}, package=f"a.org/{name}")


def test_path_goes_before_everything(server: Server, make_pin: MakePin, cache: Cache, tmp_path: Path, fake_go: Path) -> None:
    pin = release(server, make_pin)
    resolve([pin], cache)
    server.asked.clear()
    put(tmp_path / "bin" / "hammer", script("1.2.3"))
    assert resolve([pin], cache, tmp_path / "bin")["hammer"].path == tmp_path / "bin" / "hammer"
    assert not server.asked
    assert not fake_go.read_text()


def test_another_version_on_path_is_reported_and_not_used(server: Server, make_pin: MakePin, cache: Cache, tmp_path: Path) -> None:
    wrong = put(tmp_path / "bin" / "hammer", script("1.2.4"))
    recorder = Recorder()
    found = resolve([release(server, make_pin)], cache, tmp_path / "bin", recorder)
    assert ways(found) == {"hammer": "download"}
    assert recorder.lines[0] == f"hammer: {wrong} is 1.2.4, 1.2.3 is wanted"


def test_the_cache_goes_before_the_release_and_is_not_run(server: Server, make_pin: MakePin, cache: Cache) -> None:
    pin = release(server, make_pin)
    assert ways(resolve([pin], cache)) == {"hammer": "download"}
    server.asked.clear()
    put(cache.folder(pin) / "hammer", b"#!/bin/sh\nexit 1\n")
    recorder = Recorder()
    assert ways(resolve([pin], cache, progress=recorder)) == {"hammer": "cache"}
    assert not server.asked
    assert not recorder.lines


@pytest.mark.parametrize("content", [b"tampered", script("1.2.2")], ids=["wrong sum", "wrong version"])
def test_a_bad_release_leads_to_the_build(server: Server, make_pin: MakePin, cache: Cache, fake_go: Path, content: bytes) -> None:
    pin = release(server, make_pin, content=script("1.2.2"))
    server.files["/hammer"] = content
    recorder = Recorder()
    found = resolve([pin], cache, progress=recorder)
    assert ways(found) == {"hammer": "build"}
    assert found["hammer"].path.read_bytes() == script("1.2.3")
    assert ("checksum" if content == b"tampered" else "the program tells version 1.2.2") in recorder.lines[0]
    assert recorder.lines[1].startswith("hammer 1.2.3: built in ")
    assert len(fake_go.read_text().splitlines()) == 2


def test_what_one_module_holds_is_built_together_without_what_is_there(
    make_pin: MakePin, cache: Cache, fake_go: Path, tmp_path: Path
) -> None:
    put(tmp_path / "bin" / "axe", script("1.2.3"))
    pins = [make_pin(name, package=f"a.org/{name}") for name in ("saw", "axe", "hammer")] + [
        make_pin("drill", recipe="other", package="b.org/v3")
    ]
    assert ways(resolve(pins, cache, tmp_path / "bin")) == {"saw": "build", "axe": "path", "hammer": "build", "drill": "build"}
    builds = [line for line in fake_go.read_text().splitlines() if " build " in line]
    assert [line.partition(" -o ")[2].split()[1:] for line in builds] == [["a.org/saw", "a.org/hammer"], ["b.org/v3"]]
    assert ways(resolve(pins, cache)) == {"saw": "cache", "axe": "build", "hammer": "cache", "drill": "cache"}


def test_a_build_in_the_wrong_version_is_not_taken(
    make_pin: MakePin, cache: Cache, fake_go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_GO_VERSION", "devel")
    pin = make_pin()
    with pytest.raises(UserError, match=r"build: the program tells version devel"):
        resolve([pin], cache)
    assert fake_go.read_text()
    assert cache.find(pin) is None


def test_a_failed_build_leaves_nothing_and_the_next_run_succeeds(
    make_pin: MakePin, cache: Cache, fake_go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = make_pin()
    monkeypatch.setenv("FAKE_GO_FAILS", "no space left on device")
    with pytest.raises(UserError, match="build: no space left on device"):
        resolve([pin], cache)
    monkeypatch.delenv("FAKE_GO_FAILS")
    assert ways(resolve([pin], cache)) == {"hammer": "build"}
    assert fake_go.read_text()


def test_two_at_once_build_once(make_pin: MakePin, cache: Cache, fake_go: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.extend(ways(resolve([make_pin()], cache)).values())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["build", "cache", "cache"]
    assert fake_go.read_text().count(" build ") == 1


@pytest.mark.usefixtures("no_go")
def test_nothing_reachable_is_one_report_with_the_three_ways(make_pin: MakePin, cache: Cache, tmp_path: Path) -> None:
    wrong = put(tmp_path / "bin" / "hammer", script("9"))
    with pytest.raises(UserError) as caught:
        resolve([make_pin(sha256={"linux-amd64": "0" * 64}), make_pin("saw")], cache, tmp_path / "bin")
    assert str(caught.value).splitlines() == [
        "These external programs are needed and cannot be had.",
        "  1. hammer 1.2.3",
        f"      found:   PATH: {wrong} is 9",
        "               download: 127.0.0.1:9 cannot be reached: Connection refused",
        "               build: `go` is not on PATH",
        "      allowed: 1. hammer 1.2.3 on PATH",
        "               2. the official release, through HTTPS_PROXY and SSL_CERT_FILE where they are set: http://127.0.0.1:9/hammer",
        "               3. Go on PATH, as new as recipe/go.mod asks for, and a module proxy (GOPROXY) that can be reached",
        "      mend:    provide one of the three, or copy the cache folder of a machine that has it and name it in MLOPS_CACHE_DIR",
        "  2. saw 1.2.3",
        "      found:   PATH: no saw",
        "               download: no checksum is pinned for linux-amd64",
        "               build: `go` is not on PATH",
        "      allowed: 1. saw 1.2.3 on PATH",
        "               2. the official release, through HTTPS_PROXY and SSL_CERT_FILE where they are set: http://127.0.0.1:9/hammer",
        "               3. Go on PATH, as new as recipe/go.mod asks for, and a module proxy (GOPROXY) that can be reached",
        "      mend:    provide one of the three, or copy the cache folder of a machine that has it and name it in MLOPS_CACHE_DIR",
    ]


def test_a_name_that_is_not_pinned(make_pin: MakePin, cache: Cache) -> None:
    with pytest.raises(UserError, match=r"(?s)no such tool.*tool nail.*allowed: hammer"):
        Resolver({"hammer": make_pin()}, cache, {}).resolve(["nail"])


def test_a_cache_that_cannot_be_written(make_pin: MakePin, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"(?s)cache of external programs cannot be used.*Not a directory.*MLOPS_CACHE_DIR"):
        resolve([make_pin()], Cache(tmp_path / "file", HERE))
