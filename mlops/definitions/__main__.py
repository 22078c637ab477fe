"""`python -m mlops.definitions ACT`: the step that a resource of the engine runs, on this machine.

ACT is one of

- ``apply``, ``apply-and-prune``, ``delete``: a group of CRDs. Each variable whose name is that of a CRD holds its summary;
  ``DEFINITIONS`` names the group.
- ``empty``: deletes all objects of the kinds that ``KINDS`` names.
- ``note``: deletes the objects that an earlier run has noted and ``OBJECTS`` no longer names; ``withdraw``: deletes all it names.

``DEADLINE_SECONDS`` is how long all may take. Standard input is ``{"kubeconfig": YAML, "context": name or null}``.

A group finds its own CRDs in the cluster by a label. So a CRD that has gone over to another group, or whose group has another name
now, is never taken for one that nobody wants any more.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from mlops.definitions.emptying import NotEmptyError, empty
from mlops.definitions.kubectl import Kubectl, KubectlError
from mlops.definitions.store import Store, summaries_in
from mlops.errors import Problem, UserError

LABEL = "onprem-mlops/definitions"
# Handed to an update by the engine's plugin: what the last run has printed.
_EARLIER = "PULUMI_COMMAND_STDOUT"


def label_of(group: str) -> str:
    """The label of a group's CRDs; names of resources hold characters that labels may not."""
    return f"{LABEL}={hashlib.sha256(group.encode()).hexdigest()[:16]}"


def apply(kubectl: Kubectl, store: Store, group: str, wanted: Mapping[str, str], *, prune: bool, again: bool) -> list[str]:
    """Applies a group.

    Args:
        kubectl: access.
        store: where the bodies are.
        group: its name.
        wanted: name to summary.
        prune: delete what the group no longer wants, with all objects of these kinds.
        again: the group was applied before.

    Returns:
        What to tell the user.

    Raises:
        UserError: a body is missing.
        KubectlError: see :meth:`Kubectl.apply` and :meth:`Kubectl.delete`.
    """
    label = label_of(group)
    bodies = {name: store.take(line) for name, line in wanted.items()}
    lost = [Problem(name, f"not in {store.folder}", wanted[name]) for name, body in bodies.items() if body is None]
    if lost:
        raise UserError("CustomResourceDefinitions are missing in the cache; the program lays them there, so run it again", lost)
    kubectl.apply([_labelled(body, label) for body in bodies.values() if body is not None])
    unwanted = [name for name in kubectl.labelled(label) if name not in wanted] if again else []
    if prune:
        kubectl.delete(unwanted)
        return [f"{name}: deleted, {group} holds it no longer" for name in unwanted]
    return [
        f"{name}: {group} holds it no longer; it stays with all its objects (kubectl delete crd {name} removes them)"
        for name in unwanted
    ]


def delete(kubectl: Kubectl, group: str) -> None:
    """Deletes a group's CRDs, as far as no other group holds them now."""
    kubectl.delete(kubectl.labelled(label_of(group)))


def _labelled(body: Mapping[str, Any], label: str) -> dict[str, Any]:
    key, _, value = label.partition("=")
    metadata = {**body["metadata"], "labels": {**(body["metadata"].get("labels") or {}), key: value}}
    return {**body, "metadata": metadata}


def main() -> int:
    """Runs the act; returns the exit code."""
    (act,) = sys.argv[1:]
    access = json.load(sys.stdin)
    kubectl = Kubectl(
        kubeconfig=access["kubeconfig"],
        context=access["context"],
        deadline=time.monotonic() + float(os.environ["DEADLINE_SECONDS"]),
    )
    try:
        if act == "empty":
            for kind in empty(kubectl, os.environ["KINDS"].split()):
                print(f"{kind}: all objects deleted", file=sys.stderr)
            return 0
        if act in {"note", "withdraw"}:
            objects = os.environ["OBJECTS"].split()
            noted = os.environ.get(_EARLIER, "").split()
            kubectl.remove(objects if act == "withdraw" else [name for name in noted if name not in objects])
            # kept in the state, for the next run
            print("\n".join(objects))
            return 0
        group = os.environ["DEFINITIONS"]
        if act == "delete":
            delete(kubectl, group)
            return 0
        wanted = summaries_in(os.environ)
        told = apply(kubectl, Store.default(), group, wanted, prune=act == "apply-and-prune", again=_EARLIER in os.environ)
    except (KubectlError, NotEmptyError, UserError) as error:
        print(error, file=sys.stderr)
        return 1
    for line in told:
        print(line, file=sys.stderr)
    # kept in the state; that it is there tells the next run that this one was not the first
    print("\n".join(wanted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
