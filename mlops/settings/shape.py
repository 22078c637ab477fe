"""The shape of the settings, read from the models: what belongs at a path, in the user's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from mlops.settings.secret import FromFile, Secret
from mlops.settings.section import Hint, Section
from mlops.settings.stackfile import KeyPath, lookup

# pydantic's last part of a location that means a mapping's key, not its value
_KEY = "[key]"


@dataclass(frozen=True, slots=True)
class Spot:
    """What belongs at a path.

    Attributes:
        path: path in the values, keys as the user writes them.
        annotation: its type; None for a key that does not exist.
        metadata: what the type is annotated with.
        description: the setting's description.
        owner: the section that holds it.
    """

    path: KeyPath
    annotation: Any
    metadata: tuple[object, ...] = ()
    description: str = ""
    owner: type[Section] | None = None

    @property
    def is_secret(self) -> bool:
        """Whether the value is never shown."""
        return self.annotation is Secret

    @property
    def holds_secrets(self) -> bool:
        """Whether a secret belongs somewhere below."""
        return _holds_secrets(self.annotation)

    @property
    def file(self) -> str | None:
        """For a secret of several lines: the name its file has in command lines."""
        return next((mark.name for mark in self.metadata if isinstance(mark, FromFile)), None)

    @property
    def hint(self) -> Hint | None:
        """What its type says about itself."""
        marks = (*self.metadata, getattr(self.annotation, "HINT", None))
        return next((mark for mark in marks if isinstance(mark, Hint)), None)

    @property
    def allowed(self) -> str:
        """What may stand there."""
        if self.hint:
            return self.hint.allowed
        section = _section(self.annotation, {})
        origin = get_origin(self.annotation)
        if section:
            text = f"a mapping with the keys {', '.join(keys_of(section))}"
        elif origin is Literal:
            text = "one of " + ", ".join(map(str, get_args(self.annotation)))
        elif origin is tuple:
            text = f"a list; each item: {_spot(self.path, get_args(self.annotation)[0]).allowed}"
        elif origin is Mapping:
            key, value = (_spot(self.path, each).allowed for each in get_args(self.annotation))
            text = f"a mapping; each key: {key}; each value: {value}"
        elif self.annotation is bool:
            text = "true or false"
        elif self.annotation is int:
            text = _whole_number(self.metadata)
        else:
            text = f"a mapping with `kind:` {' or '.join(self.kinds)}" if self.kinds else "text"
        return text

    @property
    def kinds(self) -> tuple[str, ...]:
        """What `kind:` may be; empty for anything but a union of sections."""
        return tuple(kind_of(member) for member in _members(self.annotation))


def spot_at(root: type[Section], values: object, location: KeyPath) -> Spot:
    """What belongs at a location as pydantic reports it, the tags of discriminated unions among its parts."""
    spot = Spot((), root)
    of_key = location[-1:] == (_KEY,)
    for part in location[:-1] if of_key else location:
        tagged = [member for member in _members(spot.annotation) if kind_of(member) == part]
        section = _section(spot.annotation, lookup(values, spot.path))
        path = (*spot.path, part)
        if tagged:
            spot = Spot(spot.path, tagged[0], spot.metadata, spot.description, spot.owner)
        elif get_origin(spot.annotation) is tuple and isinstance(part, int):
            spot = _spot(path, get_args(spot.annotation)[0], owner=spot.owner, description=spot.description)
        elif get_origin(spot.annotation) is Mapping:
            inner = get_args(spot.annotation)[0 if of_key and path == location[:-1] else 1]
            spot = _spot(path, inner, owner=spot.owner, description=spot.description)
        elif section:
            field = fields_of(section).get(str(part))
            spot = _spot(path, field.annotation, field, owner=section) if field else Spot(path, None, owner=section)
        else:
            return Spot(path, None)
    return spot


def holds_section_keys(root: type[Section], values: object, path: KeyPath) -> bool:
    """Whether the raw value at a path is a mapping whose keys are those of a section, not names that the user chooses."""
    return isinstance(lookup(values, path), dict) and get_origin(spot_at(root, values, path).annotation) is not Mapping


def secret_spots(root: type[Section], values: object, path: KeyPath = ()) -> Iterator[tuple[Spot, bool]]:
    """Places of all secrets below a section that the raw values hold, and whether each is needed there."""
    if not isinstance(values, Mapping):
        return
    for key, field in fields_of(root).items():
        spot = _spot((*path, key), field.annotation, field, owner=root)
        value = values.get(key)
        if spot.is_secret:
            yield spot, field.default_factory is not None or root.needs_secret(key, values)
        elif isinstance(value, list):
            inner = _spot(spot.path, (get_args(spot.annotation) or (None,))[0])
            for index, item in enumerate(value):
                if section := _section(inner.annotation, item):
                    yield from secret_spots(section, item, (*spot.path, index))
        elif section := _section(spot.annotation, value):
            yield from secret_spots(section, value, spot.path)


def fields_of(section: type[Section]) -> dict[str, FieldInfo]:
    """Key -> field of a section, keys as the user writes them."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def keys_of(section: type[Section]) -> list[str]:
    """Keys of a section as the user writes them."""
    return list(fields_of(section))


