"""Mistakes told in the user's words: where, what was found (secrets masked), what is allowed, how to mend it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic_core import ErrorDetails

from mlops.errors import Problem
from mlops.settings.secret import MASK, Secret, set_command
from mlops.settings.section import RefusedError, Section
from mlops.settings.shape import Spot, keys_of, spot_at
from mlops.settings.stackfile import NAMESPACE, KeyPath, Sealed, SettingsError, dotted, lookup

__all__ = ["Finding", "Origin", "SettingsError", "problem_of", "show", "suggestion", "translate"]

_LONGEST = 60
# what people write, and YAML 1.1 read, for the two
_TRUTHS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where values come from, for the words of a report.

    Attributes:
        stack: the engine's stack, which is the site's name on the command line.
        file: the site file.
        from_engine: whether the engine has decrypted the values; in a file, a secret in clear text is a mistake.
        lines: path of a value -> its line in `file`.
    """

    stack: str | None = None
    file: Path | None = None
    from_engine: bool = False
    lines: Mapping[KeyPath, int] = field(default_factory=dict, repr=False)

    def line(self, path: KeyPath) -> int | None:
        """Line of the value at a path, else that of the nearest value around it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None

    def where(self, path: KeyPath) -> str:
        """The place of a value, for a person to open."""
        name = dotted(path)
        line = self.line(path)
        if self.file and (line or not self.from_engine):
            return f"{self.file}:{line or 1} {name}"
        return f"stack {self.stack} {NAMESPACE}:{name}" if self.stack else f"{NAMESPACE}:{name}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found; becomes a problem once its place in the file is looked up."""

    path: KeyPath
    found: str
    allowed: str
    mend: str = ""
    unknown_key: bool = False


def problem_of(finding: Finding, origin: Origin) -> Problem:
    """The problem of a finding."""
    return Problem(origin.where(finding.path), finding.found, finding.allowed, finding.mend)


def show(value: object) -> str:
    """A value for a report: never a secret, never the inside of a mapping or list, never long."""
    match value:
        case None:
            text = "an empty value"
        case Secret():
            text = MASK
        case Sealed():
            text = "an encrypted value (`secure:`)"
        case bool():
            text = str(value).lower()
        case Mapping():
            text = f"a mapping with the keys {', '.join(map(str, value))}" if value else "an empty mapping"
        case list() | tuple():
            text = f"a list of {len(value)}" if value else "an empty list"
        case str():
            text = _quoted(value)
        case _:
            text = str(value)
    return text


def _quoted(value: str) -> str:
    if "PRIVATE KEY" in value:
        return f"{MASK} (a private key)"
    text = re.sub(r"//[^/@\s]*@", f"//{MASK}@", value).replace("\n", " ")
    return f'"{text}"' if len(text) <= _LONGEST else f'"{text[:_LONGEST]}..." ({len(text)} characters)'


def translate(error: ErrorDetails, root: type[Section], values: Mapping[str, object], origin: Origin) -> Finding:
    """One of pydantic's errors as a finding."""
    spot = spot_at(root, values, tuple(error["loc"]))
    kind = error["type"]
    if kind == "extra_forbidden":
        return _unknown_key(spot)
    if kind == "union_tag_not_found":
        if not isinstance(lookup(values, spot.path), Mapping):
            return Finding(spot.path, _found(spot, error["input"]), spot.allowed)
        return Finding((*spot.path, "kind"), "", " or ".join(spot.kinds), "add `kind:`")
    if kind == "union_tag_invalid":
        found = lookup(values, (*spot.path, "kind"))
        return Finding((*spot.path, "kind"), show(found), " or ".join(spot.kinds), suggestion(str(found), list(spot.kinds)))
    if kind == "missing":
        description = spot.description.rstrip(".")
        allowed = f"{description} ({spot.allowed})" if spot.hint else f"{description}: {spot.allowed}"
        key = dotted(spot.path[-1:]) if len(spot.path) > 1 else f"{NAMESPACE}:{spot.path[0]}"
        found, mend = "", (spot.hint.mend if spot.hint else "") or f"add `{key}:`"
    else:
        refused = (error.get("ctx") or {}).get("error")
        own = refused if isinstance(refused, RefusedError) else RefusedError()
        allowed = own.allowed or spot.allowed
        mend = own.mend or (spot.hint.mend if spot.hint else "") or _type_advice(spot, error["input"])
        found = _found(spot, error["input"])
        if kind == "too_short":
            allowed = f"at least one item: {spot.allowed}"
    return Finding(spot.path, found, allowed, fill(mend, spot, values, origin))


