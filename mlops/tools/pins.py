"""Reads `pins.yaml`: which external programs in which versions, and the three ways to each of them."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

PINS_FILE = Path(__file__).with_name("pins.yaml")
MODULES = Path(__file__).with_name("gomodules")

# `platform.machine()` -> Go's name of the architecture
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Probe(_Entry):
    """How a program tells its version.

    Attributes:
        arguments: arguments that make it print its version.
        embedded: search the file itself instead of running it.
        pattern: regular expression, its one group is the version; ``^`` matches at every line.
    """

    arguments: tuple[str, ...] = ()
    embedded: bool = False
    pattern: str


class Download(_Entry):
    """An official release; all texts are templates of version, os and arch.

    Attributes:
        url: the program itself or a ``.tar.gz`` that holds it.
        arch: this release's own names of architectures, by Go's names.
        member: path inside the archive; None when the URL is the program itself.
        companions: further members laid beside the program.
        sha256: pinned sum of what the URL answers, by platform, e.g. ``linux-amd64``.
        checked: where the pinned sums were read.
        checksums: URL of the release's own sums, for platforms without a pinned one.
    """

    url: str
    arch: Mapping[str, str] = Field(default_factory=dict)
    member: str | None = None
    companions: tuple[str, ...] = ()
    sha256: Mapping[str, str] = Field(default_factory=dict)
    checked: str = ""
    checksums: str | None = None


class Build(_Entry):
    """A main package of a Go module.

    Attributes:
        recipe: folder below ``gomodules`` with go.mod and go.sum.
        package: import path of the main package, ``.`` for the recipe's own.
    """

    recipe: str
    package: str


class _Recipe(_Entry):
    symbols: Mapping[str, str] = Field(default_factory=dict)


class _ToolEntry(_Entry):
    version: str
    probe: Probe
    folders: tuple[str, ...] = ()
    download: Download
    build: Build


class _PinsFile(_Entry):
    recipes: Mapping[str, _Recipe]
    tools: Mapping[str, _ToolEntry]


@dataclass(frozen=True, slots=True)
class Platform:
    """Operating system and architecture, in Go's words (``linux``, ``amd64``)."""

    os: str
    arch: str

    @classmethod
    def here(cls) -> Platform:
        """The platform this process runs on."""
        machine = platform.machine()
        return cls(platform.system().lower(), _ARCHITECTURES.get(machine, machine))

    def __str__(self) -> str:
        return f"{self.os}-{self.arch}"


@dataclass(frozen=True, slots=True)
class Pin:
    """One external program in its one version, with the three ways to it.

    Attributes:
        name: file name of the program.
        version: exact version, without a leading ``v``.
        probe: how a program on PATH tells its version.
        folders: further folders that may hold it, templates of ``version`` and ``pulumi_home``.
        download: its official release.
        build: its Go package.
        module: folder with go.mod and go.sum.
        ldflags: flags for the Go linker.
    """

    name: str
    version: str
    probe: Probe
    folders: tuple[str, ...]
    download: Download
    build: Build
    module: Path
    ldflags: str

    def filled(self, template: str, on: Platform) -> str:
        """Fills version, os and arch into one of the download's templates."""
        return template.format(version=self.version, os=on.os, arch=self.download.arch.get(on.arch, on.arch))

    def digest(self, on: Platform) -> str:
        """Twelve hex digits that change with anything the program is made from: pin, Go recipe, platform."""
        pinned = [str(on), self.version, self.ldflags, self.download.model_dump(mode="json"), self.build.model_dump(mode="json")]
        digest = hashlib.sha256(json.dumps(pinned, sort_keys=True).encode())
        for file in sorted(self.module.iterdir()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()[:12]


def load_pins(file: Path = PINS_FILE, modules: Path = MODULES) -> dict[str, Pin]:
    """Reads the pins, by name.

    Raises:
        pydantic.ValidationError: the file has an unknown or a missing key; it is ours, so this is a bug.
    """
    # the pure Python loader takes 0.1 s, which every command and every step of a deployment would pay
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content: Any = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - both build plain values only
    pins = _PinsFile.model_validate(content)
    return {name: _pin(name, entry, pins.recipes[entry.build.recipe], modules) for name, entry in pins.tools.items()}


def _pin(name: str, entry: _ToolEntry, recipe: _Recipe, modules: Path) -> Pin:
    major, minor = entry.version.split(".")[:2]
    values = {symbol: value.format(version=entry.version, major=major, minor=minor) for symbol, value in recipe.symbols.items()}
    return Pin(
        name=name,
        version=entry.version,
        probe=entry.probe,
        folders=entry.folders,
        download=entry.download,
        build=entry.build,
        module=modules / entry.build.recipe,
        ldflags=" ".join(["-s -w", *(f"-X {symbol}={value}" for symbol, value in values.items())]),
    )