def kind_of(annotation: Any) -> str:
    """The `kind:` by which a section is told from its siblings; empty when it has none."""
    fields = getattr(annotation, "model_fields", {})
    return str(get_args(fields["kind"].annotation)[0]) if "kind" in fields else ""


def _members(annotation: Any) -> tuple[Any, ...]:
    """Members of a union, bare of their tags."""
    if get_origin(annotation) not in {Union, UnionType}:
        return ()
    return tuple(get_args(member)[0] if get_origin(member) is Annotated else member for member in get_args(annotation))


def _spot(path: KeyPath, annotation: Any, field: FieldInfo | None = None, *, owner: Any = None, description: str = "") -> Spot:
    """A spot with `Annotated` and `| None` taken off its type."""
    metadata: tuple[object, ...] = tuple(field.metadata) if field else ()
    while True:
        origin, args = get_origin(annotation), get_args(annotation)
        members = [member for member in args if member is not type(None)]
        if origin is Annotated:
            inner = (mark.metadata if isinstance(mark, FieldInfo) else [mark] for mark in args[1:])
            annotation, metadata = args[0], (*metadata, *chain.from_iterable(inner))
        elif origin in {Union, UnionType} and len(members) == 1:
            annotation = members[0]
        else:
            return Spot(path, annotation, metadata, (field.description if field else None) or description, owner)


def _section(annotation: Any, value: object) -> type[Section] | None:
    """The section class that `annotation` means for a value: itself, or the member of a union that the value's `kind` names."""
    kind = value.get("kind") if isinstance(value, Mapping) else None
    members = _members(annotation) or (annotation,)
    for member in members:
        if isinstance(member, type) and issubclass(member, Section) and (len(members) == 1 or kind_of(member) == kind):
            return member
    return None


def _holds_secrets(annotation: Any) -> bool:
    bare = _spot((), annotation).annotation
    if isinstance(bare, type) and issubclass(bare, Section):
        return any(_holds_secrets(field.annotation) for field in bare.model_fields.values())
    return bare is Secret or any(map(_holds_secrets, (*_members(bare), *(get_args(bare) if get_origin(bare) is tuple else ()))))


def _whole_number(metadata: tuple[object, ...]) -> str:
    low = next((mark.ge for mark in metadata if isinstance(mark, annotated_types.Ge)), None)
    high = next((mark.le for mark in metadata if isinstance(mark, annotated_types.Le)), None)
    return "a whole number" + (f", at least {low}" if low is not None else "") + (f", at most {high}" if high is not None else "")
