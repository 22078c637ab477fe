"""Finds each pinned program: PATH, the cache, the official release, the Go module, in this order."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from mlops.errors import Problem, UserError
from mlops.tools.cache import Cache
from mlops.tools.download import DownloadError, Downloads
from mlops.tools.gobuild import BuildError, Builds
from mlops.tools.pins import Pin, load_pins
from mlops.tools.probing import Candidates, version_of
from mlops.tools.progress import Progress

How = Literal["path", "cache", "download", "build"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that is there to be run.

    Attributes:
        name: its name, the key in `pins.yaml`.
        version: its exact version, without a leading ``v``.
        path: the program, absolute.
        how: which way it was found in this run.
        seconds: how long that took; programs built together all bear the time of that build.
    """

    name: str
    version: str
    path: Path
    how: How
    seconds: float


def resolve(names: Iterable[str] | None = None, *, progress: Progress | None = None) -> dict[str, Tool]:
    """Finds pinned programs, and fetches or builds those that are not there yet.

    Args:
        names: which; all of `pins.yaml` when None.
        progress: told what goes on; nobody when None.

    Returns:
        The programs by name, in the order asked for.

    Raises:
        UserError: a name that is not pinned, a cache that cannot be written, or programs that none of the ways leads to, all
            of them in one report.
    """
    return Resolver(load_pins(), Cache.of(os.environ), os.environ, progress).resolve(names)


def tool(name: str, *, progress: Progress | None = None) -> Path:
    """The path of one pinned program; raises like :func:`resolve`."""
    return resolve([name], progress=progress)[name].path


