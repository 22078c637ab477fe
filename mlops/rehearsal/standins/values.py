"""Stand-in plugins: property values as they travel between the engine and a provider.

The wire form is a protobuf ``Struct``; secrets, assets and archives are objects marked by a signature key, unknowns are reserved
strings. The signatures are those of the engine's property protocol (``sdk/go/common/resource/sig`` and ``plugin/rpc.go``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from google.protobuf import empty_pb2, json_format, struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
CONFIDENTIAL = "1b47061264138c4ac30d75fd1eb44270"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)

Properties = dict[str, Any]
Empty = empty_pb2.Empty


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """Wire form to a dictionary; secrets keep their wrapper, nulls are dropped as the engine treats them as absent."""
    read: Properties = json_format.MessageToDict(struct)
    return {key: value for key, value in read.items() if value is not None}


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """A dictionary to wire form."""
    struct = struct_pb2.Struct()
    json_format.ParseDict(dict(properties), struct)
    return struct


def is_secret(value: object) -> bool:
    """Whether the value itself (not something inside it) is marked secret."""
    return isinstance(value, Mapping) and value.get(SIGNATURE) == CONFIDENTIAL


def is_unknown(value: object) -> bool:
    """Whether the value itself is not known yet (in a preview)."""
    return isinstance(value, str) and value in _UNKNOWNS


def secret(value: object) -> object:
    """The value marked secret; a secret stays as it is."""
    return value if is_secret(value) else {SIGNATURE: CONFIDENTIAL, "value": value}


def walk(value: object) -> Iterator[object]:
    """The value and everything inside it."""
    yield value
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def contains(value: object, test: Callable[[object], bool]) -> bool:
    """Whether the value or anything inside it passes the test."""
    return any(test(inner) for inner in walk(value))


def reveal(value: Any) -> Any:
    """The plain value: secret wrappers removed at every depth, whole numbers as ``int``."""
    if isinstance(value, Mapping):
        if value.get(SIGNATURE) == CONFIDENTIAL:
            return reveal(value.get("value"))
        return {key: reveal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [reveal(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """What differs between two property maps.

    Returns:
        Property path in the engine's notation (``connection.port``, ``triggers[0]``) to ``add``, ``delete`` or ``update``.
        A value that became secret, or ceased to be, has changed: the engine's own comparison says so too.
    """
    found: dict[str, str] = {}
    _compare_maps("", old, new, found)
    return found


def _compare_maps(path: str, old: Mapping[str, Any], new: Mapping[str, Any], found: dict[str, str]) -> None:
    for key in sorted({*old, *new}):
        if key == "__defaults":  # the engine's bookkeeping, no property
            continue
        plain = key.replace("_", "a").replace("-", "a").isalnum()
        step = f"{path}.{key}" if path and plain else key if plain else f'{path}["{key}"]'
        _compare(step, old.get(key), new.get(key), found)


def _compare(path: str, old: Any, new: Any, found: dict[str, str]) -> None:
    if is_secret(old) and is_secret(new):
        old, new = old.get("value"), new.get("value")
    if old == new:
        return
    if old is None:
        found[path] = "add"
    elif new is None:
        found[path] = "delete"
    elif isinstance(old, Mapping) and isinstance(new, Mapping) and SIGNATURE not in old and SIGNATURE not in new:
        _compare_maps(path, old, new, found)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (side[index] if index < len(side) else None for side in (old, new))
            _compare(f"{path}[{index}]", before, after, found)
    else:
        found[path] = "update"
