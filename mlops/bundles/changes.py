"""What differs between two renderings: objects, their fields, images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops.bundles.images import images
from mlops.ordering import KubeObject, ObjectRef

_FIELDS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Changes:
    """Differences of two sets of objects.

    Attributes:
        added: objects that are new.
        removed: objects that are gone.
        changed: fields that differ, by object; as paths such as ``spec.replicas``.
        images_added: images that are new.
        images_removed: images that are gone.
    """

    added: tuple[ObjectRef, ...]
    removed: tuple[ObjectRef, ...]
    changed: Mapping[ObjectRef, tuple[str, ...]]
    images_added: tuple[str, ...]
    images_removed: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether anything differs; a change of images is one of objects."""
        return bool(self.added or self.removed or self.changed)

    def lines(self) -> Iterator[str]:
        """For people: a sum, then a line for each object and image."""
        yield f"{len(self.added)} objects added, {len(self.removed)} removed, {len(self.changed)} changed"
        yield from (f"+ {ref}" for ref in self.added)
        yield from (f"- {ref}" for ref in self.removed)
        for ref, fields in self.changed.items():
            more = f" and {len(fields) - _FIELDS_SHOWN} more" if len(fields) > _FIELDS_SHOWN else ""
            yield f"~ {ref}: {', '.join(fields[:_FIELDS_SHOWN])}{more}"
        yield from (f"+ image {image}" for image in self.images_added)
        yield from (f"- image {image}" for image in self.images_removed)


def compare(before: Iterable[KubeObject], after: Iterable[KubeObject]) -> Changes:
    """Compare two sets of objects by identity."""
    old, new = ({item.ref: item for item in objects} for objects in (before, after))
    changed = {ref: fields for ref in sorted(old.keys() & new.keys()) if (fields := tuple(_fields(old[ref].body, new[ref].body)))}
    had, has = set(images(old.values())), set(images(new.values()))
    return Changes(
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(old.keys() - new.keys())),
        changed,
        tuple(sorted(has - had)),
        tuple(sorted(had - has)),
    )


def _fields(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Paths of the smallest parts that differ; lists of different length differ as a whole."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}, key=str):
            here = f"{path}.{key}" if path else str(key)
            if key in old and key in new:
                yield from _fields(old[key], new[key], here)
            else:
                yield here
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _fields(before, after, f"{path}[{number}]")
    elif old != new or type(old) is not type(new):
        yield path
