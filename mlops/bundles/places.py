"""Where archives of sources are looked for, and where verified ones are kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlops.bundles.lock import Source
from mlops.errors import Problem, UserError

ORIGIN = "https://github.com"
INDEX = "index.tsv"
# A folder of archives beside the checkout serves as a mirror without being named anywhere.
_NEIGHBOUR = Path("shared/upstream")


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look for archives, in this order: air-gap folder, mirrors, neighbour folder, origin.

    Attributes:
        air_gap: folder laid out like a mirror, or None.
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
        """
        named = environ.get("MLOPS_SOURCE_MIRRORS", "").replace(",", " ").split()
        for mirror in named:
            try:
                urlsplit(mirror)
            except ValueError as error:
                problem = Problem("MLOPS_SOURCE_MIRRORS", re.sub(r"//[^/@\s]*@", "//****@", mirror), "folders and URLs", str(error))
                raise UserError("a mirror's address cannot be read", [problem]) from None
        return cls(
            Path(air_gap) if air_gap else None, tuple(dict.fromkeys((*named, *mirrors))), checkout.resolve().parent / _NEIGHBOUR
        )

    def candidates(self, source: Source) -> tuple[Path | str, ...]:
        """Each place where the archive of a source may be, best first: files as paths, the rest as URLs."""
        archive = source.archive()
        folders = [] if self.air_gap is None else [self.air_gap / archive]
        mirrors = [_below(mirror, archive) for mirror in self.mirrors]
        neighbours = [] if self.neighbour is None else [self.neighbour / archive]
        owner_and_name = source.repository.partition("/")[2]
        return (*folders, *mirrors, *neighbours, f"{self.origin}/{owner_and_name}/archive/{source.commit}.tar.gz")

    def indexes(self) -> tuple[Path | str, ...]:
        """Where folders and mirrors may tell which commits they have, best first (:mod:`mlops.bundles.tags`)."""
        folders = [] if self.air_gap is None else [self.air_gap / INDEX]
        neighbours = [] if self.neighbour is None else [self.neighbour / INDEX]
        return (*folders, *(_below(mirror, INDEX) for mirror in self.mirrors), *neighbours)


def _below(mirror: str, archive: str) -> Path | str:
    parts = urlsplit(mirror)
    if parts.scheme in {"http", "https"}:
        return f"{mirror.rstrip('/')}/{archive}"
    return Path(unquote(parts.path) if parts.scheme == "file" else mirror) / archive
