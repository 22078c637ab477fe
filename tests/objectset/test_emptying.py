"""Kinds are emptied in their order until nothing is left, within bounds."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlops.objectset import Kubectl
from mlops.objectset.emptying import NotEmptyError, empty

KUBECTL = r"""#!{python}
import sys
arguments = [a for a in sys.argv[1:] if not a.startswith(("--kubeconfig=", "--cache-dir="))]
open({log!r}, "a").write(" ".join(arguments) + "\n")
if arguments[0] == "api-resources":
    print("things     th    example.org/v1     true    Thing")
    print("others           example.org/v1     false   Other")
    print("nodes      no    v1                 false   Node")
if arguments[0] == "get":
    print("example.org/v2 Thing\nexample.org/v2 Thing")
"""


class Cluster:
    """Kinds and their objects; a parent's controller makes children anew as long as there are parents."""

    def __init__(self, objects: dict[str, int], *, seconds: float = 5, stuck: bool = False) -> None:
        self.objects, self.deadline, self.stuck = objects, time.monotonic() + seconds, stuck
        self.deleted: list[str] = []

    def with_objects(self, kinds: Sequence[str]) -> list[str]:
        return [kind for kind in kinds if self.objects.get(kind)]

    def delete_all(self, kind: str) -> None:
        self.deleted.append(kind)
        self.objects[kind] = 0 if not self.stuck else self.objects[kind]
        if self.objects.get("parents"):
            self.objects["children"] = 1


def test_kinds_go_in_their_order_and_those_without_objects_are_passed_over() -> None:
    cluster = Cluster({"profiles": 1, "jobs": 3, "none": 0})
    assert empty(cluster, ["profiles", "none", "jobs"]) == ["profiles", "jobs"]
    assert cluster.deleted == ["profiles", "jobs"]


def test_what_a_controller_makes_anew_is_deleted_again() -> None:
    cluster = Cluster({"children": 1, "parents": 1})
    assert empty(cluster, ["children", "parents"]) == ["children", "parents"]
    assert cluster.deleted == ["children", "parents", "children"]


def test_what_does_not_go_ends_at_the_deadline_and_is_named() -> None:
    with pytest.raises(NotEmptyError, match="still objects of stuck"):
        empty(Cluster({"stuck": 1}, seconds=0.05, stuck=True), ["stuck"])


def test_kubectl_tells_which_kinds_have_objects_whatever_their_version(tmp_path: Path) -> None:
    program, log = tmp_path / "kubectl", tmp_path / "log"
    program.write_text(KUBECTL.format(python=sys.executable, log=str(log)))
    program.chmod(0o755)
    kubectl = Kubectl(kubeconfig="{}", context=None, deadline=time.monotonic() + 60, program=lambda: program)
    assert kubectl.with_objects(["others.example.org", "unknown.example.org", "things.example.org"]) == ["things.example.org"]
    kubectl.delete_all("things.example.org")
    asked = log.read_text().splitlines()
    assert asked[1].startswith("get things.example.org,others.example.org --all-namespaces")
    assert asked[2].startswith("delete things.example.org --all --all-namespaces --ignore-not-found --wait --timeout=")
