"""A minimal client of the throw-away API server, for what the site itself writes there. Never uses a proxy."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any


class ApiError(RuntimeError):
    """The API server refused. ``code`` is the HTTP status."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class ApiClient:
    """Requests with a client certificate.

    Args:
        address: address of the API server.
        port: its port.
        authority: file of the CA certificate.
        certificate: file of the client certificate.
        key: file of its key.
    """

    def __init__(self, address: str, port: int, *, authority: Path, certificate: Path, key: Path) -> None:
        self._address = address
        self._port = port
        self._context = ssl.create_default_context(cafile=str(authority))
        self._context.load_cert_chain(certificate, key)

    def request(self, method: str, path: str, body: object = None, *, content_type: str = "application/json") -> dict[str, Any]:
        """One request; returns the decoded answer, ``{}`` when it is no JSON object.

        Raises:
            ApiError: a status of 400 or above.
            OSError: no connection.
        """
        connection = http.client.HTTPSConnection(self._address, self._port, context=self._context, timeout=10)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": content_type, "Accept": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status >= http.HTTPStatus.BAD_REQUEST:
                raise ApiError(answer.status, text)
            found: object = json.loads(text) if text.startswith("{") else {}
            return found if isinstance(found, dict) else {}
        finally:
            connection.close()
