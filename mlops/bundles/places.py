"""Where archives of sources are looked for, and where verified ones are kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from mlops.bundles.lock import Source
from mlops.errors import Problem, UserError

ORIGIN = "https://github.com"
INDEX = "index.tsv"
# A folder of archives beside the checkout serves as a mirror without being named anywhere.
_NEIGHBOUR = Path("shared/upstream")


@dataclass(frozen=True, slots=True)
class Address:
    """A place in a network.

    Attributes:
        url: its URL.
        direct: inside the site, so that it is asked without the proxy; the origin is outside.
    """

    url: str
    direct: bool

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look for archives, in this order: mirrors, neighbour folder, origin; only in the air-gap folder if there is one.

    Attributes:
        air_gap: folder laid out like a mirror, or None. It holds everything: nothing else is looked at.
        mirrors: folders, or URLs with ``file:``, ``http:`` or ``https:``; an archive is at
            ``<mirror>/github.com/<owner>/<name>/<commit>.tar.gz``.
        neighbour: folder beside the checkout, or None.
        origin: URL that stands for github.com.
    """

    air_gap: Path | None = None
    mirrors: tuple[str, ...] = ()
    neighbour: Path | None = None
    origin: str = ORIGIN

    @classmethod
    def from_environment(
        cls,
        *,
        checkout: Path,
        air_gap: Path | str | None = None,
        mirrors: Iterable[str] = (),
        environ: Mapping[str, str] = os.environ,
    ) -> Places:
        """Places named by the settings and by ``MLOPS_SOURCE_MIRRORS`` (separated by spaces or commas; looked at first).

        Args:
            checkout: root of the checkout, for the folder beside it.
            air_gap: folder from the settings.
            mirrors: mirrors from the settings.
            environ: environment to read.

        Raises:
            UserError: an address in the variable that is none, or holds a password.
        """
        named = environ.get("MLOPS_SOURCE_MIRRORS", "").replace(",", " ").split()
        problems = [problem for mirror in named if (problem := _problem_of(mirror))]
        if problems:
            raise UserError("a mirror's address cannot be used", problems)
        return cls(
            Path(air_gap) if air_gap else None, tuple(dict.fromkeys((*named, *mirrors))), checkout.resolve().parent / _NEIGHBOUR
        )

    def candidates(self, source: Source) -> tuple[Path | Address, ...]:
        """Each place where the archive of a source may be, best first."""
        return (*self._inside(source.archive()), *self._outside(source, f"{source.commit}.tar.gz"))

    def indexes(self) -> tuple[Path | Address, ...]:
        """Where folders and mirrors may tell which commits they have, best first (:mod:`mlops.bundles.tags`)."""
        return self._inside(INDEX)

    def of_tag(self, source: Source, tag: str) -> tuple[Address, ...]:
        """Where the origin has its archive of a tag; nowhere when the network is not to be asked."""
        return self._outside(source, f"refs/tags/{quote(tag)}.tar.gz")

    def _inside(self, file: str) -> tuple[Path | Address, ...]:
        if self.air_gap is not None:
            return (self.air_gap / file,)
        neighbours = [] if self.neighbour is None else [self.neighbour / file]
        return (*(_below(mirror, file) for mirror in self.mirrors), *neighbours)

    def _outside(self, source: Source, file: str) -> tuple[Address, ...]:
        if self.air_gap is not None:
            return ()
        return (Address(f"{self.origin}/{source.repository.partition('/')[2]}/archive/{file}", direct=False),)


def _problem_of(mirror: str) -> Problem | None:
    """What is wrong with an entry of the variable."""
    shown = re.sub("//.*@", "//****@", mirror)
    try:
        urlsplit(mirror)
    except ValueError as error:
        return Problem("MLOPS_SOURCE_MIRRORS", f"{shown} ({error})", "folders and URLs")
    if "://" in mirror and "@" in mirror:
        mend = "let the mirror answer without a password: what it holds is public, and verified by its digest"
        return Problem("MLOPS_SOURCE_MIRRORS", shown, "URLs without user and password", mend)
    return None


def _below(mirror: str, file: str) -> Path | Address:
    parts = urlsplit(mirror)
    if parts.scheme in {"http", "https"}:
        return Address(f"{mirror.rstrip('/')}/{file}", direct=True)
    return Path(unquote(parts.path) if parts.scheme == "file" else mirror) / file
