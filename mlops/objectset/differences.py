"""What applying an object changes in the one that a cluster has, in lines for people."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from mlops.objectset import crd_differences
from mlops.objectset.kinds import DEFINITION

_OF_SERVER = {"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"}


def differences(live: Mapping[str, Any], new: Mapping[str, Any], *, before: Mapping[str, Any] | None = None) -> list[str]:
    """What applying an object would change.

    Args:
        live: the object as the cluster has it.
        new: the object that is about to be applied.
        before: what was applied the last time, where that is known: only what it held can go.

    Returns:
        One line for each difference; none when nothing that people look at changes.
    """
    if new["kind"] == DEFINITION:
        return crd_differences.differences(live, new) or ["only descriptions, defaults or checks of values"]
    return list(_fields("", live, new, before))


def _fields(path: str, live: Any, new: Any, before: Any) -> Iterator[str]:
    if isinstance(new, Mapping) and isinstance(live, Mapping):
        for key in sorted(new.keys() | (before.keys() if isinstance(before, Mapping) else set())):
            if not path and key in _OF_SERVER | {"status"}:
                continue
            below = f"{path}.{key}" if path else str(key)
            earlier = before.get(key) if isinstance(before, Mapping) else None
            if key not in new:
                if key in live:
                    yield f"{below} is gone"
            elif key not in live:
                yield f"{below} is new: {_short(new[key])}"
            else:
                yield from _fields(below, live[key], new[key], earlier)
    elif isinstance(new, str) and isinstance(live, str) and "\n" in new + live:
        if new != live:
            yield f"{path}:"
            lines = difflib.unified_diff(live.splitlines(), new.splitlines(), n=0, lineterm="")
            yield from (f"  {line}" for line in lines if not line.startswith(("---", "+++", "@@")))
    elif new != live:
        yield f"{path}: {_short(live)} becomes {_short(new)}"


def _short(value: Any, width: int = 100) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return f"{text[:width]}..." if len(text) > width else text
