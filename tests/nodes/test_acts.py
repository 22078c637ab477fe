"""The acts against a cluster in memory: what they change, in which order, and what they leave alone."""

from __future__ import annotations

import copy
import io
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from mlops.errors import UserError
from mlops.nodes import acts
from mlops.nodes.__main__ import main, run
from mlops.nodes.kubectl import NodeKubectl
from mlops.nodes.state import LEAVING, UPDATING, ClusterState, WantedHost, written
from mlops.objectset import KubectlError
from tests.nodes.cluster_for_tests import Body, cluster, node, pod, volume

CHANNEL = "1.36/stable"


@dataclass(frozen=True, kw_only=True)
class InMemory(NodeKubectl):
    """A cluster that is not there: reads come from ``state``, writes are noted and, to nodes, carried out."""

    state: ClusterState
    pods_there: list[Body] = field(default_factory=list)
    budgets: list[Body] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    stuck: str = ""
    done: list[Any] = field(default_factory=list)

    def read(self, pods_of: str | None = None) -> ClusterState:
        del pods_of
        return copy.deepcopy(self.state)

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        return {"nodes": [dict(body) for body in copy.deepcopy(self.state.nodes)], "poddisruptionbudgets": self.budgets}[
            arguments[0]
        ]

    def pods(self, node: str) -> list[dict[str, Any]]:
        del node
        return self.pods_there

    def apply(self, bodies: Any) -> None:
        self.done.append(("apply", [(body["kind"], body["metadata"]["name"]) for body in bodies]))

    def change_node(self, node: dict[str, Any], change: dict[str, Any]) -> bool:
        if self.conflicts:
            self.done.append(("conflict", self.conflicts.pop()))
            return False
        self.done.append(("change", node["metadata"]["name"], change))
        target: Any = self.state.node(node["metadata"]["name"])
        for key, value in change.get("metadata", {}).get("annotations", {}).items():
            target["metadata"]["annotations"] = {**target["metadata"]["annotations"], key: value}
            if value is None:
                del target["metadata"]["annotations"][key]
        target["spec"] |= change.get("spec", {})
        return True

    def drain(self, node: str, seconds: float) -> None:
        assert seconds > 0
        self.done.append(("drain", node))
        if self.stuck:
            raise KubectlError(self.stuck)

    def wait_ready(self, node: str) -> None:
        self.done.append(("wait", node))


def memory(state: ClusterState, *, seconds: float = 60, **more: Any) -> InMemory:
    return InMemory(kubeconfig="", context=None, deadline=time.monotonic() + seconds, state=state, **more)


def marked(body: Mapping[str, Any], mark: str) -> bool:
    return mark in body["metadata"]["annotations"] and bool(body["spec"].get("unschedulable"))


def wanted(*names: str) -> list[WantedHost]:
    return [WantedHost(name=name, roles=("worker",), labels={}, taints=()) for name in names]


@pytest.mark.parametrize("listed", [{"w1": "worker"}, None])
def test_a_host_that_is_meant_to_be_there_stays(listed: dict[str, str] | None) -> None:
    state = cluster(1, 1)
    kubectl = memory(ClusterState(nodes=state.nodes, listed=listed))
    with pytest.raises(UserError, match="meant to be in the cluster") as caught:
        acts.withdraw(kubectl, "w1")
    assert "without --target" in str(caught.value)
    assert kubectl.done == []


def test_a_node_that_is_not_there_needs_nothing() -> None:
    kubectl = memory(cluster(1, 0, listed="c1"))
    assert "not registered any more" in acts.withdraw(kubectl, "w1")[0]
    assert kubectl.done == []


def test_what_speaks_against_it_is_told_before_anything_changes() -> None:
    kubectl = memory(cluster(1, 1, listed="c1", volumes=[volume("pv-1", "w1")], dead=("w1",)))
    with pytest.raises(UserError) as caught:
        acts.withdraw(kubectl, "w1")
    assert "nothing on it was changed" in str(caught.value)
    assert "PersistentVolume pv-1" in str(caught.value)
    assert "it is not Ready" in str(caught.value)
    assert kubectl.done == []


