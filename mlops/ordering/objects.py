"""Kubernetes objects as values: identity, checks of form, expansion of lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops.errors import Problem
from mlops.ordering.documents import load_yaml
from mlops.ordering.errors import OrderingError
from mlops.ordering.words import told


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """Identity of an object in a cluster. The version is no part of it: every served version shows the same object.

    Attributes:
        group: API group, empty for the core group.
        kind: kind in its own spelling, e.g. ``Deployment``.
        namespace: namespace, empty for an object without one.
        name: name of the object.
    """

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        kind = f"{self.kind}.{self.group}" if self.group else self.kind
        return f"{kind} {self.namespace}/{self.name}" if self.namespace else f"{kind} {self.name}"


@dataclass(frozen=True, slots=True)
class KubeObject:
    """One object as it will be written to the API server.

    Attributes:
        api_version: e.g. ``apps/v1``.
        kind: e.g. ``Deployment``.
        name: ``metadata.name``.
        namespace: ``metadata.namespace`` or None.
        body: the whole object; treated as read-only.
        origin: where it comes from, for messages.
    """

    api_version: str
    kind: str
    name: str
    namespace: str | None
    body: Mapping[str, Any] = field(compare=False, repr=False)
    origin: str = field(default="", compare=False)

    @property
    def group(self) -> str:
        """API group, empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def ref(self) -> ObjectRef:
        """Identity of the object."""
        return ObjectRef(self.group, self.kind, self.namespace or "", self.name)

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the object itself."""
        return self.body["metadata"].get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """Annotations of the object itself."""
        return self.body["metadata"].get("annotations") or {}

    @property
    def spec(self) -> Mapping[str, Any]:
        """``spec``, empty when there is none, or no mapping: a custom resource may have anything there."""
        spec = self.body.get("spec")
        return spec if isinstance(spec, Mapping) else {}


def parse_documents(text: str, *, origin: str) -> tuple[KubeObject, ...]:
    """Parse a stream of YAML documents into objects; lists are expanded, empty documents skipped.

    Args:
        text: YAML.
        origin: where the text comes from, for messages.

    Raises:
        OrderingError: the text is no YAML, or a document is no object; all of these at once.
    """
    return from_bodies(load_yaml(text, origin=origin), origin=origin)


def from_bodies(bodies: Iterable[object], *, origin: str) -> tuple[KubeObject, ...]:
    """Turn decoded documents into objects.

    Args:
        bodies: decoded YAML or JSON documents; ``None`` (an empty document) is skipped, ``kind: …List`` is expanded.
        origin: where they come from, for messages.

    Raises:
        OrderingError: each malformed document. Whether an object stands there twice is known once all are in their places
            (:func:`mlops.ordering.build_graph`).
    """
    objects: list[KubeObject] = []
    problems: list[Problem] = []
    for where, body in _expanded(bodies, origin, problems):
        try:
            objects.append(from_body(body, origin=where))
        except OrderingError as error:
            problems.extend(error.problems)
    if problems:
        raise OrderingError(f"{origin} holds objects that cannot be used", problems)
    return tuple(objects)


def _expanded(bodies: Iterable[object], origin: str, problems: list[Problem]) -> Iterator[tuple[str, object]]:
    """Each document with where it stands, the items of lists in their place. A List in a List is no form of the API."""
    for number, body in enumerate(bodies, 1):
        where = f"{origin}, document {number}"
        items = _items(body)
        if items is None:
            if body is not None:
                yield where, body
            continue
        for place, item in enumerate(items, 1):
            if _items(item) is None:
                yield f"{where}, item {place}", item
            else:
                found = "a List inside a List"
                problems.append(Problem(f"{where}, item {place}", found, "objects as items of a List", "take the inner List apart"))


def _items(body: object) -> list[object] | None:
    """Items of ``kind: …List``; an object with a name is no list, whatever its kind."""
    if not isinstance(body, Mapping) or not str(body.get("kind", "")).endswith("List"):
        return None
    items, metadata = body.get("items"), body.get("metadata")
    named = isinstance(metadata, Mapping) and metadata.get("name")
    return items if isinstance(items, list) and not named else None


def from_body(body: object, *, origin: str = "") -> KubeObject:
    """Turn one decoded object into a :class:`KubeObject`.

    Raises:
        OrderingError: apiVersion, kind or metadata.name is missing or no text, or labels are no mapping.
    """
    if not isinstance(body, Mapping):
        problem = Problem(origin, told(body), "an object: a mapping with apiVersion, kind and metadata.name")
        raise OrderingError("not a Kubernetes object", [problem])
    metadata = {} if body.get("metadata") is None else body["metadata"]
    problems = list(_malformed(body, metadata, origin))
    if problems:
        raise OrderingError("not a Kubernetes object", problems)
    return KubeObject(body["apiVersion"], body["kind"], metadata["name"], metadata.get("namespace") or None, body, origin)


def _malformed(body: Mapping[str, Any], metadata: object, origin: str) -> Iterator[Problem]:
    """What is wrong with the fields that every object has."""
    of = " ".join(str(body[key]) for key in ("apiVersion", "kind") if isinstance(body.get(key), str))
    where = f"{origin}, {of}" if of else origin
    named = metadata if isinstance(metadata, Mapping) else {}
    fields = {"apiVersion": body.get("apiVersion"), "kind": body.get("kind"), "metadata.name": named.get("name")}
    missing = [path for path, value in fields.items() if value in (None, "")]
    if missing:
        required = "an object with apiVersion, kind and metadata.name"
        yield Problem(where, " and ".join(f"no {path}" for path in missing), required, f"add {' and '.join(missing)}")
    if named is not metadata:
        yield Problem(f"{where}, metadata", told(metadata), "a mapping")
    for path, value in {**fields, "metadata.namespace": named.get("namespace")}.items():
        if value in (None, ""):
            continue
        if not isinstance(value, str):
            mend = f"put it in quotes: '{str(value).lower()}'" if isinstance(value, int | float) else ""
            yield Problem(f"{where}, {path}", told(value), "a text", mend)
        elif not value.isprintable():
            yield Problem(f"{where}, {path}", told(value), "printable characters", "take the others out")
    for key in ("labels", "annotations"):
        if not isinstance(named.get(key), Mapping | None):
            yield Problem(f"{where} {named.get('name')}, metadata.{key}", told(named[key]), "a mapping of texts")


def duplicates(objects: Iterable[KubeObject]) -> list[Problem]:
    """One problem for each object that stands in the set more than once, naming both origins."""
    seen: dict[ObjectRef, KubeObject] = {}
    problems = []
    for item in objects:
        first = seen.setdefault(item.ref, item)
        if first is not item:
            found = f"twice: in {first.origin or 'one place'} and in {item.origin or 'another'}"
            problems.append(Problem(str(item.ref), found, "each object once", "remove one of the two"))
    return problems
