from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from mlops.tools.pins import MODULES, Pin, Platform, load_pins
from tests.tools.conftest import HERE, MakePin

PINS = load_pins()


def test_every_tool_of_the_contract_is_pinned() -> None:
    assert set(PINS) == {
        *("pulumi", "pulumi-resource-kubernetes", "kubectl", "kustomize", "helm", "etcd", "kwok"),
        *("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    }


@pytest.mark.parametrize("pin", PINS.values(), ids=PINS)
@pytest.mark.parametrize("on", [HERE, Platform("linux", "arm64"), Platform("darwin", "arm64")], ids=str)
def test_templates_fill_and_sums_are_sums(pin: Pin, on: Platform) -> None:
    for template in (pin.download.url, pin.download.checksums, pin.download.member, *pin.download.companions):
        filled = pin.filled(template or "", on)
        assert "{" not in filled
        assert not filled or filled.startswith("https://") or not re.search(r"://|\.\.|^/", filled)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in pin.download.sha256.values())
    assert bool(pin.download.sha256) == bool(pin.download.checked), "a pinned sum says where it was read"


@pytest.mark.parametrize("pin", PINS.values(), ids=PINS)
def test_the_go_recipe_asks_for_the_pinned_version(pin: Pin) -> None:
    go_mod = (pin.module / "go.mod").read_text(encoding="utf-8")
    assert (pin.module / "go.sum").stat().st_size > 1000
    if pin.build.package != ".":
        assert re.search(rf"^\s*(tool )?{re.escape(pin.build.package)}$", go_mod, re.MULTILINE)
        module = max(
            re.findall(r"^\s*(\S+) v\S+", go_mod, re.MULTILINE), key=lambda name: pin.build.package.startswith(name) * len(name)
        )
        assert re.search(rf"^\s*{re.escape(module)} v{re.escape(pin.version)}( |$)", go_mod, re.MULTILINE)


def test_no_recipe_is_left_over() -> None:
    assert {folder.name for folder in MODULES.iterdir()} == {pin.build.recipe for pin in PINS.values()}


def test_linker_flags_name_the_version() -> None:
    assert PINS["kubectl"].ldflags == (
        "-s -w -X k8s.io/component-base/version.gitVersion=v1.35.4"
        " -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35"
    )


def test_the_digest_changes_with_everything_a_program_is_made_from(make_pin: MakePin) -> None:
    pin = make_pin()
    go_mod = Path(pin.module, "go.mod")
    go_mod.write_text("module a\n", encoding="utf-8")
    digests = {
        pin.digest(HERE),
        pin.digest(Platform("linux", "arm64")),
        dataclasses.replace(pin, ldflags="").digest(HERE),
        make_pin(url="http://127.0.0.1:9/other").digest(HERE),
        make_pin(package="./cmd").digest(HERE),
    }
    go_mod.write_text("module b\n", encoding="utf-8")
    digests.add(pin.digest(HERE))
    assert len(digests) == 6
