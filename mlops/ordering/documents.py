"""Reading YAML the way Kubernetes does, within limits: text -> decoded documents; mistakes are told with their line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable
from typing import Any

import yaml

from mlops.errors import Problem
from mlops.ordering.errors import OrderingError

MAX_BYTES = 16 * 2**20
"""Most that one text may have; the whole of Kubeflow, rendered, has 11 MiB."""
MAX_VALUES = 4_000_000
"""Most values that a text may have once its aliases are written out; the whole of Kubeflow has half a million."""

_STREAM = "a stream of YAML documents, each a Kubernetes object"
_ALIAS = re.compile(r"(?:^|[\s\[{,:-])\*[\w]", re.MULTILINE)


class _KubernetesLoader(yaml.CSafeLoader):
    """PyYAML's fast safe loader without the two YAML 1.1 types that Kubernetes does not know, and without silent loss.

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


_KubernetesLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"}]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml(text: str, *, origin: str) -> list[object]:
    """Decode a stream of YAML documents.

    Args:
        text: YAML.
        origin: where the text comes from, for messages.

    Raises:
        OrderingError: it is too big, is no YAML, has a key twice, or grows out of all bounds by aliases. The line is named.
    """
    size = len(text.encode())
    if size > MAX_BYTES:
        problem = Problem(origin, f"{size / 2**20:.1f} MiB", f"at most {MAX_BYTES // 2**20} MiB", "split it into several files")
        raise OrderingError(f"{origin} is too big", [problem])
    try:
        documents = list(yaml.load_all(text, Loader=_KubernetesLoader))
    except yaml.YAMLError as error:
        raise OrderingError(f"{origin} is not readable as YAML", [_told(error, origin)]) from error
    except RecursionError as error:
        problem = Problem(origin, "values nested more than some hundred levels deep", _STREAM)
        raise OrderingError(f"{origin} is not readable as YAML", [problem]) from error
    if _ALIAS.search(text):
        _refuse_bomb(documents, origin)
    return documents


def _told(error: yaml.YAMLError, origin: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    parts = [getattr(error, name, None) for name in ("context", "problem", "note")]
    found = ", ".join(str(part) for part in parts if part) or " ".join(str(error).split())
    where = f"{origin}, line {mark.line + 1}, column {mark.column + 1}" if mark else origin
    return Problem(where, found, _STREAM)


def _refuse_bomb(documents: list[object], origin: str) -> None:
    """Count the values with aliases written out; PyYAML itself shares them, but everything after it writes them out.

    Raises:
        OrderingError: they are too many, or an alias lies within what it stands for.
    """
    sizes: dict[int, int] = {}
    open_: Counter[int] = Counter()

    def size(value: object) -> int:
        children: list[object] = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        if not children:
            return 1
        key = id(value)
        if open_[key]:
            raise OrderingError(
                f"{origin} is not readable as YAML", [Problem(origin, "an alias within the very value that it stands for", _STREAM)]
            )
        if key not in sizes:
            open_[key] += 1
            sizes[key] = 1 + sum(map(size, children))
            open_[key] -= 1
        return sizes[key]

    values = sum(map(size, documents))
    if values > MAX_VALUES:
        found = f"aliases that stand for {values:,} values"
        raise OrderingError(
            f"{origin} is too big", [Problem(origin, found, f"at most {MAX_VALUES:,} values", "write it without aliases")]
        )
