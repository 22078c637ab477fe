"""Text for a terminal: whatever stands in files and names, it moves no cursor and sets no colour."""

from __future__ import annotations


def printable(text: str, *, keep: str = "") -> str:
    """The text, with what cannot be printed as escapes.

    Args:
        text: any text.
        keep: characters that stay, e.g. the ends of lines.
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep or c.isprintable() else c.encode("unicode_escape").decode() for c in text)
