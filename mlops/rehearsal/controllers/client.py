"""A client of the API server with one kept-alive connection; configured by a kubeconfig, uses no proxy."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from mlops.rehearsal.site.api import ApiError

Body = dict[str, Any]
_TIMEOUT_SECONDS = 10.0
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Api:
    """Reads and writes objects; for one thread.

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
        self._connection: http.client.HTTPSConnection | None = None

    def get(self, path: str) -> Body | None:
        """An object or a list; None when there is none (or its kind is not served yet)."""
        try:
            return self._request("GET", path)
        except ApiError as error:
            if error.code == http.HTTPStatus.NOT_FOUND:
                return None
            raise

    def items(self, path: str, *, metadata_only: bool = False) -> list[Body]:
        """Objects of a collection, from the API server's cache; none when the kind is not served yet."""
        try:
            accept = _METADATA_ONLY if metadata_only else "application/json"
            items = self._request("GET", f"{path}{'&' if '?' in path else '?'}resourceVersion=0", accept=accept)["items"]
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

    def _request(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Body:
        """One request, on the kept connection.

        Raises:
            ApiError: a status of 400 or above.
            OSError: no connection.
        """
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(*self.address, context=self._context, timeout=_TIMEOUT_SECONDS)
        try:
            data = None if body is None else json.dumps(body)
            self._connection.request(method, path, data, {"Content-Type": content_type, "Accept": accept})
            answer = self._connection.getresponse()
            text = answer.read()
        except http.client.HTTPException as error:
            self._close()
            raise ConnectionError(f"{method} {path}: {type(error).__name__}") from error
        except OSError:
            self._close()
            raise
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise ApiError(answer.status, text.decode(errors="replace"))
        found = json.loads(text)
        return found if isinstance(found, dict) else {}

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _named(entries: list[Body], name: str) -> Body:
    return next(entry for entry in entries if entry["name"] == name)
