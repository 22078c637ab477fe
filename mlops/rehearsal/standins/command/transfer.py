"""Stand-in ``command`` provider: copies over SFTP (``remote.CopyToRemote``, ``remote.CopyFile``)."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops.rehearsal.standins.command.later import asyncssh
from mlops.rehearsal.standins.command.ssh import Loop, dial
from mlops.rehearsal.standins.provider import Call, ProviderError

Asset = Mapping[str, Any]


def fingerprint(source: Asset) -> str:
    """What tells one content from another: the engine's hash of it."""
    return str(source.get("hash") or json.dumps(source, sort_keys=True))


@dataclass(frozen=True)
class Content:
    """What is to be copied, read from this machine.

    Attributes:
        name: added to a destination that is a directory; None where the content itself goes there.
        data: of a single file.
        entries: of a tree, by path below it; None for a directory.
    """

    name: str | None
    data: bytes | None = None
    entries: Mapping[str, bytes | None] = field(default_factory=dict)


def load(source: Asset) -> Content:
    """Read an asset or archive.

    Raises:
        ProviderError: it is not there, or comes from a URL, which this stand-in does not fetch.
    """
    if "uri" in source:
        raise ProviderError("stand-in: an asset or archive from a URL is not implemented; download it in the program")
    if "text" in source:
        return Content(None, source["text"].encode())
    if "path" not in source:
        return Content(None, entries=_assets(source.get("assets") or {}))
    path = Path(source["path"])
    try:
        if not path.is_dir():
            return Content(path.name, path.read_bytes())
        # As with the official provider, a trailing slash means the contents and not the directory.
        return Content(None if source["path"].endswith("/") else path.name, entries=_tree(path))
    except OSError as error:
        raise ProviderError(f"open {path}: {os.strerror(error.errno or 0).lower()}") from error


def _tree(root: Path) -> dict[str, bytes | None]:
    return {path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes() for path in sorted(root.rglob("*"))}


def _assets(assets: Mapping[str, Asset]) -> dict[str, bytes | None]:
    entries: dict[str, bytes | None] = {}
    for name, asset in sorted(assets.items()):
        content = load(asset)
        if content.data is not None:
            entries[name] = content.data
        else:
            entries |= {posixpath.join(name, path): data for path, data in content.entries.items()}
    return entries


class Copier:
    """Copies assets and archives to remote hosts; the connection closes after each copy."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def copy(self, call: Call, connection: Mapping[str, Any], source: Asset, destination: str) -> None:
        """Copy a file, a directory, a text or an archive of assets, making parent directories.

        Raises:
            ProviderError: no connection, or the file system on either side refuses.
        """
        self._loop.call(_session(call, connection, load(source), destination, make_parents=True))

    def write(self, call: Call, connection: Mapping[str, Any], source: Asset, destination: str) -> None:
        """Copy one file to exactly that path; no directory is made.

        Raises:
            ProviderError: as above.
        """
        self._loop.call(_session(call, connection, load(source), destination, make_parents=False))


async def _session(call: Call, connection: Mapping[str, Any], content: Content, destination: str, *, make_parents: bool) -> None:
    async with await dial(call, connection) as client, client.start_sftp_client() as sftp:
        try:
            if not make_parents:
                await _write(sftp, content.data or b"", destination)
            elif content.data is not None:
                await _file(sftp, content, content.data, destination)
            else:
                await _directory(sftp, content, destination)
        except asyncssh.SFTPError as error:
            raise ProviderError(f"failed to copy to remote path {destination}: {error.reason}") from error


async def _file(sftp: asyncssh.SFTPClient, content: Content, data: bytes, destination: str) -> None:
    if await sftp.isdir(destination):
        if content.name is None:
            raise ProviderError(
                f"remote path {destination} is a directory; when using a text asset, remotePath must be a file path"
            )
        destination = posixpath.join(destination, content.name)
    elif parent := posixpath.dirname(destination):
        await sftp.makedirs(parent, exist_ok=True)
    await _write(sftp, data, destination)


async def _directory(sftp: asyncssh.SFTPClient, content: Content, destination: str) -> None:
    target = posixpath.join(destination, content.name) if content.name else destination
    for path in {destination, target}:
        if await sftp.exists(path) and not await sftp.isdir(path):
            raise ProviderError(f"remote path {path} exists but is not a directory")
    await sftp.makedirs(target, exist_ok=True)
    for name, data in content.entries.items():
        path = posixpath.join(target, name)
        await sftp.makedirs(path if data is None else posixpath.dirname(path), exist_ok=True)
        if data is not None:
            await _write(sftp, data, path)


async def _write(sftp: asyncssh.SFTPClient, data: bytes, destination: str) -> None:
    async with sftp.open(destination, "wb") as remote:
        await remote.write(data)
