"""How a value out of a manifest is told in a message: its sort, and a single value itself, cut short."""

from __future__ import annotations

from collections.abc import Mapping

_LONGEST = 60


def told(value: object) -> str:
    """A decoded value in a user's words; never the inside of a mapping or list."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return f"the text {shortened(value)}"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return f"the number {value}"


def shortened(text: str) -> str:
    """A text in quotes, what cannot be printed as escapes, not long."""
    return repr(text) if len(text) <= _LONGEST else f"{text[:_LONGEST]!r}... ({len(text)} characters)"
