"""Reading YAML the way Kubernetes does, within limits: text -> decoded documents; mistakes are told with their line."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import yaml

from mlops.errors import Problem
from mlops.ordering.errors import OrderingError
from mlops.ordering.words import shortened

MAX_BYTES = 16 * 2**20
"""Most that one text may have; the whole of Kubeflow, rendered, has 11 MiB."""
MAX_VALUES = 4_000_000
"""Most values that a text may have once its aliases are written out; the whole of Kubeflow has half a million."""
_DEEPEST = 200  # the deepest of Kubeflow has 48 levels

_STREAM = "a stream of YAML documents, each a Kubernetes object"
_ALIAS = re.compile(r"(?:^|[\s\[{,:-])\*[\w]", re.MULTILINE)


class _KubernetesLoader(yaml.CSafeLoader):
    """PyYAML's fast safe loader, for values that JSON has, and without silent loss.

    A date stays text (JSON has no dates), and so does a lone ``=`` (enumerations in CRDs contain it, PyYAML has no constructor).
    A key that stands twice in a mapping is an error, where PyYAML keeps the last one.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002  (PyYAML's)
        """The mapping of a node.

        Raises:
            yaml.YAMLError: a key stands twice.
        """
        written = list(node.value)  # before `<<` is resolved, which adds to it
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) < len(node.value):
            self._refuse_twice(written)
        return mapping

    @staticmethod
    def _refuse_twice(entries: list[tuple[yaml.Node, yaml.Node]]) -> None:
        seen = set()
        for key, _ in entries:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"key {key.value!r} stands twice in one mapping", problem_mark=key.start_mark
                    )
                seen.add(key.value)


def _without_base_60(pattern: re.Pattern[str]) -> re.Pattern[str]:
    """10:30 is 630 in YAML 1.1, and a text for Kubernetes."""
    return re.compile(f"(?!.*:){pattern.pattern}", pattern.flags)


_KubernetesLoader.yaml_implicit_resolvers = {
    first: [
        (tag, _without_base_60(pattern) if tag in {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"} else pattern)
        for tag, pattern in resolvers
        if tag not in {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"}
    ]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _refused(node: yaml.Node, what: str, mend: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark, note=mend)


def _no_json(_loader: _KubernetesLoader, node: yaml.Node) -> object:
    tag = node.tag.replace("tag:yaml.org,2002:", "!!")
    raise _refused(node, f"a value tagged {tag}, which JSON does not have", "write a plain value")


def _scalar(construct: Callable[[Any, Any], object]) -> Callable[[_KubernetesLoader, yaml.Node], object]:
    """PyYAML's constructor of a scalar, whose failures are told with their line."""

    def constructed(loader: _KubernetesLoader, node: yaml.Node) -> object:
        try:
            value = construct(loader, node)
        except (ValueError, KeyError):
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):
            found = f"{shortened(str(node.value))}, which JSON does not have as a value"
            raise _refused(node, found, "put it in quotes if it is a text")
        return value

    return constructed


# Without the types that YAML has and JSON has not: binary, set, omap, pairs, timestamp, and whatever else a tag names.
_KubernetesLoader.yaml_constructors = {
    tag: _scalar(construct) if tag in {f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float")} else construct
    for tag, construct in yaml.CSafeLoader.yaml_constructors.items()
    if tag in {f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "map", "null", "seq", "str")}
} | {None: _no_json}


def load_yaml(text: str, *, origin: str, allowed: str = _STREAM) -> list[object]:
    """Decode a stream of YAML documents.

    Args:
        text: YAML.
        origin: where the text comes from, for messages.
        allowed: what should stand there, for messages.

    Raises:
        OrderingError: it is too big, is no YAML, has a key twice or a value that JSON has not, or grows out of all bounds by
            aliases. The line is named.
    """
    if len(text.encode()) > MAX_BYTES:
        raise too_big(origin)
    try:
        documents = list(yaml.load_all(text, Loader=_KubernetesLoader))
    except yaml.YAMLError as error:
        raise OrderingError(f"{origin} is not readable as YAML", [_told(error, text, origin, allowed)]) from error
    except RecursionError as error:
        raise _nested(origin) from error
    if _ALIAS.search(text):
        _refuse_bomb(documents, text, origin)
    return documents


def too_big(origin: str) -> OrderingError:
    """The error about a text of more than :data:`MAX_BYTES`."""
    most = f"{MAX_BYTES // 2**20} MiB"
    problem = Problem(origin, f"more than {most}", f"at most {most}", "split it into several files")
    return OrderingError(f"{origin} is too big", [problem])


def _nested(origin: str) -> OrderingError:
    problem = Problem(origin, f"values nested more than {_DEEPEST} levels deep", f"at most {_DEEPEST} levels")
    return OrderingError(f"{origin} is not readable as YAML", [problem])


def _told(error: yaml.YAMLError, text: str, origin: str, allowed: str) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):  # its position counts bytes
        line = text.encode()[: error.position].count(b"\n") + 1
        found = f"the character {error.character:#06x}, which YAML does not allow"
        return Problem(f"{origin}, line {line}", found, "printable text", "take it out")
    mark = getattr(error, "problem_mark", None)
    parts = [getattr(error, name, None) for name in ("context", "problem")]
    found = ", ".join(str(part) for part in parts if part) or " ".join(str(error).split())
    where = f"{origin}, line {mark.line + 1}, column {mark.column + 1}" if mark else origin
    return Problem(where, found, allowed, getattr(error, "note", None) or "")


def _refuse_bomb(documents: list[object], text: str, origin: str) -> None:
    """Count the values with aliases written out; PyYAML itself shares them, but everything after it writes them out.

    Raises:
        OrderingError: they are too many or too deep, or an alias lies within what it stands for.
    """
    measured: dict[int, tuple[int, int]] = {}
    open_: set[int] = set()

    def measure(value: object) -> tuple[int, int]:
        """Number of values and of levels."""
        children: list[object] = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        if not children:
            return 1, 1
        key = id(value)
        if key in open_:
            found = "an alias within the very value that it stands for"
            where = f"{origin}, line {_line_of_circle(text)}"
            raise OrderingError(f"{origin} is not readable as YAML", [Problem(where, found, "the value written out", "end it")])
        if key not in measured:
            open_.add(key)
            sizes, depths = zip(*map(measure, children), strict=True)
            open_.discard(key)
            measured[key] = 1 + sum(sizes), 1 + max(depths)
        return measured[key]

    try:
        sizes, depths = zip(*map(measure, documents), strict=True)
    except RecursionError as error:
        raise _nested(origin) from error
    if max(depths) > _DEEPEST:
        raise _nested(origin)
    if sum(sizes) > MAX_VALUES:
        found = f"aliases that stand for {sum(sizes):,} values"
        raise OrderingError(
            f"{origin} is too big", [Problem(origin, found, f"at most {MAX_VALUES:,} values", "write it without aliases")]
        )


def _line_of_circle(text: str) -> int:
    """Line of the first value that an alias inside it stands for."""

    def circles(node: yaml.Node, around: tuple[yaml.Node, ...]) -> Iterator[int]:
        if node in around:
            yield node.start_mark.line + 1
        elif isinstance(node, yaml.CollectionNode):
            for entry in node.value:
                for child in entry if isinstance(entry, tuple) else (entry,):
                    yield from circles(child, (*around, node))

    return next(line for root in yaml.compose_all(text, Loader=_KubernetesLoader) for line in circles(root, ()))
