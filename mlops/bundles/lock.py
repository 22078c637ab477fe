"""The lock file: which upstream sources are used, and the digest of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from mlops.errors import Problem, UserError


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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    repository: str
    tag: str
    commit: str
    paths: tuple[str, ...]
    dirhash: str
    licence: str

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
            raise ValueError("must be at least one folder")
        return tuple(_matching(path, r"(?!.*(^|/)\.{1,2}(/|$))[^/\\]+(/[^/\\]+)*", "relative paths without `..`") for path in value)

    def archive(self) -> str:
        """Path of its archive below a mirror: ``<repository>/<commit>.tar.gz``."""
        return f"{self.repository}/{self.commit}.tar.gz"


def _matching(value: str, pattern: str, wanted: str) -> str:
    if not re.fullmatch(pattern, value):
        raise ValueError(f"must be {wanted}")
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
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError("the lock file of the sources cannot be read", [Problem(str(path), str(error), "YAML")]) from error
    entries = content.get("sources") if isinstance(content, Mapping) else None
    if not isinstance(entries, Mapping):
        raise UserError("the lock file of the sources is not usable", [Problem(str(path), "", "a mapping `sources`")])
    sources: dict[str, Source] = {}
    problems: list[Problem] = []
    for name, entry in entries.items():
        try:
            values = {**entry, "name": name} if isinstance(entry, Mapping) else {"name": name}
            sources[str(name)] = Source.model_validate(values)
        except ValidationError as error:
            problems.extend(
                Problem(f"{path} sources.{name}.{'.'.join(map(str, e['loc']))}", repr(e["input"]), e["msg"]) for e in error.errors()
            )
    if problems:
        raise UserError("the lock file of the sources is not usable", problems)
    return sources
