"""Files of snaps: the file itself, in the rehearsal a few lines of YAML, and the assertions that tell what it is.

Assertions are read, not verified: their signatures are of the real store's keys. Format: snapd asserts/asserts.go.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

# first bytes of a squash file system, which a real snap is
_SQUASHFS = b"hsqs"


@dataclass(frozen=True, slots=True)
class Assertion:
    """A file of that digest is this revision of that snap."""

    digest: str
    name: str
    revision: str


@dataclass(frozen=True, slots=True)
class SnapFile:
    """What stands in a snap file.

    Attributes:
        name: the snap's; empty for a real one, which is not opened.
        version: the same.
    """

    name: str = ""
    version: str = ""


def digest_of(content: bytes) -> str:
    """The digest by which an assertion names a file: SHA3-384, base64 for URLs without padding."""
    return base64.urlsafe_b64encode(hashlib.sha3_384(content).digest()).decode().rstrip("=")


def read_snap(content: bytes) -> SnapFile:
    """Reads a snap file.

    Raises:
        ValueError: it is neither a stand-in's nor a real one.
    """
    if content.startswith(_SQUASHFS):
        return SnapFile()
    try:
        fields = yaml.safe_load(content)
        return SnapFile(str(fields["name"]), str(fields["version"]))
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError):
        raise ValueError("cannot read snap file: not a snap") from None


def write_snap(name: str, version: str) -> bytes:
    """A snap file of the stand-in."""
    return yaml.safe_dump({"name": name, "version": version}).encode()


def read_assertions(text: str) -> tuple[Assertion, ...]:
    """The assertions on revisions in a file of many.

    Raises:
        ValueError: there is none, or its snap is not declared.
    """
    names: dict[str, str] = {}
    revisions = []
    for headers in _headers(text):
        if headers.get("type") == "snap-declaration":
            names[headers["snap-id"]] = headers["snap-name"]
        elif headers.get("type") == "snap-revision":
            revisions.append(headers)
    try:
        found = tuple(Assertion(entry["snap-sha3-384"], names[entry["snap-id"]], entry["snap-revision"]) for entry in revisions)
    except KeyError as error:
        raise ValueError(f"cannot resolve prerequisite assertion: {error}") from None
    if not found:
        raise ValueError("cannot decode request body into assertions: assertion content/signature separator not found")
    return found


def write_assertions(name: str, revision: str, content: bytes) -> str:
    """The assertions on a snap file of the stand-in; unsigned."""
    identity = f"{name}-stand-in"
    return (
        f"type: snap-declaration\nsnap-id: {identity}\nsnap-name: {name}\n\nunsigned\n\n"
        f"type: snap-revision\nsnap-sha3-384: {digest_of(content)}\nsnap-id: {identity}\nsnap-revision: {revision}\n\nunsigned\n"
    )


def _headers(text: str) -> Iterator[dict[str, str]]:
    for block in text.split("\n\n"):
        lines = (line.partition(": ") for line in block.splitlines())
        yield {key: value for key, separator, value in lines if separator}
