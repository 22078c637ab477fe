"""An API server in memory: as much of :class:`mlops.rehearsal.controllers.client.Api` as the stand-ins use."""

from __future__ import annotations

import base64
import copy
from typing import Any

from mlops.rehearsal.controllers.client import Api, Body


class MemoryApi(Api):
    """Objects by path; counts what was written."""

    def __init__(self) -> None:  # no connection
        self.objects: dict[str, Body] = {}
        self.writes: list[str] = []
        self.authority = "CA of the API server\n"

    def put(self, path: str, body: Body) -> None:
        metadata = {"name": path.rpartition("/")[2], "uid": path, "resourceVersion": "1", **body.get("metadata", {})}
        namespace = path.partition("/namespaces/")[2].partition("/")[0]
        if namespace and "/" in path.partition("/namespaces/")[2]:
            metadata.setdefault("namespace", namespace)
        self.objects[path] = {**body, "metadata": metadata}

    def get(self, path: str) -> Body | None:
        return copy.deepcopy(self.objects.get(path))

    def items(self, path: str) -> list[Body]:
        root, _, plural = path.partition("?")[0].rpartition("/")
        found = [o for p, o in sorted(self.objects.items()) if p.startswith(root) and p.split("/")[-2] == plural]
        return copy.deepcopy(found)

    def whole(self, path: str) -> Body | None:
        return self.get(path)

    def delete(self, path: str) -> None:
        self.writes.append(f"delete {path}")
        self.objects.pop(path, None)

    def create(self, path: str, body: Body) -> Body:
        where = f"{path}/{body['metadata']['name']}"
        self.writes.append(f"create {where}")
        self.put(where, _encoded(body))
        return self.objects[where]

    def merge(self, path: str, patch: Body) -> Body:
        self.writes.append(f"patch {path}")
        target = self.objects[path.removesuffix("/status")]
        _merge(target, _encoded(patch))
        return target

    def merge_by_name(self, path: str, patch: Body) -> Body:
        self.writes.append(f"patch {path}")
        target = self.objects[path]
        for key, entries in patch.items():
            for entry in entries:
                _merge(next(e for e in target[key] if e["name"] == entry["name"]), entry)
        return target


def _merge(target: Body, patch: Body) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def _encoded(body: Body) -> Body:
    body = copy.deepcopy(body)
    texts: dict[str, Any] = body.pop("stringData", {})
    if texts:
        body["data"] = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return body
