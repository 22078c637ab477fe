"""A step's script as a test can read it and change it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlops.hosts import compose, program

CALL = '{ main "$@"; exit; } </dev/null'
_PACKED = re.compile(r"^PROGRAM=\$\(.*^unset PROGRAM$", re.MULTILINE | re.DOTALL)


def unpacked(step: str, values: Mapping[str, str], *, secrets: tuple[str, ...] = (), call: str = CALL) -> str:
    """What :func:`mlops.hosts.compose` makes, without the head that becomes root and with the program itself, not packed.

    Args:
        step: the step.
        values: its values.
        secrets: as for compose.
        call: what stands in place of the call of ``main``.
    """
    text = compose(step, values=values, secrets=secrets)
    body = text[text.index(f"\nSTEP={step}\nSCRIPT_VERSION=") :]
    body, packed = _PACKED.subn(lambda _: program(step), body)
    assert (packed, body.count(CALL)) == (1, 1)
    return body.replace(CALL, call)
