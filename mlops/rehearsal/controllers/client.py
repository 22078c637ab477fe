"""A client of the API server with one kept-alive connection; configured by a kubeconfig, uses no proxy."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import yaml

from mlops.rehearsal.site.api import ApiError

Body = dict[str, Any]
_Item = TypeVar("_Item")
_TIMEOUT_SECONDS = 60.0
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"


class Api:
    """Reads and writes objects; each thread has a connection of its own.

    Args:
        kubeconfig: file with embedded certificates; its current context counts.
    """

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        self.authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        server = urlsplit(cluster["server"])
        self.address = (str(server.hostname), server.port or 443)
        self._context = ssl.create_default_context(cadata=self.authority)
        with tempfile.NamedTemporaryFile() as pair:  # the ssl module takes certificates from files only; mode 0600
            pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
            pair.flush()
            self._context.load_cert_chain(pair.name)
        self._mine = threading.local()

    def get(self, path: str) -> Body | None:
        """An object or a list; None when there is none (or its kind is not served yet)."""
        try:
            return self._request("GET", path)
        except ApiError as error:
            if error.code == http.HTTPStatus.NOT_FOUND:
                return None
            raise

    def items(self, path: str) -> list[Body]:
        """Objects of a collection, from the API server's cache; none when the kind is not served yet."""
        try:
            items = self._request("GET", f"{path}{'&' if '?' in path else '?'}resourceVersion=0")["items"]
        except ApiError as error:
            if error.code == http.HTTPStatus.NOT_FOUND:
                return []
            raise
        return list(items)

    def create(self, path: str, body: Body) -> Body:
        """Create an object in a collection."""
        return self._request("POST", path, body)

    def merge(self, path: str, patch: Body) -> Body:
        """Patch an object; lists are replaced as a whole."""
        return self._request("PATCH", path, patch, content_type=_MERGE)

    def merge_by_name(self, path: str, patch: Body) -> Body:
        """Patch an object of a built-in kind; entries of lists with names are merged."""
        return self._request("PATCH", path, patch, content_type=_STRATEGIC)

    def whole(self, path: str) -> Body | None:
        """An object as the API server has it now; :meth:`get` may know less of it."""
        return Api.get(self, path)

    def delete(self, path: str) -> None:
        """Delete an object; one that is gone is no error."""
        try:
            self._request("DELETE", path)
        except ApiError as error:
            if error.code != http.HTTPStatus.NOT_FOUND:
                raise

    def note_reads(self) -> None:
        """Begin to note what is read, for :meth:`changed`."""

    def changed(self, controller: str) -> bool:
        """Whether anything has changed that the controller read when it acted last; always, when nothing is noted."""
        del controller
        return True

    def acted(self, controller: str) -> None:
        """Keep what was read since :meth:`note_reads` as what the controller acted upon."""

    def connect(self, timeout: float | None = _TIMEOUT_SECONDS) -> http.client.HTTPSConnection:
        """A connection of its own to the API server."""
        return http.client.HTTPSConnection(*self.address, context=self._context, timeout=timeout)

    def _request(self, method: str, path: str, body: Body | None = None, *, content_type: str = "application/json") -> Body:
        """One request, on the kept connection.

        Raises:
            ApiError: a status of 400 or above.
            OSError: no connection.
        """
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        kept: http.client.HTTPSConnection | None = getattr(self._mine, "connection", None)
        connection, self._mine.connection = kept or self.connect(), None
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            if kept is not None and isinstance(error, ConnectionError):  # it was closed while nobody used it
                return self._request(method, path, body, content_type=content_type)
            if isinstance(error, OSError):
                raise
            raise ConnectionError(f"{method} {path}: {type(error).__name__}") from error
        self._mine.connection = connection
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise ApiError(answer.status, text.decode(errors="replace"))
        found = json.loads(text)
        return found if isinstance(found, dict) else {}


def each(items: Iterable[_Item], act: Callable[[_Item], None]) -> None:
    """Act upon every item, also when it fails for some.

    Raises:
        ApiError: the first that was met.
    """
    failures: list[ApiError] = []
    for item in items:
        try:
            act(item)
        except ApiError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _named(entries: list[Body], name: str) -> Body:
    return next(entry for entry in entries if entry["name"] == name)
