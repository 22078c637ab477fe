"""A step's script as a test can read it and change it."""

from __future__ import annotations

from collections.abc import Mapping

from mlops.hosts import compose, program

CALL = 'main "$@"'


def unpacked(step: str, values: Mapping[str, str], *, secrets: tuple[str, ...] = (), call: str = CALL) -> str:
    """What the head of :func:`mlops.hosts.compose` runs as root, with each part as it stands in its file.

    Args:
        step: the step.
        values: its values.
        secrets: as for compose.
        call: what stands in place of the call of ``main``.
    """
    text = compose(step, values=values, secrets=secrets)
    assert text.count(CALL) == 1
    start = text.index("\nvalues() {\n") + len("\nvalues() {\n")
    assigned = text[start : text.index("\n}\nPROGRAM=")]
    return "\n".join([assigned, program(step), call, ""])