def _found(spot: Spot, value: object) -> str:
    """What was found at a spot, masked where it is a secret or may be one that stands a level too high."""
    if spot.is_secret:
        return f"{MASK} (a secret in clear text)"
    if spot.holds_secrets and isinstance(value, str | int | float | bytes):
        return f"{MASK} (a single value)"
    return show(value)


def fill(mend: str, spot: Spot, values: Mapping[str, object], origin: Origin) -> str:
    """The placeholders of a `mend` text, filled in for a place."""
    beside: Any = lookup(values, spot.path[:-1])
    beside = beside if isinstance(beside, Mapping) else {}
    port = beside.get("port") or (lookup(values, ("hosts", "access", "port")) if spot.path[:2] == ("hosts", "nodes") else None)
    address = beside.get("address")
    texts = {
        "{address}": address if isinstance(address, str) and re.fullmatch(r"[\w.-]+", address) else "ADDRESS",
        "{port}": f" -p {port}" if isinstance(port, int) and port != 22 else "",
        "{secret}": set_command(dotted(spot.path), origin.stack, spot.file),
        "{password}": set_command("proxy.password", origin.stack, None),
    }
    for name, text in texts.items():
        mend = mend.replace(name, text)
    return mend


def _unknown_key(spot: Spot) -> Finding:
    # The value is not shown: it may well be a secret whose key is mistyped.
    key = str(spot.path[-1])
    known = keys_of(spot.owner) if spot.owner else []
    mend = "write the keys out: the engine knows no YAML merge" if key == "<<" else suggestion(key, known) or "take it out"
    return Finding(spot.path, f"the unknown key `{key}`", f"the keys {', '.join(known)}", mend, unknown_key=True)


def suggestion(word: str, known: list[str]) -> str:
    """The known word that is meant, as a question; empty when none is near."""
    by_letters = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in known}
    close = get_close_matches(re.sub(r"[^a-z0-9]", "", word.lower()), list(by_letters), n=1, cutoff=0.6)
    return f"did you mean `{by_letters[close[0]]}`?" if close else ""


def _without_quotes(annotation: Any, value: str) -> str:
    """The number or the truth that a text looks like, where one is wanted; else empty."""
    if annotation is bool:
        return _TRUTHS.get(value.lower(), "")
    return str(int(value)) if annotation is int and re.fullmatch("[0-9]{1,9}", value) else ""


def _type_advice(spot: Spot, value: object) -> str:
    if isinstance(value, Sealed):
        return "write it in plain text: this setting is not a secret"
    if spot.annotation is str and isinstance(value, int | float):
        # the one number with a point that people write is a channel without its risk: quotes alone would not mend it
        return "write a text of that form" if isinstance(value, float) else f"put it in quotes: '{str(value).lower()}'"
    if isinstance(value, str) and (plain := _without_quotes(spot.annotation, value)):
        return f"write it without quotes: {plain}"
    allowed = spot.allowed
    if isinstance(value, str) and allowed.startswith("one of "):
        return suggestion(value, allowed.removeprefix("one of ").split(", "))
    if isinstance(value, str) and allowed.startswith("a list"):
        return "begin each item with `- `"
    return ""
