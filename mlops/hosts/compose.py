"""Puts a step's script together: library, values, step, and the call that starts it."""

from __future__ import annotations

import re
import shlex
from functools import cache
from importlib import resources

STEPS = ("prepare", "microk8s", "describe", "join")
"""The steps there are; each is ``scripts/<step>.sh`` and its head names the values it wants."""

STEP_TIMEOUT_SECONDS = 1800
"""Longest a step may run on a host before it is ended: MicroK8s downloads about 300 MB and then becomes ready."""

_VALUE_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


LAUNCHER = "bash -s -- apply"
"""Command line that runs a composed script: short and the same for every step, because an error text repeats it."""

RESET_LAUNCHER = "bash -s -- reset"
"""As :data:`LAUNCHER`, undoing the step."""


@cache
def _script(name: str) -> str:
    return resources.files("mlops.hosts").joinpath("scripts", f"{name}.sh").read_text(encoding="utf-8")


def compose(step: str, *, values: dict[str, str], secrets: tuple[str, ...] = ()) -> str:
    """The shell text of one step, for standard input of :data:`LAUNCHER`.

    Args:
        step: one of :data:`STEPS`.
        values: shell variable name to its text; quoted here, so any text is safe.
        secrets: names of the values that are masked in error messages.

    Returns:
        A bash script: its head becomes root, the rest is the step. It ends with the call of ``main``, so that a transfer cut
        short runs nothing.

    Raises:
        ValueError: an unknown step, a name that is no upper-case shell name, or a secret without a value.
    """
    if step not in STEPS:
        message = f"unknown step {step!r}; there are {', '.join(STEPS)}"
        raise ValueError(message)
    wrong = [name for name in values if not _VALUE_NAME.fullmatch(name)]
    if wrong or set(secrets) - set(values):
        message = f"step {step}: not shell names: {wrong}; secrets without a value: {sorted(set(secrets) - set(values))}"
        raise ValueError(message)
    head = [f"STEP={step} STEP_TIMEOUT_SECONDS={STEP_TIMEOUT_SECONDS}", _script("root")]
    lines = [f"{name}={shlex.quote(value)}" for name, value in {"STEP": step, **values}.items()]
    lines.append(f"SECRETS=({' '.join(secrets)})")
    # </dev/null: no program of the step may read on in the script itself
    return "\n".join([*head, _script("lib"), *lines, _script(step), '{ main "$@"; exit; } </dev/null', ""])
