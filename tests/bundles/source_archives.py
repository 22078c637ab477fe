"""A small source and its archive, good or bad, for the tests of this folder."""

from __future__ import annotations

import gzip
import io
import socket
import tarfile
from pathlib import Path

from mlops.bundles import Places, Source
from mlops.bundles.dirhash import dirhash

FILES = {"base/kustomization.yaml": b"resources: [a.yaml]\n", "base/a.yaml": b"kind: A\n", "docs/readme": b"not used\n"}


def info(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, to: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, to
    return member


def archive(path: Path, files: dict[str, bytes] = FILES, extra: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            tar.addfile(info(f"repo-123/{name}", size=len(content)), io.BytesIO(content))
        for member in extra:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return path


def make_source(folder: Path, files: dict[str, bytes] = FILES) -> Source:
    """A source whose digest is that of the files below ``base``, which are also written to the folder."""
    for name, content in files.items():
        if name.startswith("base/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    digest = dirhash(folder)
    return Source(
        name="thing", repository="github.com/owner/thing", tag="v1", commit="a" * 40, paths=("base",), dirhash=digest, licence="MIT"
    )


def closed_port() -> int:
    """A port on 127.0.0.1 where nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def make_places(**values: object) -> Places:
    """Places whose origin refuses, unless another one is given: no test may reach a real one."""
    return Places(**{"origin": f"http://127.0.0.1:{closed_port()}", **values})  # type: ignore[arg-type]  # keywords of Places
