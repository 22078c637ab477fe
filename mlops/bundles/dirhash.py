"""Digest of a folder: algorithm ``h1`` of Go (golang.org/x/mod/sumdb/dirhash, Hash1), with names relative to the folder."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path


def dirhash(root: Path) -> str:
    """SHA-256 over ``<sha256 of the content>  <name>`` lines of all files below a folder, sorted by name, as ``h1:<base64>``.

    Symbolic links count as the files they lead to; names are compared byte by byte, as Go does.

    Raises:
        OSError: a file cannot be read, a link leads nowhere or to a folder.
    """
    names = []
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        names += [Path(folder, name).relative_to(root).as_posix() for name in (*files, *links)]
    total = hashlib.sha256()
    for name in sorted(names, key=str.encode):
        with (root / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{digest}  {name}\n".encode())
    return f"h1:{base64.b64encode(total.digest()).decode()}"
