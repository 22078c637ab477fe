"""Images of the hosts' systems: what they are named after and what goes into them; without making one."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from mlops.rehearsal.site import image, packages
from mlops.rehearsal.site.packages import PACKAGES, SNAPD_INFO, Package, write_recipe
from mlops.rehearsal.site.systems import SYSTEMS


def test_a_system_without_an_image_of_its_own_uses_anothers() -> None:
    names = {system: image.image_name(system) for system in SYSTEMS}
    assert names["ubuntu-24.04-stand-in"] == names["debian-12"]
    assert len(set(names.values())) == len(SYSTEMS) - 1
    assert set(PACKAGES) == {system.image for system in SYSTEMS.values()}


def test_an_image_has_another_name_when_a_package_in_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.image_name("debian-13"), image.image_name("debian-12")
    changed = tuple(dataclasses.replace(package, files={"/etc/x": "other"}) for package in PACKAGES["debian-13"])
    monkeypatch.setitem(packages.PACKAGES, "debian-13", changed)
    assert image.image_name("debian-13") != before[0]
    assert image.image_name("debian-12") == before[1]


def test_an_image_has_another_name_when_its_recipe_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.image_name("debian-12")
    monkeypatch.setattr(image, "recipe_script", lambda _family: "other")
    assert image.image_name("debian-12") != before


@pytest.mark.parametrize("system", PACKAGES)
def test_a_recipe_has_all_packages_and_names_no_source_on_a_network(system: str, tmp_path: Path) -> None:
    write_recipe(system, tmp_path)
    listed = [line.split() for line in (tmp_path / "packages").read_text().splitlines()]
    assert [name for _, _, name in listed] == [package.name for package in PACKAGES[system]]
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [text for text in texts if re.search(r"\b(https?|ftp)://", text)] == []
    folders = {f"repository/{repository}" for repository, _, _ in listed}
    assert {name for text in texts for name in re.findall(r"baseurl=file:///usr/lib/stand-in/(repository/\w+)", text)} <= folders
    (snapd,) = (tmp_path / "trees").glob(f"snapd{SNAPD_INFO}")
    assert snapd.read_text() == f"VERSION={SYSTEMS[system].snapd}\n"


def test_a_description_of_a_package_says_what_it_needs_and_brings() -> None:
    package = Package("a", "1.2-3", files={"/b": ""}, links={"/a": "/c"}, requires=("d",), provides=("e = 1",), after="true")
    text = packages._spec(package)
    for line in (
        "Version: 1.2",
        "Release: 3",
        "BuildArch: noarch",
        "Requires: d",
        "Provides: e = 1",
        "%post\ntrue",
        "%files\n/a\n/b\n",
    ):
        assert f"{line}\n" in f"{text}\n"
    assert "Depends: d\n" in packages._control(package)
