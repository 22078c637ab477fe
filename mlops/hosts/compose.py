"""Puts a step's script together: values, libraries and step, and the call that starts it.

Libraries and step are packed, because the engine writes the whole state at each of its checkpoints and keeps this text twice in it,
encrypted: 0.6 MB for each host when they are not. By libdeflate and not by Python's own zlib, whose bytes differ from one build of
Python to the next, so that a colleague's `up` would run every step again.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib import resources

import deflate

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

_LEVEL = 12  # the smallest; 15 ms for the largest step
_VALUE_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


LAUNCHER = "bash -s -- apply"
"""Command line that runs a composed script: short and the same for every step, because an error text repeats it."""

RESET_LAUNCHER = "bash -s -- reset"
"""As :data:`LAUNCHER`, undoing the step."""


_NO_CODE = re.compile(r"^[ \t]*(#.*)?\n", re.MULTILINE)


@cache
def _script(name: str) -> str:
    text = resources.files("mlops.hosts").joinpath("scripts", f"{name}.sh").read_text(encoding="utf-8")
    return _NO_CODE.sub("", text)


@cache
def program(step: str) -> str:
    """What a step runs, without values: its libraries and itself, without lines that only comment.

    Args:
        step: one of :data:`STEPS`.
    """
    return "".join(map(_script, ("lib", *LIBRARIES[step], step)))


@cache
def script_version(step: str) -> str:
    """What the record of a step on a host says of the scripts that made it: 12 hexadecimal digits of their digest.

    Args:
        step: one of :data:`STEPS`.
    """
    return sha256(program(step).encode()).hexdigest()[:12]


@cache
def _packed(step: str) -> str:
    """Shell lines that run the head and leave in PROGRAM what :func:`program` holds; every system has base64 and gzip."""
    head = _script("root")
    data = deflate.gzip_compress((head + program(step)).encode(), _LEVEL)
    return f"""PROGRAM=$(base64 -d <<'END' | gzip -dc
{base64.b64encode(data).decode()}
END
) || {{ echo "onprem-mlops: host $(hostname) (step {step}): base64 and gzip are needed to unpack the script" >&2; exit 1; }}
eval "${{PROGRAM:0:{len(head)}}}"
PROGRAM=${{PROGRAM:{len(head)}}}"""


def compose(step: str, *, values: Mapping[str, str], secrets: tuple[str, ...] = (), sudo_password: str = "") -> str:
    """The shell text of one step, for standard input of :data:`LAUNCHER` or :data:`RESET_LAUNCHER`.

    Args:
        step: one of :data:`STEPS`.
        values: shell variable name to its text; quoted here, so any text is safe.
        secrets: names of the values that are masked in error messages.
        sudo_password: what sudo asks the login user for; empty when it asks for nothing. The step itself does not learn it.

    Returns:
        A bash script. Its first line reads the rest at once, as bash reads a pipe byte by byte; its last one starts the head, which
        becomes root and runs the step there. A transfer cut short runs nothing.

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
    lines = _assignments({"STEP": step, "SCRIPT_VERSION": script_version(step), **values})
    of_step = ["values() {", *lines, f"SECRETS=({' '.join(secrets)})", "}"]
    call = """{ as_root 'main "$@"' "$@"; }"""
    return "\n".join(['eval "$(cat)"', *_assignments(head), *of_step, _packed(step), call, ""])


def _assignments(values: Mapping[str, str]) -> list[str]:
    return [f"{name}={shlex.quote(value)}" for name, value in values.items()]
