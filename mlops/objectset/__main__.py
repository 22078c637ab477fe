"""`python -m mlops.objectset ACT`: the step that a resource of the engine runs, on this machine.

ACT is one of

- ``apply``, ``delete``: a set. Each variable whose name is an object's identity holds its summary; ``OBJECT_SET`` names the set.
- ``note``: deletes the objects that an earlier run has noted and ``OBJECTS`` no longer names; of kinds in ``KEPT`` it only
  tells. ``withdraw``: deletes all that ``OBJECTS`` names.
- ``empty``: deletes all objects of the kinds that ``KINDS`` names.

``DEADLINE_SECONDS`` is how long all may take. Standard input is ``{"kubeconfig": YAML, "context": name or null}``.

A set finds its own objects in the cluster by a label. So one that has gone over to another set, or whose set has another name now,
is never taken for one that nobody wants any more.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mlops.errors import Problem, UserError
from mlops.objectset.emptying import NotEmptyError, empty
from mlops.objectset.kinds import MEMBERS, position
from mlops.objectset.kubectl import Kubectl, KubectlError
from mlops.objectset.store import Store, summaries_in

LABEL = "onprem-mlops/object-set"
# Handed to an update by the engine's plugin: what the last run has printed.
_EARLIER = "PULUMI_COMMAND_STDOUT"


def label_of(name: str) -> str:
    """The label of a set's objects; names of resources hold characters that labels may not."""
    return f"{LABEL}={hashlib.sha256(name.encode()).hexdigest()[:16]}"


def apply(kubectl: Kubectl, store: Store, name: str, wanted: Mapping[str, str], *, again: bool) -> None:
    """Applies a set.

    Args:
        kubectl: access.
        store: where the bodies are.
        name: the set's.
        wanted: identity to summary.
        again: the set was applied before, so its objects may be there, and some of their fields cannot be changed.

    Raises:
        UserError: a body is missing.
        KubectlError: see :meth:`Kubectl.apply` and :meth:`Kubectl.remove`.
    """
    bodies = {named: store.take(wanted[named]) for named in sorted(wanted, key=position)}
    lost = [Problem(named, f"not in {store.folder}", wanted[named]) for named, body in bodies.items() if body is None]
    if lost:
        raise UserError("objects are missing in the cache; the program lays them there, so run it again", lost)
    whole = {named: _labelled(body, label_of(name)) for named, body in bodies.items() if body is not None}
    if again:
        kubectl.remove(_to_be_made_anew(kubectl, whole))
    kubectl.apply(list(whole.values()))


def _to_be_made_anew(kubectl: Kubectl, bodies: Mapping[str, Mapping[str, Any]]) -> list[str]:
    fields = {named: MEMBERS[body["kind"]].immutable for named, body in bodies.items() if MEMBERS[body["kind"]].immutable}
    live = kubectl.live(list(fields))
    return [
        named
        for named, immutable in fields.items()
        if named in live and any(live[named].get(field) != bodies[named].get(field) for field in immutable)
    ]


def delete(kubectl: Kubectl, name: str) -> None:
    """Deletes a set's objects, as far as no other set holds them now."""
    kubectl.remove(kubectl.labelled(label_of(name)))


def note(kubectl: Kubectl, objects: Collection[str], noted: Sequence[str], kept: Collection[str]) -> list[str]:
    """Deletes what is wanted no longer.

    Args:
        kubectl: access.
        objects: identities that are wanted.
        noted: identities that were wanted the last time.
        kept: kinds whose objects are never deleted.

    Returns:
        What to tell the user.
    """
    unwanted = [named for named in noted if named not in objects]
    kubectl.remove([named for named in unwanted if named.partition("/")[0] not in kept])
    return [
        f"{named} is no longer wanted; it stays, with all that depends on it (kubectl delete {named} removes it)"
        for named in unwanted
        if named.partition("/")[0] in kept
    ]


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
        told, printed = _run(act, kubectl)
    except (KubectlError, NotEmptyError, UserError) as error:
        print(error, file=sys.stderr)
        return 1
    for line in told:
        print(line, file=sys.stderr)
    # kept in the state, for the next run
    print("\n".join(printed))
    return 0


def _run(act: str, kubectl: Kubectl) -> tuple[list[str], Sequence[str]]:
    """What to tell, and what to keep."""
    if act == "empty":
        return [f"{kind}: all objects deleted" for kind in empty(kubectl, os.environ["KINDS"].split())], ()
    if act in {"note", "withdraw"}:
        objects = os.environ["OBJECTS"].split()
        if act == "withdraw":
            kubectl.remove(objects)
            return [], ()
        return note(kubectl, objects, os.environ.get(_EARLIER, "").split(), os.environ.get("KEPT", "").split()), objects
    name = os.environ["OBJECT_SET"]
    if act == "delete":
        delete(kubectl, name)
        return [], ()
    wanted = summaries_in(os.environ)
    apply(kubectl, Store.default(), name, wanted, again=_EARLIER in os.environ)
    return [], [f"{len(wanted)} objects"]


if __name__ == "__main__":
    sys.exit(main())
