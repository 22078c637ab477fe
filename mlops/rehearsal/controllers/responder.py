"""The far end of every Service address: webhook backends over TLS, and the way back to the API server.

The API server dials a webhook at its Service's ClusterIP and port 443. On the throw-away site each Service address leads to
this one listener, which knows by the connection's own address which Service was meant. For a Service without a ready backend
the connection is reset, where a real cluster refuses it.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from mlops.rehearsal.controllers.reviews import Review, answer

_BUFFER = 65536
_IDLE_SECONDS = 60.0
_LARGEST_REVIEW = 16 * 1024**2


@dataclass(frozen=True)
class Backend:
    """A webhook that is able to answer.

    Attributes:
        name: what it stands in for.
        context: its TLS certificate.
        reviews: answer by path.
    """

    name: str
    context: ssl.SSLContext = field(compare=False)
    reviews: Mapping[str, Review]


class Responder(socketserver.ThreadingTCPServer):
    """The listener.

    Args:
        listen: address and port.
        api_server: where connections to the Service ``kubernetes`` go.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, listen: tuple[str, int], api_server: tuple[str, int]) -> None:
        self.api_server = api_server
        # Replaced as a whole by the thread that watches the cluster; read by the threads of connections.
        self.backends: Mapping[str, Backend] = {}
        self.relayed: frozenset[str] = frozenset()
        super().__init__(listen, _Connection)

    def run_in_background(self) -> None:
        """Serve until the process ends."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, name="responder", daemon=True).start()


class _Connection(socketserver.BaseRequestHandler):
    """One connection: relayed, answered or reset."""

    server: Responder
    request: socket.socket

    def handle(self) -> None:
        service = self.request.getsockname()[0]
        backend = self.server.backends.get(service)
        if service in self.server.relayed:
            _relay(self.request, self.server.api_server)
        elif backend is None:
            # SO_LINGER with zero seconds: close() sends a reset instead of an orderly end
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()
        else:
            self.request.settimeout(_IDLE_SECONDS)
            with contextlib.suppress(OSError), backend.context.wrap_socket(self.request, server_side=True) as stream:
                _Reviewer(stream, self.client_address, self.server, service)


class _Reviewer(BaseHTTPRequestHandler):
    """HTTP on one connection of a webhook; asks for every review whether the backend is still there."""

    protocol_version = "HTTP/1.1"
    server: Responder

    def __init__(self, stream: ssl.SSLSocket, client: Any, server: Responder, service: str) -> None:
        self._service = service
        super().__init__(stream, client, server)

    def do_POST(self) -> None:
        backend = self.server.backends.get(self._service)
        length = int(self.headers.get("Content-Length", "0"))
        if backend is None or length > _LARGEST_REVIEW:
            self.close_connection = True
            return
        body = self.rfile.read(length)
        decide = backend.reviews.get(self.path.partition("?")[0])
        if decide is None:
            self._reply(404, {"error": f"{backend.name} has no webhook at {self.path}"})
            return
        try:
            self._reply(200, answer(json.loads(body), decide))
        except (ValueError, KeyError, TypeError) as error:
            self._reply(400, {"error": f"no AdmissionReview: {error!r}"})

    def _reply(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name in the base class)
        """Nothing: the API server's audit log tells it better."""


def _relay(client: socket.socket, target: tuple[str, int]) -> None:
    with contextlib.suppress(OSError), socket.create_connection(target) as onward:
        back = threading.Thread(target=_pump, args=(onward, client), daemon=True)
        back.start()
        _pump(client, onward)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_BUFFER):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
