"""Labels and taints of nodes, as pure changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlops.nodes.labelling import change_of, labelled, list_of, roles_taken
from mlops.nodes.state import LEAVING, TAINTS, ClusterState, WantedHost, written
from tests.nodes.cluster_for_tests import cluster, node, pool, volume

GPU = {"key": "gpu", "value": "true", "effect": "NoSchedule"}
OTHER = {"key": "maintenance", "effect": "NoExecute"}
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule", "timeAdded": "2026-11-26T00:00:00Z"}
CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def host(*taints: dict[str, str], roles: tuple[str, ...] = ("worker",), **labels: str) -> WantedHost:
    return WantedHost(name="w1", roles=roles, labels=labels, taints=taints)


def noted(*taints: dict[str, str]) -> dict[str, str]:
    return {TAINTS: json.dumps(list(taints), sort_keys=True)} if taints else {}


@pytest.mark.parametrize(
    ("before", "live", "wanted", "after"),
    [
        ((), [], (GPU,), [GPU]),
        ((), [NOT_READY], (GPU,), [NOT_READY, GPU]),
        ((GPU,), [GPU, OTHER], (), [OTHER]),
        ((GPU,), [GPU], (), None),
        ((GPU,), [{**GPU, "value": "false"}], (GPU,), [GPU]),
        # taken away by somebody: put back; of another effect it is another taint
        ((GPU,), [], (GPU,), [GPU]),
        ((), [{**GPU, "effect": "NoExecute"}], (GPU,), [{**GPU, "effect": "NoExecute"}, GPU]),
    ],
)
def test_taints_of_others_stay(before: tuple[Any, ...], live: list[Any], wanted: tuple[Any, ...], after: list[Any] | None) -> None:
    change = change_of(node("w1", annotations=noted(*before), spec={"taints": live}), host(*wanted))
    assert change["spec"]["taints"] == after
    if before != wanted:
        assert change["metadata"]["annotations"] == {TAINTS: noted(*wanted).get(TAINTS)}


@pytest.mark.parametrize("taints", [(), (GPU,), (GPU, OTHER)])
def test_what_is_as_it_should_be_is_not_touched(taints: tuple[Any, ...]) -> None:
    live = node("w1", annotations=noted(*taints), spec={"taints": [*reversed(taints), NOT_READY]})
    assert change_of(live, host(*taints)) == {}


def test_a_host_that_is_in_the_file_again_is_taken_back() -> None:
    leaving = node("w1", annotations={LEAVING: "true"}, spec={"unschedulable": True, "taints": [CORDONED]})
    assert change_of(leaving, host()) == {"metadata": {"annotations": {LEAVING: None}}, "spec": {"unschedulable": None}}
    change = change_of(leaving, host(GPU))
    assert change["spec"] == {"unschedulable": None, "taints": [GPU]}


def test_labels_of_roles_and_of_its_own_under_one_manager() -> None:
    body = labelled(node("w1"), host(roles=("control-plane", "worker", "storage"), rack="a1"))
    assert body["metadata"]["labels"] == {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/storage": "", "rack": "a1"}
    assert body["metadata"]["uid"] == "uid-w1", "a node that is gone meanwhile would be created"
    assert set(body) == {"apiVersion", "kind", "metadata"}


def test_the_list_names_all_hosts_with_their_roles() -> None:
    assert list_of([host(), WantedHost(name="c1", roles=("control-plane", "storage"), labels={}, taints=())])["data"] == {
        "w1": "worker",
        "c1": "control-plane,storage",
    }


def test_hosts_go_through_the_environment_as_they_are() -> None:
    hosts = (host(GPU, rack="a1"), WantedHost(name="c1", roles=("control-plane",), labels={}, taints=()))
    assert WantedHost.several_from(written(hosts)) == hosts
    assert written([host(b="1", a="2")]) == written([host(a="2", b="1")])


@pytest.mark.parametrize(
    ("roles", "more", "refused"),
    [
        (("worker",), {"pools": [pool("pool-1", "w1")]}, "DiskPool pool-1"),
        (("worker",), {"volumes": [volume("pv-1", "w1")]}, "PersistentVolume pv-1"),
        (("worker",), {}, None),
        (("worker", "storage"), {"pools": [pool("pool-1", "w1")]}, None),
    ],
)
def test_the_role_storage_stays_as_long_as_there_is_data(roles: tuple[str, ...], more: dict[str, Any], refused: str | None) -> None:
    state = cluster(1, 1, **more)
    state = ClusterState(nodes=state.nodes, volumes=state.volumes, pools=state.pools, listed={"w1": "worker,storage"})
    problems = roles_taken(state, [host(roles=roles)])
    assert len(problems) == (1 if refused else 0)
    assert (refused or "") in "".join(map(str, problems))
