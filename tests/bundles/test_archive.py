"""Damage to an archive is told as damage, wherever it is."""

from __future__ import annotations

import contextlib
import functools
import io
import random
import tarfile
from pathlib import Path

import pytest

from mlops.bundles.archive import ArchiveError, Limits, unpack


@functools.cache
def archive() -> bytes:
    out = io.BytesIO()
    numbers = random.Random(1)  # noqa: S311  (no secret)
    content = b"\n".join(b"key: %d" % numbers.randrange(999) for _ in range(20_000))
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for number in range(4):
            entry = tarfile.TarInfo(f"top/config/{number}.yaml")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("seed", [*range(10), 209, 281, 283, 378])
def test_a_spoilt_bit_never_ends_in_a_traceback(seed: int, tmp_path: Path) -> None:
    """With the last four zlib itself complains, which tarfile hands on as it is."""
    content, numbers = bytearray(archive()), random.Random(seed)  # noqa: S311  (no secret)
    content[numbers.randrange(10, len(content))] ^= 1 << numbers.randrange(8)
    file, target = tmp_path / "a.tar.gz", tmp_path / "target"
    file.write_bytes(content)
    target.mkdir()
    # a bit of a name, a time or a sum can change without damage to what is unpacked
    with contextlib.suppress(ArchiveError):
        unpack(file, ("config",), target, Limits())
