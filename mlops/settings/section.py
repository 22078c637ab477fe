"""What every settings section is made of: a frozen model with camelCase keys that knows no unknown key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, ValidatorFunctionWrapHandler, field_validator
from pydantic.alias_generators import to_camel


class RefusedError(ValueError):
    """A value that its type refuses, told in the user's words.

    Args:
        allowed: what would be right there; empty when the type's hint says it best.
        mend: what to do about it; ``{address}``, ``{port}`` and ``{secret}`` stand for the address and port of the host in question
            and the command that sets the secret in question.
    """

    def __init__(self, allowed: str = "", mend: str = "") -> None:
        self.allowed = allowed
        self.mend = mend
        super().__init__(allowed or mend or "refused")


@dataclass(frozen=True, slots=True)
class Hint:
    """What a type allows, in the user's words; placeholders in `mend` as in :class:`RefusedError`."""

    allowed: str
    mend: str = ""


class UnusableError(Exception):
    """A cross-field check has touched a value that is reported as wrong already."""


class _Unusable:
    """Stands for a wrong value while cross-field checks run on the rest, so that one report holds all problems.

    Any use of it raises :class:`UnusableError`, on which the check gives up: what it could say would only follow from the mistake
    that is reported already.
    """

    def _refuse(self, *_: object) -> NoReturn:
        raise UnusableError

    __getattr__ = __iter__ = __len__ = __contains__ = __bool__ = __getitem__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __str__ = __add__ = __hash__ = __eq__ = __ne__ = _refuse


UNUSABLE: Any = _Unusable()


def usable(value: object) -> bool:
    """Whether a value of a draft site can be used by a cross-field check."""
    return value is not UNUSABLE


class Section(BaseModel):
    """A part of the site's settings: immutable, keys in camelCase, unknown keys refused."""

    # Built on first use: most sections are only ever built as a part of the site.
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False, validate_by_alias=True, defer_build=True
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _let_unusable_pass(cls, value: object, handler: ValidatorFunctionWrapHandler) -> object:
        return value if value is UNUSABLE else handler(value)

    @classmethod
    def needs_secret(cls, _key: str, _values: Mapping[str, object]) -> bool:
        """Whether an optional secret is needed beside the section's other values; sections that have such a one say when."""
        return False


def kind_of_value(value: object) -> object:
    """What tells sections of a union apart: the `kind` of a raw value or of a section.

    A discriminator by field name would do, but pydantic refuses it beside the wrap validator above.
    """
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    return kind if kind is None or isinstance(kind, str) else str(kind)
