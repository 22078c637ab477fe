"""What came of asking the places that a host gets something from."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OriginAnswer:
    """What came of asking one place that the host gets something from.

    Attributes:
        origin: name and port.
        by_proxy: whether the proxy was asked.
        connection: what the proxy answered, or ``open``, or ``failed: ...``.
        certificate: issuer of the certificate that was shown; empty when none was seen.
        verified: verdict of OpenSSL with the host's and the site's roots, e.g. ``0 (ok)``; empty when nothing was verified.
        answer: status line and headers inside TLS.
        channels: snap channels that the store named.
    """

    origin: str
    by_proxy: bool
    connection: str
    certificate: str
    verified: str
    answer: tuple[str, ...]
    channels: tuple[str, ...]

    @property
    def status(self) -> str:
        """HTTP status of the connection, e.g. ``407``; empty when there was none."""
        found = re.match(r"HTTP/[0-9.]+ ([0-9]{3})", self.connection)
        return found[1] if found else ""


def origin_answer(line: str) -> OriginAnswer:
    """Reads one line of the probe: origin, way, connection and what was seen inside TLS, separated by tabs."""
    origin, via, connection, seen = line.split("\t", 3)
    parts = [part.strip() for part in seen.split("|") if part.strip()]
    certificate = next((part.partition("=")[2].strip() for part in parts if part.lower().startswith("issuer")), "")
    verified = next((part.partition(":")[2].strip() for part in parts if part.lower().startswith("verify return code")), "")
    names = tuple(part.removeprefix("channel=") for part in parts if part.startswith("channel="))
    answer = tuple(part for part in parts if part.lower().startswith(("http/", "content-type:", "location:")))
    return OriginAnswer(origin, via == "proxy", connection, certificate, verified, answer, names)
