"""`python -m mlops.objectset ACT`: the step that a resource of the engine runs, on this machine.

ACT is one of

- ``apply``, ``delete``: a set. Each variable whose name is an object's identity holds its summary.
- ``prune``: deletes members of the sets in ``SETS`` that ``OBJECTS`` does not name; those of the kinds in ``KEPT`` it only tells.
- ``note``: deletes the objects that an earlier run has noted and ``OBJECTS`` no longer names. ``withdraw``: deletes all it names.
- ``empty``: deletes all objects of the kinds that ``KINDS`` names.

``DEADLINE_SECONDS`` is how long all may take. Standard input is ``{"kubeconfig": YAML, "context": name or null}``.

A set finds its objects in the cluster by a label, whose value it makes up when it is created and prints, so that the state keeps
it. So one that has gone over to another set, or to the one that replaces this one, is never taken for one that nobody wants.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mlops.errors import Problem, UserError
from mlops.objectset.emptying import NotEmptyError, empty
from mlops.objectset.kinds import DEFINITION, MEMBERS, kind_of, position
from mlops.objectset.kubectl import Kubectl, KubectlError
from mlops.objectset.store import Store, summaries_in

LABEL = "onprem-mlops/object-set"
# Handed to an update and to a delete by the engine's plugin: what the last run has printed.
_EARLIER = "PULUMI_COMMAND_STDOUT"
_NOT_ALLOWED = "cannot change roleRef"
_RBAC = MEMBERS["RoleBinding"].group
_LONGEST_LINE = 4000
"""Of what is told: the plugin reads lines."""


def apply(kubectl: Kubectl, store: Store, label: str, wanted: Mapping[str, str], *, again: bool) -> None:
    """Applies a set.

    Args:
        kubectl: access.
        store: where the bodies are.
        label: value of the set's label.
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
    whole = {named: _labelled(body, label) for named, body in bodies.items() if body is not None}
    if again:
        kubectl.remove(_to_be_made_anew(kubectl, whole))
    try:
        kubectl.apply(list(whole.values()))
    except KubectlError as error:
        # an earlier run that was cut short has left some, or they come from another set
        if again or _NOT_ALLOWED not in str(error):
            raise
        apply(kubectl, store, label, wanted, again=True)


def _to_be_made_anew(kubectl: Kubectl, bodies: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Objects of sets, nobody else's, with a field that no update may change and that does."""
    looked_at = [named for named, body in bodies.items() if "roleRef" in body or body.get("immutable")]
    live = kubectl.live(looked_at)
    ours = [named for named in looked_at if named in live and LABEL in (live[named]["metadata"].get("labels") or {})]
    return [named for named in ours if _fixed(live[named]) != _fixed(bodies[named])]


def _fixed(body: Mapping[str, Any]) -> Any:
    """What no update may change."""
    if "roleRef" in body:
        return {"apiGroup": _RBAC, **body["roleRef"]}
    return [body.get(field) for field in ("immutable", "data", "binaryData")]


def delete(kubectl: Kubectl, label: str) -> None:
    """Deletes a set's objects, as far as no other set holds them now."""
    _remove(kubectl, kubectl.labelled(f"{LABEL}={label}"))


def prune(kubectl: Kubectl, labels: Iterable[str], objects: Collection[str], kept: Collection[str]) -> list[str]:
    """Deletes what is wanted no longer.

    Sets that are gone as a whole are left to their own delete, which comes after that of what needs them.

    Args:
        kubectl: access.
        labels: values of the labels of all sets there are.
        objects: identities of all members that are wanted.
        kept: kinds whose objects are never deleted.

    Returns:
        What to tell the user.
    """
    unwanted = [named for named in kubectl.labelled(f"{LABEL} in ({','.join(sorted(labels))})") if named not in objects]
    stays = [named for named in unwanted if kind_of(named) in kept]
    _remove(kubectl, [named for named in unwanted if named not in stays])
    return [
        f"{named} is no longer wanted; it stays, with all that depends on it (kubectl delete {named} removes it)" for named in stays
    ]


def _remove(kubectl: Kubectl, named: Collection[str]) -> None:
    """CRDs first, whose objects may need a controller, and that its rights; the rest in the order of writing, turned round."""
    definitions = [name for name in named if kind_of(name) == DEFINITION]
    kubectl.remove(definitions)
    kubectl.remove(sorted((name for name in named if name not in definitions), key=position, reverse=True))


def _labelled(body: Mapping[str, Any], label: str) -> dict[str, Any]:
    metadata = {**body["metadata"], "labels": {**(body["metadata"].get("labels") or {}), LABEL: label}}
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
        told, printed = str(error).splitlines(), None
    for line in told:
        print(line[:_LONGEST_LINE], file=sys.stderr)
    if printed is None:
        return 1
    # kept in the state, for the next run
    print("\n".join(printed))
    return 0


def _run(act: str, kubectl: Kubectl) -> tuple[list[str], Sequence[str]]:
    """What to tell, and what to keep."""
    earlier = os.environ.get(_EARLIER, "").split()
    if act == "empty":
        return [f"{kind}: all objects deleted" for kind in empty(kubectl, os.environ["KINDS"].split())], ()
    if act == "prune":
        labels = [printed.split()[0] for printed in json.loads(os.environ["SETS"]).values()]
        return prune(kubectl, labels, os.environ["OBJECTS"].split(), os.environ["KEPT"].split()), ()
    if act in {"note", "withdraw"}:
        objects = os.environ["OBJECTS"].split()
        kubectl.remove(objects if act == "withdraw" else [named for named in earlier if named not in objects])
        return [], objects
    if act == "delete":
        delete(kubectl, earlier[0])
        return [], ()
    label = earlier[0] if earlier else secrets.token_hex(8)
    apply(kubectl, Store.default(), label, summaries_in(os.environ), again=bool(earlier))
    # the second word is another one each time, so that what looks at the set's work afterwards does so every time
    return [], [label, secrets.token_hex(4)]


if __name__ == "__main__":
    sys.exit(main())
