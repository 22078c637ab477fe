"""A client that reads from memory: every collection that was read once is kept up to date by a watch.

So many stand-ins may look again and again at little cost, and act at once when something changes.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from mlops.rehearsal.controllers.client import Api, Body
from mlops.rehearsal.site.api import ApiError

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# Their bodies are large, and what is in them is not looked at.
_METADATA_ONLY = frozenset({CRDS, "/api/v1/configmaps"})
_BUILT_IN = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apps",
        "discovery.k8s.io",
        "rbac.authorization.k8s.io",
        "storage.k8s.io",
    }
)
_RETRY_SECONDS = 0.1
_PLAIN = "application/json"
_PARTIAL = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"

log = logging.getLogger("mlops.rehearsal.controllers")


class Address(NamedTuple):
    """Where an object or a collection is.

    Attributes:
        collection: path of all objects of the kind, in all namespaces.
        group: API group.
        plural: plural name of the kind.
        namespace: namespace, None for all or for cluster-wide objects.
        name: name of the object, None for a collection.
    """

    collection: str
    group: str
    plural: str
    namespace: str | None
    name: str | None

    @classmethod
    def parse(cls, path: str) -> Address:
        """Take a request path apart."""
        parts = path.partition("?")[0].strip("/").split("/")
        length = 2 if parts[0] == "api" else 3
        root, rest = parts[:length], parts[length:]
        namespace = rest[1] if rest[0] == "namespaces" and len(rest) > 2 else None
        rest = rest[2:] if namespace else rest
        group = "" if length == 2 else root[1]
        return cls("/".join(["", *root, rest[0]]), group, rest[0], namespace, rest[1] if len(rest) > 1 else None)


class _GoneError(Exception):
    """The watch cannot go on from where it was."""


class Collection:
    """All objects of a kind, as far as the API server has told.

    Attributes:
        version: grows with every change.
    """

    def __init__(self, api: Api, address: Address, served: Callable[[], bool], changed: threading.Event) -> None:
        self.version = 0
        self._api, self._path, self._served, self._changed = api, address.collection, served, changed
        self._partial = address.collection in _METADATA_ONLY
        self._objects: dict[tuple[str, str], Body] = {}
        self._seen = 0  # version of the newest event
        self._lock = threading.Lock()
        self._complete = threading.Event()
        self._wake = threading.Event()
        threading.Thread(target=self._run, name=f"watch {self._path}", daemon=True).start()

    def wait_until_complete(self) -> None:
        """Wait until it is known what there is."""
        self._complete.wait()

    def items(self, namespace: str | None = None) -> list[Body]:
        """Its objects."""
        with self._lock:
            return [item for (where, _), item in self._objects.items() if namespace is None or where == namespace]

    def get(self, namespace: str | None, name: str) -> Body | None:
        """One of its objects."""
        with self._lock:
            return self._objects.get((namespace or "", name))

    def remember(self, item: Body) -> None:
        """Take in what a write of one's own gave, before the watch tells it."""
        version = _version(item)
        deleted = item["metadata"].get("deletionTimestamp") and not item["metadata"].get("finalizers")
        with self._lock:
            if version > self._seen and not deleted:
                self._objects[_key(item)] = _slim(item)
                self._tell()

    def nudge(self) -> None:
        """Look again whether the kind is served."""
        self._wake.set()

    def _tell(self) -> None:
        self.version += 1
        self._changed.set()

    def _run(self) -> None:
        while True:
            try:
                if self._served():
                    self._follow(self._list())
                else:
                    self._forget()
                    self._wake.wait()
                    self._wake.clear()
            except _GoneError:
                continue
            except ApiError as error:
                if error.code != http.HTTPStatus.NOT_FOUND:
                    log.warning("%s: %s", self._path, error)
                self._forget()
                time.sleep(_RETRY_SECONDS)
            except (OSError, http.client.HTTPException, ValueError):  # an API server that restarts
                time.sleep(_RETRY_SECONDS)

    def _forget(self) -> None:
        with self._lock:
            if self._objects:
                self._objects = {}
                self._tell()
        self._complete.set()

    def _list(self) -> str:
        """Everything there is; gives the version from which to watch."""
        with closing(self._api.connect()) as connection:
            answer = _answer(connection, self._path, _PARTIAL.format("List") if self._partial else _PLAIN)
            body = json.loads(answer.read())
        with self._lock:
            self._objects = {_key(item): _slim(item) for item in body["items"]}
            self._seen = int(body["metadata"]["resourceVersion"])
            self._tell()
        self._complete.set()
        return str(body["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        """Take in every change, until the API server ends it."""
        while True:
            with closing(self._api.connect(timeout=None)) as connection:
                path = f"{self._path}?watch=1&allowWatchBookmarks=true&resourceVersion={version}"
                answer = _answer(connection, path, _PARTIAL.format("") if self._partial else _PLAIN)
                for line in iter(answer.readline, b""):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _GoneError
                    version = event["object"]["metadata"]["resourceVersion"]
                    self._take(event["type"], event["object"])

    def _take(self, kind: str, item: Body) -> None:
        version = _version(item)
        with self._lock:
            self._seen = version
            known = None if kind == "BOOKMARK" else self._objects.get(_key(item))
            if kind == "BOOKMARK" or (known and _version(known) > version):
                return
            if kind == "DELETED":
                self._objects.pop(_key(item), None)
            else:
                self._objects[_key(item)] = _slim(item)
            self._tell()


class WatchedApi(Api):
    """Reads from collections that watches keep up to date; what it writes itself it knows at once.

    Args:
        kubeconfig: file with embedded certificates; its current context counts.
    """

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__(kubeconfig)
        self._something_changed = threading.Event()
        self._collections: dict[str, Collection] = {}
        self._making = threading.Lock()
        self._acted_upon: dict[str, dict[Collection, int]] = {}

    def get(self, path: str) -> Body | None:
        """An object; of ConfigMaps and CRDs only the metadata."""
        address = Address.parse(path)
        return self._collection(address).get(address.namespace, address.name or "")

    def items(self, path: str) -> list[Body]:
        """Objects of a collection; of ConfigMaps and CRDs only the metadata."""
        address = Address.parse(path)
        return self._collection(address).items(address.namespace)

    def wait(self, seconds: float) -> None:
        """Wait until something that was ever read changes, at most some seconds."""
        self._something_changed.wait(seconds)
        self._something_changed.clear()
        for collection in list(self._collections.values()):
            collection.nudge()

    def note_reads(self) -> None:
        """Begin to note what is read."""
        self._mine.reads = {}

    def changed(self, controller: str) -> bool:
        """Whether anything has changed that the controller read when it acted last."""
        seen = self._acted_upon.get(controller)
        return seen is None or any(collection.version != version for collection, version in seen.items())

    def acted(self, controller: str) -> None:
        """Keep what was read as what the controller acted upon."""
        self._acted_upon[controller] = self._mine.reads

    def _request(self, method: str, path: str, body: Body | None = None, *, content_type: str = _PLAIN) -> Body:
        given = super()._request(method, path, body, content_type=content_type)
        collection = self._collections.get(Address.parse(path).collection)
        if method in {"POST", "PATCH", "PUT"} and collection and "dryRun" not in path:
            collection.remember(given)
        return given

    def _collection(self, address: Address) -> Collection:
        found = self._collections.get(address.collection) or self._make(address)
        found.wait_until_complete()
        reads: dict[Collection, int] = self._mine.__dict__.setdefault("reads", {})
        reads.setdefault(found, found.version)
        return found

    def _make(self, address: Address) -> Collection:
        served = self._served(address)
        with self._making:
            known = self._collections.get(address.collection)
            made = known or Collection(self, address, served, self._something_changed)
            self._collections[address.collection] = made
            return made

    def _served(self, address: Address) -> Callable[[], bool]:
        if address.group in _BUILT_IN:
            return lambda: True
        definitions = self._collection(Address.parse(CRDS))
        return lambda: definitions.get(None, f"{address.plural}.{address.group}") is not None


def _answer(connection: http.client.HTTPSConnection, path: str, accept: str) -> http.client.HTTPResponse:
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    if answer.status == http.HTTPStatus.GONE:
        raise _GoneError
    if answer.status >= http.HTTPStatus.BAD_REQUEST:
        raise ApiError(answer.status, answer.read().decode(errors="replace"))
    return answer


def _key(item: Body) -> tuple[str, str]:
    return item["metadata"].get("namespace") or "", item["metadata"]["name"]


def _version(item: Body) -> int:
    return int(item["metadata"]["resourceVersion"])


def _slim(item: Body) -> Body:
    item["metadata"].pop("managedFields", None)
    return item