class Resolver:
    """One run of the search; it remembers what failed, so that nothing is tried twice.

    Args:
        pins: the pinned programs by name.
        cache: where finished programs are.
        environ: the environment, for PATH.
        progress: told what goes on.
    """

    def __init__(self, pins: Mapping[str, Pin], cache: Cache, environ: Mapping[str, str], progress: Progress | None = None) -> None:
        self._pins = pins
        self._cache = cache
        self._progress = progress or Progress()
        self._candidates = Candidates(environ, cache.root / "probes.json", cache.root.resolve())
        self._downloads = Downloads(cache.platform)
        self._builds = Builds()
        self._others: dict[str, list[str]] = defaultdict(list)
        self._failures: dict[str, list[str]] = defaultdict(list)

    def resolve(self, names: Iterable[str] | None = None) -> dict[str, Tool]:
        """See :func:`resolve`."""
        wanted = list(dict.fromkeys(self._pins if names is None else names))
        self._refuse_unknown(wanted)
        try:
            found = {name: tool for name in wanted if (tool := self._present(self._pins[name]))}
            missing = [self._pins[name] for name in wanted if name not in found]
            found |= self._make_all(missing)
        except OSError as error:
            root = self._cache.root
            problem = Problem(
                str(error.filename or root),
                error.strerror or str(error),
                "a writable folder with 5 GiB of room",
                f"set MLOPS_CACHE_DIR to another folder than {root}",
            )
            raise UserError("The cache of external programs cannot be used.", [problem]) from error
        lacking = [self._problem(self._pins[name]) for name in wanted if name not in found]
        if lacking:
            raise UserError("These external programs are needed and cannot be had.", lacking)
        return {name: found[name] for name in wanted}

    def _refuse_unknown(self, names: Iterable[str]) -> None:
        problems = [Problem(f"tool {name}", name, ", ".join(self._pins)) for name in names if name not in self._pins]
        if problems:
            raise UserError("There is no such tool.", problems)

    def _present(self, pin: Pin) -> Tool | None:
        began = time.monotonic()
        for candidate in self._candidates.of(pin):
            if candidate.version == pin.version:
                return Tool(pin.name, pin.version, candidate.path, "path", time.monotonic() - began)
            told = f"is {candidate.version}" if candidate.version else "does not tell its version"
            self._others[pin.name].append(f"{candidate.path} {told}")
        return self._cached(pin, began)

    def _cached(self, pin: Pin, began: float) -> Tool | None:
        path = self._cache.find(pin)
        return Tool(pin.name, pin.version, path, "cache", time.monotonic() - began) if path else None

    def _make_all(self, missing: list[Pin]) -> dict[str, Tool]:
        self._downloads.prepare(missing)
        found: dict[str, Tool] = {}
        recipes = defaultdict(list)
        for pin in missing:
            recipes[pin.build.recipe].append(pin)
            for other in self._others[pin.name]:
                self._progress.say(f"{pin.name}: {other}, {pin.version} is wanted")
        for recipe, pins in recipes.items():
            waiting = f"{_titles(pins)}: waiting for another process that makes it"
            with self._cache.working(recipe, partial(self._progress.start, waiting)) as work:
                found |= self._make(pins, work)
        return found

    def _make(self, pins: list[Pin], work: Path) -> dict[str, Tool]:
        found: dict[str, Tool] = {}
        for pin in pins:
            # Another process may have made it while this one waited for the lock.
            tool = self._cached(pin, time.monotonic()) or self._downloaded(pin, work)
            if tool:
                found[pin.name] = tool
        rest = [pin for pin in pins if pin.name not in found]
        return found | (self._built(rest, work) if rest else {})

    def _downloaded(self, pin: Pin, work: Path) -> Tool | None:
        began = time.monotonic()
        made = work / "download" / pin.name
        made.mkdir(parents=True)
        self._progress.start(f"{_titles([pin])}: official release")
        try:
            self._downloads.fetch(pin, made, self._progress.update)
        except DownloadError as error:
            self._fail(pin, f"download: {error}")
            return None
        return self._accepted(pin, made, "download", began)

    def _built(self, pins: list[Pin], work: Path) -> dict[str, Tool]:
        began = time.monotonic()
        made = work / "build"
        made.mkdir()
        self._progress.start(f"{_titles(pins)}: building the Go module")
        try:
            self._builds.build(pins, made, self._progress.update)
        except BuildError as error:
            for pin in pins:
                self._fail(pin, f"build: {error}")
            return {}
        found = {}
        for pin in pins:
            own = work / "built" / pin.name
            own.mkdir(parents=True)
            (made / pin.name).rename(own / pin.name)
            if tool := self._accepted(pin, own, "build", began):
                found[pin.name] = tool
        return found

    def _accepted(self, pin: Pin, made: Path, how: How, began: float) -> Tool | None:
        """Publishes a program after it has told the pinned version, which also shows that it runs on this machine."""
        told = version_of(made / pin.name, pin.probe)
        if told != pin.version:
            self._fail(pin, f"{how}: the program tells version {told}")
            return None
        tool = Tool(pin.name, pin.version, self._cache.publish(pin, made), how, time.monotonic() - began)
        self._progress.say(f"{pin.name} {pin.version}: {_WAYS[how]} in {tool.seconds:.1f} s")
        return tool

    def _fail(self, pin: Pin, reason: str) -> None:
        self._failures[pin.name].append(reason)
        self._progress.say(f"{pin.name}: {reason.splitlines()[0]}")

    def _problem(self, pin: Pin) -> Problem:
        on_path = self._others[pin.name] or [f"no {pin.name}"]
        release = pin.filled(pin.download.url, self._cache.platform)
        return Problem(
            where=f"{pin.name} {pin.version}",
            found="\n".join([*(f"PATH: {other}" for other in on_path), *self._failures[pin.name]]),
            allowed=f"1. {pin.name} {pin.version} on PATH\n"
            f"2. the official release, through HTTPS_PROXY and SSL_CERT_FILE where they are set: {release}\n"
            f"3. Go on PATH, as new as {pin.module.name}/go.mod asks for, and a module proxy (GOPROXY) that can be reached",
            mend="provide one of the three, or copy the cache folder of a machine that has it and name it in MLOPS_CACHE_DIR",
        )


_WAYS: dict[How, str] = {"path": "found on PATH", "cache": "found in the cache", "download": "downloaded", "build": "built"}


def _titles(pins: Iterable[Pin]) -> str:
    return ", ".join(f"{pin.name} {pin.version}" for pin in pins)
