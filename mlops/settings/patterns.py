"""What types of text share: their pattern in the JSON Schema, and a check of nothing but the pattern."""

from __future__ import annotations

import re

from pydantic import AfterValidator, WithJsonSchema

from mlops.settings.section import RefusedError

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
"""One label of a DNS name (RFC 1123)."""
IPV4 = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"
"""What looks like an IPv4 address, in range or not."""


def text_schema(pattern: str, example: str) -> WithJsonSchema:
    """Schema of a text that matches a pattern as a whole."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": [example]})


def matching(pattern: str) -> AfterValidator:
    """A check that refuses, in the words of the type's hint, a text that does not match as a whole."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise RefusedError
        return value

    return AfterValidator(check)
