"""Paths of a host as the frame sees them: links on a host must not lead to files of the machine."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

_LINKS = 40


def inside(root: Path, path: str) -> Path:
    """Where a path of a host lies in the frame, links in it followed as the host would.

    Args:
        root: the host's root file system.
        path: absolute path on the host; its end need not exist.

    Raises:
        OSError: links go in a circle.
    """
    rest = list(PurePosixPath(path).parts[::-1])
    found: list[str] = []
    links = 0
    while rest:
        part = rest.pop()
        if part == "/":
            found = []
        elif part == "..":
            found = found[:-1]
        elif (here := root.joinpath(*found, part)).is_symlink():
            links += 1
            if links > _LINKS:
                raise OSError(f"too many links in {path}")
            rest += PurePosixPath(here.readlink()).parts[::-1]
        else:
            found.append(part)
    return root.joinpath(*found)