def test_a_node_is_marked_and_cordoned_in_one_change_and_then_drained() -> None:
    kubectl = memory(cluster(1, 2, listed="c1 w1"), conflicts=["kubelet"])
    acts.withdraw(kubectl, "w2")
    assert [entry[0] for entry in kubectl.done] == ["conflict", "change", "drain"]
    node_now = kubectl.state.node("w2")
    assert node_now is not None
    assert marked(node_now, LEAVING)


def test_a_node_that_was_checked_and_is_gone_needs_nothing_more() -> None:
    """A run that was cut after the host had left, and before anybody wrote that down."""
    kubectl = memory(cluster(1, 2, listed="c1 w1", dead=("w2",)))
    node_now: Any = kubectl.state.node("w2")
    node_now["metadata"]["annotations"] = {LEAVING: "true"}
    assert "by an earlier run" in acts.withdraw(kubectl, "w2")[0]
    assert kubectl.done == []


def test_a_node_that_was_checked_is_judged_again_as_long_as_it_is_there() -> None:
    kubectl = memory(cluster(3, 0, listed="c1 c2", dead=("c2",)))
    node_now: Any = kubectl.state.node("c3")
    node_now["metadata"]["annotations"] = {LEAVING: "true"}
    with pytest.raises(UserError, match="cannot be taken out"):
        acts.withdraw(kubectl, "c3")
    other = memory(cluster(3, 0, listed="c1 c2"))
    there: Any = other.state.node("c3")
    there["metadata"]["annotations"] = {LEAVING: "true"}
    acts.withdraw(other, "c3")
    assert other.done == [("drain", "c3")]


def test_it_is_told_what_keeps_a_node_from_being_drained() -> None:
    budget = {
        "metadata": {"name": "two-of-two", "namespace": "work"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"disruptionsAllowed": 0},
    }
    there = [
        pod("web-1", labels={"app": "web"}),
        pod("slow"),
        pod("agent", owner="DaemonSet"),
        pod("static", owner=None, mirror=True),
    ]
    kubectl = memory(cluster(1, 2, listed="c1 w1"), stuck="global timeout", pods_there=there, budgets=[budget])
    with pytest.raises(UserError) as caught:
        acts.withdraw(kubectl, "w2")
    text = str(caught.value)
    for words in ("pod web-1 in namespace work on node w2", "the disruption budget two-of-two", "pod slow", "has not ended"):
        assert words in text
    assert "agent" not in text
    assert "static" not in text


def test_a_drain_that_fails_for_another_reason_is_told_in_its_own_words() -> None:
    kubectl = memory(cluster(1, 2, listed="c1 w1"), stuck="the server is not there")
    with pytest.raises(KubectlError, match="the server is not there"):
        acts.withdraw(kubectl, "w2")


def test_the_list_is_written_last_and_a_missing_node_is_told() -> None:
    kubectl = memory(cluster(1, 1))
    acts.keep_nodes(kubectl, wanted("c1", "w1"))
    assert [entry[1] for entry in kubectl.done if entry[0] == "apply"] == [
        [("Node", "c1"), ("Node", "w1")],
        [("ConfigMap", "onprem-mlops-hosts")],
    ]
    other = memory(cluster(1, 1))
    with pytest.raises(UserError, match="not what the file says") as caught:
        acts.keep_nodes(other, wanted("c1", "w1", "w2", "w3"))
    assert "host w2" in str(caught.value)
    assert "host w3" in str(caught.value)
    assert other.done == []


def test_a_node_on_its_way_out_is_taken_back() -> None:
    kubectl = memory(cluster(1, 1))
    node_now: Any = kubectl.state.node("w1")
    node_now["metadata"]["annotations"], node_now["spec"] = {LEAVING: "true"}, {"unschedulable": True}
    assert "it is taken back" in acts.keep_nodes(kubectl, wanted("c1", "w1"))[0]
    assert LEAVING not in node_now["metadata"]["annotations"]
    assert not node_now["spec"]["unschedulable"]


