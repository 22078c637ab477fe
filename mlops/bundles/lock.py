"""The lock file: which upstream sources are used, and the digest of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mlops.bundles.forms import mapping_of, problems_of
from mlops.errors import Problem, UserError
from mlops.ordering.words import told

UNKNOWN_COMMIT = "0" * 40
"""Commit of an entry that was written by hand, for a source that was never fetched."""


class Source(BaseModel):
    """One upstream repository at one commit.

    Attributes:
        name: name that bundles use for it.
        repository: ``github.com/<owner>/<name>``.
        tag: tag or branch the commit was taken from; for people, nothing depends on it.
        commit: 40 hexadecimal digits.
        paths: folders or files of the repository that are used.
        dirhash: ``h1:`` digest over the files below ``paths``.
        licence: SPDX identifier.
        without: files and folders below ``paths`` that are left out, as not every place has them.
        bases: names of the sources that its kustomizations use as remote bases.
        built: files that upstream publishes as made from this repository, each with the folder it is made from; a rendering builds
            the folder in place of the file. A file is named by its URL, or as ``<source>/<path>`` when it lies in another source.
        replace: texts that upstream's release replaces in what it publishes, with ``{tag}`` for the tag in the new text; done in
            all files of a rendering's copy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    repository: str
    tag: str
    commit: str
    paths: tuple[str, ...]
    dirhash: str
    licence: str
    without: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    built: Mapping[str, str] = Field(default_factory=dict)
    replace: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return _matching(value, r"[a-z0-9][a-z0-9-]*", "lower-case letters, digits and dashes")

    @field_validator("repository")
    @classmethod
    def _repository(cls, value: str) -> str:
        return _matching(value, r"github\.com/[A-Za-z0-9-]+/[A-Za-z0-9._-]+", "github.com/<owner>/<name>")

    @field_validator("commit")
    @classmethod
    def _commit(cls, value: str) -> str:
        return _matching(value, r"[0-9a-f]{40}", "a commit of 40 hexadecimal digits")

    @field_validator("dirhash")
    @classmethod
    def _dirhash(cls, value: str) -> str:
        return _matching(value, r"h1:[A-Za-z0-9+/]{43}=", "h1: and a SHA-256 in base64")

    @field_validator("paths")
    @classmethod
    def _paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("at least one folder")
        return tuple(map(_relative, value))

    @field_validator("without")
    @classmethod
    def _without(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_relative, value))

    @field_validator("built")
    @classmethod
    def _built(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        return {file: _relative(folder) for file, folder in value.items()}

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"source {self.name} ({self.repository} {self.tag})"

    def archive(self) -> str:
        """Path of its archive below a mirror: ``<repository>/<commit>.tar.gz``."""
        return f"{self.repository}/{self.commit}.tar.gz"


def _relative(path: str) -> str:
    return _matching(path, r"(?!.*(^|/)\.{1,2}(/|$))[^/\\]+(/[^/\\]+)*", "relative paths without `..`")


def _matching(value: str, pattern: str, wanted: str) -> str:
    if not re.fullmatch(pattern, value):
        raise ValueError(wanted)
    return value


def read_lock(path: Path) -> dict[str, Source]:
    """Read a lock file.

    Args:
        path: ``sources.lock.yaml``.

    Returns:
        Sources by name.

    Raises:
        UserError: unreadable, or with wrong entries; all of them at once.
    """
    try:
        content = mapping_of(path, where=str(path), allowed="a mapping `sources`")
    except UserError as error:
        raise UserError("the lock file of the sources cannot be read", error.problems) from error
    entries = content.get("sources")
    if not isinstance(entries, dict):
        problem = Problem(f"{path} sources", "" if entries is None else told(entries), "a mapping of sources by name")
        raise UserError("the lock file of the sources is not usable", [problem])
    sources: dict[str, Source] = {}
    problems: list[Problem] = []
    for name, entry in entries.items():
        where = f"{path} sources.{name}"
        if not isinstance(entry, dict) or "name" in entry:
            problems.append(Problem(where, told(entry), "a mapping, without `name`: the name stands before it"))
            continue
        try:
            sources[str(name)] = Source.model_validate({**entry, "name": name})
        except ValidationError as error:
            problems += problems_of(error, f"{where}.", Source, apart="name")
    names = ", ".join(sorted(sources))
    problems += [
        Problem(f"{path} sources.{source.name}.bases", base, f"names of sources: {names}")
        for source in sources.values()
        for base in source.bases
        if base not in entries
    ]
    if problems:
        raise UserError("the lock file of the sources is not usable", problems)
    return sources


def closure(names: Iterable[str], lock: Mapping[str, Source]) -> tuple[Source, ...]:
    """Sources with all that they use as bases, sorted by name.

    Args:
        names: names of sources of the lock.
        lock: all sources by name.
    """
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(lock[name].bases)
    return tuple(lock[name] for name in sorted(found))


def scalar(text: str) -> str:
    """A YAML scalar that reads back as this text: a tag such as 1.10, or a commit of digits, is no number."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        plain = node is not None and node.tag == "tag:yaml.org,2002:str" and node.value == text
    except yaml.YAMLError:
        plain = False
    return text if plain else "'{}'".format(text.replace("'", "''"))
