"""CRDs by digest, in the cache: the program lays them down, the step that applies them takes them up and verifies them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.errors import Problem, UserError
from mlops.tools.cache import Cache

_SUMMARY = re.compile(r"(?P<versions>\S+) sha256:(?P<digest>[0-9a-f]{64})")


def summary(body: Mapping[str, Any]) -> str:
    """A CRD in one line: the versions it serves and the digest of all of it, e.g. ``v1,v1beta1 sha256:…``."""
    versions = [version["name"] for version in body["spec"]["versions"] if version.get("served")]
    return f"{','.join(versions) or 'none'} sha256:{hashlib.sha256(_text(body)).hexdigest()}"


def summaries_in(variables: Mapping[str, object]) -> dict[str, str]:
    """Those of a command's variables that are a CRD's name and summary: a CRD's name has a dot, and no other variable's has."""
    found = {name: value for name, value in variables.items() if "." in name and isinstance(value, str)}
    return {name: value for name, value in sorted(found.items()) if _SUMMARY.fullmatch(value)}


@dataclass(frozen=True, slots=True)
class Store:
    """CRDs by digest.

    Attributes:
        folder: where they are; made when something is kept.
    """

    folder: Path

    @classmethod
    def default(cls) -> Store:
        """The one in the user's cache folder."""
        return cls(Cache.of(os.environ).root / "definitions")

    def keep(self, bodies: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Lays CRDs down, each whole or not at all.

        Returns:
            Name to :func:`summary`.

        Raises:
            UserError: the folder cannot be written.
        """
        kept = {}
        for body in bodies:
            line = summary(body)
            self._keep(self._file(line), _text(body))
            kept[body["metadata"]["name"]] = line
        return dict(sorted(kept.items()))

    def take(self, line: str) -> dict[str, Any] | None:
        """The CRD of a summary; None when it is not there, or is not what was laid down."""
        try:
            content = self._file(line).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content).hexdigest() != _digest(line):
            return None
        body: dict[str, Any] = json.loads(content)
        return body

    def _file(self, line: str) -> Path:
        return self.folder / f"{_digest(line)}.json"

    def _keep(self, file: Path, content: bytes) -> None:
        scratch: Path | None = None
        try:
            if file.is_file() and file.read_bytes() == content:
                return
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as made:
                scratch = Path(made.name)
                made.write(content)
            scratch.replace(file)
        except OSError as error:
            if scratch is not None:
                scratch.unlink(missing_ok=True)
            problem = Problem(str(file), str(error), "a folder that can be written", "set MLOPS_CACHE_DIR to one, or free space")
            raise UserError("the cache of CustomResourceDefinitions cannot be used", [problem]) from error


def _digest(line: str) -> str:
    match = _SUMMARY.fullmatch(line)
    if match is None:
        message = f"no summary of a CustomResourceDefinition: {line!r}"
        raise ValueError(message)
    return match["digest"]


def _text(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
