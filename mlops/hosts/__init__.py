"""What runs on a host: shell scripts and how one is put together for standard input.

A step is a script of its own, sent whole on standard input of ``bash``: nothing is copied to the host, and no value of
it, secret or not, stands in a process list or a log. :func:`compose` joins the values, the libraries and the step.
"""

from mlops.hosts.compose import LAUNCHER, LIBRARIES, REMOVALS, RESET_LAUNCHER, STEPS, compose, program, script_version

__all__ = [
    "LAUNCHER",
    "LIBRARIES",
    "REMOVALS",
    "RESET_LAUNCHER",
    "STEPS",
    "compose",
    "program",
    "script_version",
]
