"""Which commit a tag is: told by the index of a folder or mirror, else by the origin's archive of the tag."""

from __future__ import annotations

import csv
import http.client
import io
import re
import tarfile
import zlib
from pathlib import Path

from mlops.bundles.download import DownloadError, open_url
from mlops.bundles.lock import Source
from mlops.bundles.places import INDEX, Address, Places
from mlops.errors import Problem, UserError

_HEAD_BYTES = 64 * 1024  # the archive's global header is its first block
_INDEX_BYTES = 16 * 1024**2
_COMMIT = re.compile(r"[0-9a-f]{40}")


class _NotTold(Exception):  # noqa: N818  (no error: the next place is asked)
    """A place does not say which commit it is; the text says why."""


def commit_of(source: Source, tag: str, places: Places) -> str:
    """Find the commit of a tag of a source's repository.

    A folder or mirror tells it in ``index.tsv`` at its root: tab-separated columns ``repository`` (owner/name), ``ref`` and
    ``commit``, with these names in the first line. The origin tells it in the archive of the tag: ``git archive`` writes the
    commit into the archive's global header, of which only the beginning is downloaded.

    Args:
        source: the source; only its repository counts.
        tag: tag, or a commit of 40 hexadecimal digits, which stands for itself.
        places: where to ask.

    Raises:
        UserError: nobody says so; names each place asked, with the reason.
    """
    if _COMMIT.fullmatch(tag):
        return tag
    owner_and_name = source.repository.partition("/")[2]
    asked = []
    for place in places.indexes():
        try:
            return _from_index(_content(place), owner_and_name, tag)
        except _NotTold as reason:
            asked.append(f"{place}: {reason}")
    for address in places.of_tag(source, tag):
        try:
            return _from_archive(_read(address, _HEAD_BYTES))
        except _NotTold as reason:
            asked.append(f"{address}: {reason}")
    mend = "give the commit in place of the tag, or name a mirror whose index.tsv has the tag in MLOPS_SOURCE_MIRRORS"
    if places.air_gap is not None:
        mend = f"give the commit in place of the tag, or enter the tag in {places.air_gap / INDEX}"
    problem = Problem(f"{source.repository} {tag}", "\n".join(asked), "a place that tells the commit of the tag", mend)
    raise UserError("it is not known which commit the tag is", [problem])


def _content(place: Path | Address) -> bytes:
    if isinstance(place, Address):
        return _read(place, _INDEX_BYTES)
    try:
        return place.read_bytes()
    except FileNotFoundError as error:
        raise _NotTold("no such file") from error
    except OSError as error:
        raise _NotTold(str(error)) from error


def _read(address: Address, limit: int) -> bytes:
    try:
        with open_url(address.url, direct=address.direct) as answer:
            return answer.read(limit)
    except (DownloadError, http.client.HTTPException, OSError) as error:
        raise _NotTold(str(error)) from error


def _from_index(content: bytes, owner_and_name: str, tag: str) -> str:
    rows = csv.DictReader(io.StringIO(content.decode("utf-8", "replace")), delimiter="\t")
    for row in rows:
        if row.get("repository") == owner_and_name and row.get("ref") == tag:
            commit = row.get("commit") or ""
            if _COMMIT.fullmatch(commit):
                return commit
            raise _NotTold(f"{commit!r} is no commit")
    raise _NotTold("does not have the tag")


def _from_archive(beginning: bytes) -> str:
    try:
        block = zlib.decompressobj(wbits=31).decompress(beginning, 8 * tarfile.BLOCKSIZE)
        with tarfile.open(fileobj=io.BytesIO(block + bytes(2 * tarfile.BLOCKSIZE)), mode="r:") as tar:
            comment = tar.pax_headers.get("comment", "")
    except (zlib.error, tarfile.TarError) as error:
        raise _NotTold(f"is no archive: {error}") from error
    if not _COMMIT.fullmatch(comment):
        raise _NotTold("its header has no commit")
    return comment
