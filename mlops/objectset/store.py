"""Objects by digest, in the cache: the program lays them down, the step that applies them takes them up and verifies them."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.errors import Problem, UserError
from mlops.folders import cache_folder
from mlops.objectset.kinds import DEFINITION, identity

_SUMMARY = re.compile(r"(?:\S+ )?sha256:(?P<digest>[0-9a-f]{64})")


def summary(body: Mapping[str, Any]) -> str:
    """An object in one line: the digest of all of it; before that, of a CRD, the versions it serves: ``v1,v1beta1 sha256:…``."""
    digest = f"sha256:{hashlib.sha256(_text(body)).hexdigest()}"
    if body["kind"] != DEFINITION:
        return digest
    return f"{','.join(v['name'] for v in body['spec'].get('versions') or () if v.get('served')) or 'none'} {digest}"


def summaries_in(variables: Mapping[str, object]) -> dict[str, str]:
    """Those of a command's variables that are an object's identity and summary, in their order; no other variable has a slash."""
    found = {name: value for name, value in variables.items() if "/" in name and isinstance(value, str)}
    return {name: value for name, value in found.items() if _SUMMARY.fullmatch(value)}


@dataclass(frozen=True, slots=True)
class Store:
    """Objects by digest.

    Attributes:
        folder: where they are; made when something is kept.
    """

    folder: Path

    @classmethod
    def default(cls) -> Store:
        """The one in the user's cache folder."""
        return cls(cache_folder() / "objects")

    def keep(self, bodies: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Lays objects down, each whole or not at all.

        Returns:
            Identity to :func:`summary`, sorted.

        Raises:
            UserError: the folder cannot be written.
        """
        kept = {}
        for body in bodies:
            line = summary(body)
            self._keep(self._file(line), _text(body))
            kept[identity(body)] = line
        return dict(sorted(kept.items()))

    def take(self, line: str) -> dict[str, Any] | None:
        """The object of a summary; None when it is not there, or is not what was laid down."""
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
            raise UserError("the cache of objects cannot be used", [problem]) from error


def _digest(line: str) -> str:
    match = _SUMMARY.fullmatch(line)
    if match is None:
        message = f"no summary of an object: {line!r}"
        raise ValueError(message)
    return match["digest"]


def _text(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
