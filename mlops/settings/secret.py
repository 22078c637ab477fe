"""Values that are never shown: given in clear by the engine, sealed in a site file, or not set yet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic_core import core_schema

from mlops.errors import Problem, UserError
from mlops.settings.section import Hint, RefusedError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

MASK = "****"


class SecretState(StrEnum):
    """How much is known of a secret."""

    GIVEN = "given"
    SEALED = "sealed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class FromFile:
    """Marks a secret of several lines; its command line reads it from a file of this name."""

    name: str


def set_command(path: str, stack: str | None, file: str | None) -> str:
    """The command line that sets the secret at `path`, e.g. ``hosts.access.key``; its value never becomes an argument.

    Without a file the engine asks for the value; it drops the line break at the end of what it reads.
    """
    command = f"pulumi config set --secret --path 'onprem-mlops:{path}' -s {stack or 'SITE'}"
    return f"{command} < {file}" if file else command


@dataclass(frozen=True, slots=True)
class MissingSecret:
    """A secret that the site needs and does not have: its path and the command line that sets it."""

    path: str
    command: str


class Secret:
    """A secret setting: opaque in every text form, readable by :meth:`reveal` only.

    Args:
        state: how much is known of it.
        value: the clear text when given.
        path: its place in the settings, e.g. ``hosts.access.key``.
        command: the command line that sets it.
    """

    __slots__ = ("_command", "_path", "_state", "_value")

    HINT = Hint("a value encrypted by the engine (`secure:`)", "keep it out of the file: {secret}")

    def __init__(self, state: SecretState, value: str = "", *, path: str = "", command: str = "") -> None:
        self._state = state
        # The engine drops a trailing line break; OpenSSH refuses a private key without one.
        self._value = value.rstrip() + "\n" if value.lstrip().startswith("-----BEGIN ") else value
        self._path = path
        self._command = command

    @classmethod
    def missing(cls) -> Secret:
        """A secret that is not set."""
        return cls(SecretState.MISSING)

    @property
    def state(self) -> SecretState:
        """How much is known of it."""
        return self._state

    @property
    def given(self) -> bool:
        """Whether :meth:`reveal` returns a value."""
        return self._state is SecretState.GIVEN

    @property
    def path(self) -> str:
        """Its place in the settings, e.g. ``hosts.access.key``."""
        return self._path

    @property
    def command(self) -> str:
        """The command line that sets it."""
        return self._command or set_command(self._path, None, None)

    def reveal(self) -> str:
        """Return the clear text.

        Raises:
            UserError: the secret is not set, or was read from a file without the engine.
        """
        if self._state is SecretState.GIVEN:
            return self._value
        if self._state is SecretState.SEALED:
            problem = Problem(
                self._path,
                "an encrypted value",
                "the value in clear, which only the engine can read",
                "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE and read the site through the engine",
            )
        else:
            problem = Problem(self._path, "", "a secret", self.command)
        raise UserError("A secret of the site is needed and cannot be read.", [problem])

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return self._state is other._state and compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._state)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never written down")

    @staticmethod
    def _accept(value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        raise RefusedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        hidden = core_schema.plain_serializer_function_ser_schema(lambda _: MASK)
        return core_schema.no_info_plain_validator_function(cls._accept, serialization=hidden)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "object",
            "properties": {"secure": {"type": "string", "description": "Cipher text written by `pulumi config set --secret`."}},
            "required": ["secure"],
            "additionalProperties": False,
        }
