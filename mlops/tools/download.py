"""Way two: the official release, checked against a sum pinned here or published with the release.

The request goes through the proxy of the environment (``HTTPS_PROXY``, ``NO_PROXY``) and trusts the machine's certificates
(``SSL_CERT_FILE``, ``SSL_CERT_DIR``, else the system's), both by the standard library's own rules. Where `pins.yaml` has no
sum for a platform, the file of sums that the release publishes is read over https: that holds off a broken transfer, and trusts
the publisher's server.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, cast
from urllib.parse import urlsplit

from mlops.tools.pins import Pin, Platform
from mlops.tools.reachability import Reachability

_TIMEOUT = 5.0  # seconds without an answer or a byte
_CHUNK = 1 << 20
_SUMS_LIMIT = 1 << 20


class DownloadError(Exception):
    """The release could not be had; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Downloads:
    """Fetches releases; remembers which servers cannot be reached, so that each is tried once.

    Attributes:
        platform: whose programs are wanted.
        reachability: what is known of the servers.
    """

    platform: Platform
    reachability: Reachability = field(default_factory=Reachability)

    def prepare(self, pins: list[Pin]) -> None:
        """Finds out which of the pins' servers can be reached, all at the same time."""
        self.reachability.check([pin.filled(pin.download.url, self.platform) for pin in pins])

    def fetch(self, pin: Pin, into: Path, progress: Callable[[str], None]) -> None:
        """Lays the checked program and its companions into a folder.

        Raises:
            DownloadError: server out of reach, no sum known, wrong sum, or an archive without the program.
        """
        url = pin.filled(pin.download.url, self.platform)
        expected = self._expected(pin, url)
        answer = into / ".download"
        actual = self._save(url, answer, progress)
        if actual != expected:
            raise DownloadError(f"{url} has the wrong checksum: sha256 {actual}, expected {expected}")
        if pin.download.member is None:
            answer.rename(into / pin.name)
        else:
            _unpack(answer, [pin.filled(name, self.platform) for name in (pin.download.member, *pin.download.companions)], into)
            answer.unlink()
        for program in into.iterdir():
            program.chmod(0o755)

    def _expected(self, pin: Pin, url: str) -> str:
        pinned = pin.download.sha256.get(str(self.platform))
        if pinned:
            return pinned
        if pin.download.checksums is None:
            raise DownloadError(f"no checksum is pinned for {self.platform}")
        sums = pin.filled(pin.download.checksums, self.platform)
        with self._open(sums) as response:
            text = response.read(_SUMS_LIMIT).decode("utf-8", "replace")
        return _listed(text, PurePosixPath(urlsplit(url).path).name, sums)

    def _save(self, url: str, file: Path, progress: Callable[[str], None]) -> str:
        digest, size = hashlib.sha256(), 0
        with self._open(url) as response, file.open("wb") as out:
            length = int(response.headers.get("Content-Length") or 0)
            try:
                while chunk := response.read(_CHUNK):
                    out.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                    progress(f"{size >> 20} of {length >> 20} MiB" if length else f"{size >> 20} MiB")
            except (OSError, http.client.HTTPException) as error:
                raise DownloadError(f"{url} broke off after {size} bytes: {error}") from error
        if size < length:
            raise DownloadError(f"{url} broke off after {size} of {length} bytes")
        return digest.hexdigest()

    def _open(self, url: str) -> http.client.HTTPResponse:
        host = urlsplit(url).netloc
        if not self.reachability.reachable(url):
            raise DownloadError(f"{host} cannot be reached: {self.reachability.reason(url)}")
        try:
            response = cast("http.client.HTTPResponse", _opener(urlsplit(url).scheme).open(url, timeout=_TIMEOUT))
        except urllib.error.HTTPError as error:
            raise DownloadError(f"{url} answers {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", "") or error)
            self.reachability.mark(url, reason)
            raise DownloadError(f"{host} cannot be reached: {reason}") from error
        return response


def _opener(scheme: str) -> urllib.request.OpenerDirector:
    """An opener of one scheme only, so that no redirect leads from https to anything else."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler() if scheme == "http" else urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _listed(text: str, name: str, source: str) -> str:
    """The sum of a file: a line ``<sum>  <name>``, or a text that is nothing but the sum."""
    for line in text.splitlines():
        words = line.split()
        if (
            words
            and re.fullmatch(r"[0-9a-fA-F]{64}", words[0])
            and (len(words) == 1 or words[-1].lstrip("*").split("/")[-1] == name)
        ):
            return words[0].lower()
    raise DownloadError(f"{source} lists no sha256 of {name}")


def _unpack(archive: Path, members: list[str], into: Path) -> None:
    """Takes single files out of an archive; the names inside never become paths here."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for name in members:
                member = tar.getmember(name)
                if not member.isreg():
                    raise DownloadError(f"{name} in the archive is not a plain file")
                with cast("IO[bytes]", tar.extractfile(member)) as source, (into / PurePosixPath(name).name).open("wb") as out:
                    while chunk := source.read(_CHUNK):
                        out.write(chunk)
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise DownloadError(f"the archive cannot be used: {error}") from error
