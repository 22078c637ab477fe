"""Who belongs to the cluster, through a recording monitor: what steps are told, and what is there for the day a host goes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.cluster.membership import DRAIN_SECONDS
from mlops.nodes.state import WantedHost
from tests.components.recording import Registered, Registration, record
from tests.components.site_layers import build, hosts_of, names_of, site

REMOVALS = ("withdraw", "depart", "forget")


def changed(*, lost: str = "", on_destroy: str = "keep", **of_host: Any) -> Registered:
    """The site baremetal, one host lost perhaps, its first worker with these settings."""

    def change(values: dict[str, Any]) -> None:
        values["hosts"]["onDestroy"] = on_destroy
        for entry in values["hosts"]["nodes"]:
            if entry["name"] == lost:
                entry["lost"] = True
                entry["roles"] = [role for role in entry["roles"] if role != "storage"]
                entry.pop("dataDisks", None)
            elif entry["name"] == names_of(site("baremetal"))[-1]:
                entry.update(of_host)

    settings = site("baremetal", change)
    return record(lambda: build(settings))


@pytest.fixture(scope="module")
def usual() -> Registered:
    return changed()


def names() -> list[str]:
    return names_of(site("baremetal"))


def removals(registered: Registered, host: str) -> list[Registration]:
    return [registered.one(f"cluster-{host}-{step}") for step in REMOVALS]


def test_what_is_only_deleted_connects_at_no_other_time(usual: Registered) -> None:
    for host in names():
        for step in removals(usual, host):
            assert "create" not in step.inputs
            assert "update" not in step.inputs
            assert step.inputs["delete"] in {"withdraw", "bash -s -- reset"}
            assert not any(step.hooks.values()), "a destroy does not know them"


def test_each_host_goes_as_withdraw_depart_forget_and_after_all_that_joined_later(usual: Registered) -> None:
    earlier: list[str] = []
    for host in names():
        withdraw, depart, forget = removals(usual, host)
        by_urn = {item.urn: item.name for item in usual.all}
        assert depart.name in {by_urn[urn] for urn in withdraw.dependencies}
        assert forget.name in {by_urn[urn] for urn in depart.dependencies}
        # direct edges, since the engine follows no others among what it deletes
        assert {by_urn[urn] for urn in forget.dependencies} >= {"cluster-members", *earlier}
        earlier.append(withdraw.name)
    assert set(earlier) <= usual.before("cluster-kubernetes"), "objects are deleted before any host goes"


def test_nothing_is_taken_from_a_host_before_it_has_joined_and_nobody_waits_for_the_joins_of_others(usual: Registered) -> None:
    """It may be refused because it belongs to another cluster, whose data a removal with onDestroy: reset would wipe."""
    order = names()
    for host in order[1:]:
        withdraw, depart, forget = removals(usual, host)
        joins = {name for name in usual.before(withdraw.name) if name.endswith("-join")}
        assert joins == {f"cluster-{earlier}-join" for earlier in order[1 : order.index(host) + 1]}
        assert f"cluster-{host}-join" in usual.before(depart.name)
        assert f"cluster-{host}-join" not in usual.before(forget.name)


@pytest.mark.parametrize(("on_destroy", "kept"), [("keep", {"withdraw", "depart", "forget"}), ("reset", {"withdraw", "forget"})])
def test_a_destroy_asks_only_hosts_that_are_to_be_reset(on_destroy: str, kept: set[str]) -> None:
    registered = changed(on_destroy=on_destroy)
    members = registered.one("cluster-members").urn
    for host in names():
        for step, resource in zip(REMOVALS, removals(registered, host), strict=True):
            assert (resource.raw.deletedWith == members) is (step in kept)
            assert not resource.raw.retainOnDelete


def test_a_node_is_forgotten_by_another_control_plane(usual: Registered) -> None:
    first, second = (str(host.address) for host in hosts_of(site("baremetal")).control_planes[:2])
    for host in names():
        forget = usual.one(f"cluster-{host}-forget")
        assert forget.inputs["connection"]["host"] == (second if host == names()[0] else first)
        assert f"DEPARTED={host}" in forget.inputs["stdin"]


def test_a_lost_host_is_taken_out_by_the_first_living_one_and_nobody_connects_to_it() -> None:
    first, second, *_ = names()
    registered = changed(lost=first)
    address = str(next(node.address for node in hosts_of(site("baremetal")).nodes if node.name == first))
    for command in registered.of_type("command:remote:Command"):
        if command.inputs["connection"]["host"] == address:
            assert command.raw.retainOnDelete
            assert "create" not in command.inputs
    for step in removals(registered, first):
        assert step.raw.retainOnDelete
    members = registered.one("cluster-members").inputs["stdin"]
    assert f"LOST={first}\n" in members
    assert f"HOST_NAME={second}\n" in members
    assert f"{first} " not in members.partition("MACHINES=")[2].partition("EPOCHS=")[0]
    assert first not in [
        host.name for host in WantedHost.several_from(registered.one("cluster-nodes").inputs["environment"]["HOSTS"])
    ]


def test_strangers_go_before_anybody_joins(usual: Registered) -> None:
    for host in names()[1:]:
        assert "cluster-members" in usual.before(f"cluster-{host}-join")
    assert {f"hosts-{host}-probe" for host in names()} <= usual.before("cluster-members")


def test_nodes_are_told_what_the_file_says() -> None:
    taint = {"key": "example.org/gpu", "value": "true", "effect": "NoSchedule"}
    registered = changed(labels={"example.org/rack": "a1"}, taints=[taint])
    environment = registered.one("cluster-nodes").inputs["environment"]
    told = {host.name: host for host in WantedHost.several_from(environment["HOSTS"])}
    assert list(told) == names()
    assert told[names()[-1]].labels == {"example.org/rack": "a1"}
    assert told[names()[-1]].taints == (taint,)
    assert {f"cluster-{host}-return" for host in names()} <= registered.before("cluster-nodes")
    assert "delete" not in registered.one("cluster-nodes").inputs


def test_another_epoch_runs_members_and_nodes_again(usual: Registered) -> None:
    again = changed(epoch=2)
    for name, key in (("cluster-members", "stdin"), ("cluster-nodes", "environment")):
        assert usual.one(name).inputs[key] != again.one(name).inputs[key]


def test_the_kubeconfig_is_a_secret_of_every_step(usual: Registered) -> None:
    steps = [item for item in usual.of_type("command:local:Command") if item.inputs["interpreter"][-1] == "mlops.nodes"]
    assert len(steps) == 1 + 3 * len(names())
    for step in steps:
        assert "stdin" in step.secret_inputs
        assert json.loads(step.inputs["stdin"]) == {"kubeconfig": "apiVersion: v1", "context": None}
        assert int(step.inputs["environment"]["DEADLINE_SECONDS"]) <= DRAIN_SECONDS
