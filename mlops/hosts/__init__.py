"""What runs on a host: shell scripts and how one is put together for standard input.

A step is a script of its own, sent whole on standard input of ``bash``: nothing is copied to the host, and no value of
it, secret or not, stands in a process list or a log. :func:`compose` joins the shared library, the values and the step.
"""

from mlops.hosts.compose import LAUNCHER, RESET_LAUNCHER, STEPS, compose
from mlops.hosts.microk8s import launch_configuration

__all__ = ["LAUNCHER", "RESET_LAUNCHER", "STEPS", "compose", "launch_configuration"]