@pytest.mark.parametrize(
    ("nodes", "drained", "told"),
    [
        ([node("c1", plane=True), node("w1")], True, "is drained before its update"),
        ([node("c1", plane=True), node("w1", version="v1.36.0")], False, ""),
        ([node("c1", plane=True)], False, ""),
        ([node("w1")], False, "no other node could take its pods"),
        ([node("w1"), node("c1", ready=False)], False, "no other node could take its pods"),
        ([node("w1"), node("c1", spec={"unschedulable": True})], False, "no other node could take its pods"),
    ],
)
def test_a_node_is_drained_only_for_another_minor_version(nodes: list[Body], drained: bool, told: str) -> None:
    kubectl = memory(ClusterState(nodes=nodes))
    assert told in " ".join(acts.drain(kubectl, "w1", CHANNEL))
    assert [entry[0] for entry in kubectl.done] == (["change", "drain"] if drained else [])


def test_a_node_that_somebody_else_has_cordoned_stays_so() -> None:
    kubectl = memory(ClusterState(nodes=[node("c1", plane=True), node("w1", spec={"unschedulable": True})]))
    assert "by somebody else" in acts.drain(kubectl, "w1", CHANNEL)[0]
    assert kubectl.done == [("drain", "w1")]
    assert acts.take_back(kubectl, "w1", CHANNEL) == []


def test_a_node_takes_pods_again_once_it_is_ready_with_its_new_version() -> None:
    updated = node("w1", version="v1.36.0", annotations={UPDATING: "true"}, spec={"unschedulable": True})
    kubectl = memory(ClusterState(nodes=[updated]), conflicts=["kubelet"])
    assert "takes pods again" in acts.take_back(kubectl, "w1", CHANNEL)[0]
    assert [entry[0] for entry in kubectl.done] == ["wait", "conflict", "change"]
    assert not marked(updated, UPDATING)


def test_a_node_that_was_not_updated_stays_cordoned() -> None:
    old = node("w1", annotations={UPDATING: "true"}, spec={"unschedulable": True})
    with pytest.raises(UserError, match="stays cordoned"):
        acts.take_back(memory(ClusterState(nodes=[old])), "w1", CHANNEL)
    assert marked(old, UPDATING)


def test_an_endless_quarrel_about_a_node_ends_at_the_deadline() -> None:
    kubectl = memory(cluster(1, 2, listed="c1 w1"), seconds=-1, conflicts=["x"] * 9)
    with pytest.raises(KubectlError, match="changed by others all the time"):
        acts.withdraw(kubectl, "w2")


@pytest.mark.parametrize(
    ("act", "variables", "first"),
    [
        ("nodes", {"HOSTS": written(wanted("c1"))}, "apply"),
        ("withdraw", {"NODE": "w1"}, "change"),
        ("drain", {"NODE": "w1", "CHANNEL": CHANNEL}, "change"),
        ("return", {"NODE": "w2", "CHANNEL": "1.35/stable"}, "wait"),
    ],
)
def test_acts_by_name(act: str, variables: dict[str, str], first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state = cluster(1, 2, listed="c1 w2")
    there: Any = state.node("w2")
    there["metadata"]["annotations"] = {UPDATING: "true"}
    kubectl = memory(state)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    run(act, kubectl)
    assert kubectl.done[0][0] == first


@pytest.mark.parametrize(("act", "hint"), [("withdraw", True), ("drain", False)])
def test_a_first_control_plane_that_is_gone_is_thought_of(
    act: str, hint: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: Any) -> list[str]:
        raise KubectlError("kubectl get: no route to host")

    monkeypatch.setattr(acts, act, unreachable)
    monkeypatch.setattr("sys.argv", ["mlops.nodes", act])
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"kubeconfig": "", "context": None})))
    for name, value in {"NODE": "w1", "CHANNEL": CHANNEL, "DEADLINE_SECONDS": "5"}.items():
        monkeypatch.setenv(name, value)
    assert main() == 1
    assert ("`lost: true`" in capsys.readouterr().err) is hint


def test_a_users_mistake_is_told_without_a_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: Any) -> list[str]:
        raise UserError("it cannot be\n" + "x" * 9000)

    monkeypatch.setattr(acts, "withdraw", refuse)
    monkeypatch.setattr("sys.argv", ["mlops.nodes", "withdraw"])
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"kubeconfig": "secret-token", "context": None})))
    monkeypatch.setitem(os.environ, "NODE", "w1")
    monkeypatch.setitem(os.environ, "DEADLINE_SECONDS", "5")
    assert main() == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    first, second = printed.err.splitlines()
    assert first == "it cannot be"
    assert len(second) == 4000
    assert "secret-token" not in printed.err
