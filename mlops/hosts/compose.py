"""Puts a step's script together: libraries, values, step, and the call that starts it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib import resources

_FAMILY = ("family", "family-debian", "family-redhat", "family-suse")
_HOST = (*_FAMILY, "proxy", "trust", "snapd", "kernel", "firewall")
_CLUSTER = ("cluster",)

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "probe": ("questions", "records"),
    "prepare": _HOST,
    "microk8s": _CLUSTER,
    "describe": _CLUSTER,
    "members": (*_CLUSTER, "registered"),
    "join": _CLUSTER,
    "configure": _CLUSTER,
    "depart": (*_CLUSTER, *_HOST, "unprepare"),
    "forget": (*_CLUSTER, "registered"),
}
"""The steps there are, each ``scripts/<step>.sh``, and what they use beside ``lib.sh``. The head of a script names its values."""

STEPS = tuple(LIBRARIES)

REMOVALS = frozenset({"depart", "forget"})
"""Steps that run when their resource is deleted; all others run when it is made or changed."""

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


def script_version(step: str) -> str:
    """What the record of a step on a host says of the scripts that made it: 12 hexadecimal digits of their digest.

    Args:
        step: one of :data:`STEPS`.
    """
    return sha256("\n".join(_parts(step)).encode()).hexdigest()[:12]


def _parts(step: str) -> tuple[str, ...]:
    return (_script("lib"), *map(_script, LIBRARIES[step]), _script(step))


def compose(step: str, *, values: Mapping[str, str], secrets: tuple[str, ...] = (), sudo_password: str = "") -> str:
    """The shell text of one step, for standard input of :data:`LAUNCHER` or :data:`RESET_LAUNCHER`.

    Args:
        step: one of :data:`STEPS`.
        values: shell variable name to its text; quoted here, so any text is safe.
        secrets: names of the values that are masked in error messages.
        sudo_password: what sudo asks the login user for; empty when it asks for nothing. The step itself does not learn it.

    Returns:
        A bash script: its head becomes root, the rest is the step. It ends with the call of ``main``, so that a transfer cut
        short runs nothing.

    Raises:
        ValueError: an unknown step, a name that is no upper-case shell name, or a secret without a value.
    """
    if step not in LIBRARIES:
        message = f"unknown step {step!r}; there are {', '.join(STEPS)}"
        raise ValueError(message)
    wrong = [name for name in values if not _VALUE_NAME.fullmatch(name)]
    if wrong or set(secrets) - set(values):
        message = f"step {step}: not shell names: {wrong}; secrets without a value: {sorted(set(secrets) - set(values))}"
        raise ValueError(message)
    head = {"STEP": step, "STEP_TIMEOUT_SECONDS": str(STEP_TIMEOUT_SECONDS), "SUDO_PASSWORD": sudo_password}
    library, *libraries, own = _parts(step)
    lines = _assignments({"STEP": step, "SCRIPT_VERSION": script_version(step), **values})
    lines.append(f"SECRETS=({' '.join(secrets)})")
    # </dev/null: no program of the step may read on in the script itself
    call = '{ main "$@"; exit; } </dev/null'
    return "\n".join([*_assignments(head), _script("root"), library, *libraries, *lines, own, call, ""])


def _assignments(values: Mapping[str, str]) -> list[str]:
    return [f"{name}={shlex.quote(value)}" for name, value in values.items()]
