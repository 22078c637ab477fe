"""Stands in for the organisation's name server: knows the site's proxy and nothing outside, and says so at once.

Without an answer a host waits five seconds for most of its questions: the kernel limits how often it tells that nobody listens.
"""

from __future__ import annotations

import ipaddress
import socketserver
import struct
import threading
from collections.abc import Iterable, Mapping
from typing import Any

PORT = 53
_A, _IN = 1, 1
_ANSWER, _NO_SUCH_NAME = 0x8580, 0x8583  # authoritative, recursion available; the latter with response code 3
_TTL = 60


class Resolver:
    """A name server.

    Args:
        names: name -> IPv4 address.
        addresses: at which it listens; the router's in each subnet.
    """

    def __init__(self, names: Mapping[str, str], addresses: Iterable[str]) -> None:
        self._names = dict(names)
        self._addresses = tuple(addresses)
        self._servers: list[socketserver.BaseServer] = []

    def start(self) -> None:
        """Listens."""
        resolver = self

        class Question(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, socket = self.request
                if answer := resolver.answer(data):
                    socket.sendto(answer, self.client_address)

        for address in self._addresses:
            server = _Server((address, PORT), Question)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
            self._servers.append(server)

    def stop(self) -> None:
        """Stops listening."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def answer(self, query: bytes) -> bytes:
        """The answer to one DNS message (RFC 1035 section 4); empty for what is none."""
        try:
            labels, at = [], 12
            while length := query[at]:
                labels.append(query[at + 1 : at + 1 + length].decode())
                at += 1 + length
            question = query[12 : at + 5]
            kind, _ = struct.unpack(">HH", query[at + 1 : at + 5])
        except (IndexError, struct.error, UnicodeDecodeError):
            return b""
        address = self._names.get(".".join(labels).lower())
        records = b""
        if address and kind == _A:
            # 0xC00C: the name as in the question
            records = struct.pack(">HHHIH", 0xC00C, _A, _IN, _TTL, 4) + ipaddress.IPv4Address(address).packed
        flags = _ANSWER if address else _NO_SUCH_NAME
        return query[:2] + struct.pack(">HHHHH", flags, 1, 1 if records else 0, 0, 0) + question + records


class _Server(socketserver.ThreadingUDPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: Any) -> None:
        """A host that has gone meanwhile is nothing to print."""
