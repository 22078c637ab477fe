"""`python -m mlops.nodes ACT`: the step that a resource of the engine runs, on this machine.

ACT is one of

- ``nodes``: gives the nodes of ``HOSTS`` (:func:`mlops.nodes.state.written`) labels and taints, and writes down which there are.
- ``withdraw``: takes the node ``NODE`` out of use, when the list no longer names it.
- ``drain``, ``return``: around an update of ``NODE`` to ``CHANNEL``, when that changes its minor version.

``DEADLINE_SECONDS`` is how long all may take. Standard input is ``{"kubeconfig": YAML, "context": name or null}``.
"""

from __future__ import annotations

import json
import os
import sys
import time

from mlops.errors import UserError
from mlops.nodes import acts
from mlops.nodes.kubectl import NodeKubectl
from mlops.nodes.state import WantedHost
from mlops.objectset import KubectlError

_LONGEST_LINE = 4000
"""Of what is told: the plugin reads lines."""

_LOST_FIRST = (
    "It asks the first control plane of the last run. When that one is lost, first run pulumi up with `lost: true` there and with "
    "this host in the file; then take this host out."
)


def run(act: str, kubectl: NodeKubectl) -> list[str]:
    """Runs an act on the variables of the environment.

    Returns:
        What to tell.

    Raises:
        UserError: something is to be mended first.
        KubectlError: the cluster refused, or did not answer in time.
        KeyError: there is no such act, or a variable is missing.
    """
    variables = os.environ
    return {
        "nodes": lambda: acts.keep_nodes(kubectl, WantedHost.several_from(variables["HOSTS"])),
        "withdraw": lambda: acts.withdraw(kubectl, variables["NODE"]),
        "drain": lambda: acts.drain(kubectl, variables["NODE"], variables["CHANNEL"]),
        "return": lambda: acts.take_back(kubectl, variables["NODE"], variables["CHANNEL"]),
    }[act]()


def main() -> int:
    """Runs the act of the command line; returns the exit code."""
    (act,) = sys.argv[1:]
    access = json.load(sys.stdin)
    deadline = time.monotonic() + float(os.environ["DEADLINE_SECONDS"])
    kubectl = NodeKubectl(kubeconfig=access["kubeconfig"], context=access["context"], deadline=deadline)
    try:
        told, code = run(act, kubectl), 0
    except UserError as error:
        told, code = str(error).splitlines(), 1
    except KubectlError as error:
        told, code = [*str(error).splitlines(), *([_LOST_FIRST] if act == "withdraw" else [])], 1
    for line in told:
        print(line[:_LONGEST_LINE], file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
