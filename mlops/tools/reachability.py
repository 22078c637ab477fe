"""Whether servers can be reached at all, found out in seconds even where packets vanish or names do not resolve."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

_DEADLINE = 4.0  # seconds for all servers together
_PORTS = {"https": 443, "http": 80}


@dataclass(slots=True)
class Reachability:
    """What is known of each server (the proxy, where the environment names one for it)."""

    _failures: dict[tuple[str, int], str | None] = field(default_factory=dict)

    def check(self, urls: Iterable[str]) -> None:
        """Connects to each server that is not known yet, all at once, and waits at most four seconds.

        Plain threads, as a name look-up cannot be given a time limit: one that hangs is left behind.
        """
        servers = {_server(url) for url in urls} - self._failures.keys()
        threads = [threading.Thread(target=self._connect, args=[server], daemon=True) for server in servers]
        for server in servers:
            self._failures[server] = f"no answer within {_DEADLINE:.0f} s"
        for thread in threads:
            thread.start()
        end = time.monotonic() + _DEADLINE
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def reachable(self, url: str) -> bool:
        """Whether the URL's server took a connection."""
        self.check([url])
        return self._failures[_server(url)] is None

    def reason(self, url: str) -> str:
        """Why the URL's server is out of reach; empty when it is not."""
        return self._failures.get(_server(url)) or ""

    def mark(self, url: str, reason: str) -> None:
        """Notes that the URL's server failed later on."""
        self._failures[_server(url)] = reason

    def _connect(self, server: tuple[str, int]) -> None:
        try:
            socket.create_connection(server, timeout=_DEADLINE).close()
        except OSError as error:
            self._failures[server] = error.strerror or str(error)
        else:
            self._failures[server] = None


def _server(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or _port(parts)


def _port(parts: SplitResult) -> int:
    return _PORTS.get(parts.scheme, 443)
