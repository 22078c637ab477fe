"""Container images: those of pods, and those that configuration names for pods that start later."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlops.ordering import KubeObject

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
# Registry with a dot in its name, path, and a tag or digest: strict, as it is looked for in any text.
_IN_TEXT = re.compile(
    r"(?<![\w./@-])(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?/[a-z0-9][a-z0-9._/-]*(?::[A-Za-z0-9_][\w.-]{0,127}(?:@sha256:[0-9a-f]{64})?"
    r"|@sha256:[0-9a-f]{64})"
)


def images(objects: Iterable[KubeObject]) -> tuple[str, ...]:
    """Images of all containers in objects, sorted: of pod templates wherever they stand, of custom resources too.

    Knative's Image objects, which name images to be pulled ahead, count as well.
    """
    found: set[str] = set()
    for item in objects:
        found |= set(_of_containers(item.body))
        if item.kind == "Image" and isinstance(item.spec.get("image"), str):
            found.add(item.spec["image"])
    return tuple(sorted(found))


def images_in_texts(objects: Iterable[KubeObject]) -> tuple[str, ...]:
    """Images that ConfigMaps, arguments and environment variables name, sorted, as far as they can be told from other texts.

    These are started later, by controllers. An image without a registry's name in front is not recognised.
    """
    found: set[str] = set()
    for item in objects:
        texts = [*_texts(item.body.get("data"))] if item.kind == "ConfigMap" else [*_of_processes(item.body)]
        for text in texts:
            found |= set(_IN_TEXT.findall(text))
    return tuple(sorted(found))


def _of_containers(value: Any) -> Iterator[str]:
    for container in _containers(value):
        if isinstance(container.get("image"), str):
            yield container["image"]


def _of_processes(value: Any) -> Iterator[str]:
    for container in _containers(value):
        for part in ("command", "args", "env"):
            yield from _texts(container.get(part))


def _containers(value: Any) -> Iterator[Mapping[str, Any]]:
    """Containers anywhere inside a value. A schema in a CRD has neither lists nor images under these names."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in _CONTAINERS and isinstance(inner, list):
                yield from (container for container in inner if isinstance(container, Mapping))
            if key == "container" and isinstance(inner, Mapping):  # KServe's ClusterStorageContainer has one
                yield inner
            yield from _containers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _containers(inner)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
