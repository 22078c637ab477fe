"""Digest of a folder: algorithm ``h1`` of Go (golang.org/x/mod/sumdb/dirhash, Hash1), with names relative to the folder."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
from functools import cache
from pathlib import Path


def dirhash(root: Path) -> str:
    """SHA-256 over ``<sha256 of the content>  <name>`` lines of all files below a folder, sorted by name, as ``h1:<base64>``.

    Symbolic links count as the files they lead to; names are compared byte by byte, as Go does. Nothing outside the folder is
    read, and nothing but regular files: a device or a pipe may have no end.

    Raises:
        OSError: a file cannot be read or is no regular one, a link leads nowhere, to a folder or out of the folder.
    """
    names = []
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        names += [Path(folder, name).relative_to(root).as_posix() for name in (*files, *links)]
    digest_of = cache(_digest)  # many links to one large file cost no more than the file
    total = hashlib.sha256()
    for name in sorted(names, key=os.fsencode):
        total.update(digest_of(_regular(root, root / name)).encode() + b"  " + os.fsencode(name) + b"\n")
    return f"h1:{base64.b64encode(total.digest()).decode()}"


def _regular(root: Path, path: Path) -> Path:
    """The regular file that a path stands for."""
    if path.is_symlink():
        real = Path(os.path.realpath(path, strict=True))
        if not real.is_relative_to(root.resolve()):
            raise OSError(errno.EXDEV, "a link that leads out of the folder", str(path))
        path = real
    if not path.is_file():
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
