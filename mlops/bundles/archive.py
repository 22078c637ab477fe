"""Unpacking an archive that nobody vouches for yet: only plain files and links that stay inside, within limits."""

from __future__ import annotations

import errno
import gzip
import re
import shutil
import tarfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlops.bundles.threads import go_on


class ArchiveError(Exception):
    """The archive is damaged, or holds something that a source archive has no business to hold."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may hold; the defaults leave ten times what today's largest source needs.

    Attributes:
        compressed: bytes of the archive.
        unpacked: bytes of the tar stream.
        members: entries.
    """

    compressed: int = 256 * 1024**2
    unpacked: int = 1024**3
    members: int = 200_000


class _Bounded(gzip.GzipFile):
    """A compressed file that refuses to give more than so many bytes."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path, "rb")
        self._limit, self._left = limit, limit

    def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` bytes.

        Raises:
            ArchiveError: more than the limit in all.
        """
        go_on()
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveError(f"unpacks to more than {self._limit} bytes")
        return data


def unpack(archive: Path, paths: tuple[str, ...], target: Path, limits: Limits, *, without: tuple[str, ...] = ()) -> None:
    """Unpack what lies below some paths; the archive's one top folder is left out.

    Args:
        archive: tar, gzip-compressed.
        paths: folders or files to take, relative to the top folder.
        target: existing, empty folder.
        limits: how much is too much.
        without: folders or files below them to leave out.

    Raises:
        ArchiveError: damaged, too large, or with an entry that leaves the folder or is neither file, folder nor inner link.
        OSError: there is no room for it.
    """
    if archive.stat().st_size > limits.compressed:
        raise ArchiveError(f"is larger than {limits.compressed} bytes")
    links: list[tuple[PurePosixPath, str]] = []
    try:
        with _Bounded(archive, limits.unpacked) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            for member, name in _members(tar, limits.members):
                if member.isdir() or not _below(name, paths) or _below(name, without):
                    continue
                if re.search("[\ud800-\udfff]", member.name):  # tarfile's stand-ins for bytes that are not UTF-8
                    raise ArchiveError(f"holds {member.name!r}, a name that is not UTF-8")
                if member.issym():
                    links.append((name, member.linkname))
                elif member.isreg():
                    _write(tar, member, target / name)
                else:
                    raise ArchiveError(f"holds {member.name!r}, which is neither file, folder nor symbolic link")
        names = {name for name, _ in links}
        for name, to in links:  # last, so that no file is ever written through a link
            _link(target, name, to, names)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        if no_room(error):
            raise
        raise ArchiveError(f"is damaged or cannot be unpacked: {error}") from error


def no_room(error: BaseException) -> bool:
    """Whether an error says that the disk, or what a user may have of it, is full."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _below(name: PurePosixPath, paths: tuple[str, ...]) -> bool:
    return any(name == PurePosixPath(path) or PurePosixPath(path) in name.parents for path in paths)


def _members(tar: tarfile.TarFile, limit: int) -> Iterator[tuple[tarfile.TarInfo, PurePosixPath]]:
    """Entries with their names below the top folder."""
    for count, member in enumerate(tar, 1):
        if count > limit:
            raise ArchiveError(f"holds more than {limit} entries")
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or "\\" in member.name or "\n" in member.name:
            raise ArchiveError(f"holds {member.name!r}, a name that leads out of the archive")
        if len(name.parts) > 1:
            yield member, PurePosixPath(*name.parts[1:])


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = tar.extractfile(member)
    if content is None:
        raise ArchiveError(f"holds {member.name!r} without content")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        shutil.copyfileobj(content, file)


def _link(target: Path, name: PurePosixPath, to: str, links: Collection[PurePosixPath]) -> None:
    """Make a symbolic link, if each step of its way is a place inside the folder, and none of them another link.

    A way by links cannot be judged from its text: after ``a/..`` one is in the folder that ``a`` leads to.
    """
    way, at = PurePosixPath(to), name.parent
    inside = not way.is_absolute() and not any(folder in links for folder in name.parents)
    for step in way.parts:
        inside = inside and at not in links and (step != ".." or bool(at.parts))
        at = at.parent if step == ".." else at / step
    if not inside:
        where = "which leads out of the archive, or through another link (`without` of the lock leaves paths out)"
        raise ArchiveError(f"holds the link {str(name)!r} -> {to!r}, {where}")
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.exists():
        raise ArchiveError(f"holds {str(name)!r} twice")
    path.symlink_to(to)
