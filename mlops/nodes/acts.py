"""What is done to nodes: each act probes, decides, acts, and says what it did. Running one again is harmless."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from mlops.errors import Problem, UserError
from mlops.nodes.judging import refusals
from mlops.nodes.kubectl import NodeKubectl
from mlops.nodes.labelling import change_of, labelled, list_of, roles_taken
from mlops.nodes.selecting import selects
from mlops.nodes.state import LEAVING, UPDATING, WantedHost, annotation, is_ready, minor_of, name_of
from mlops.objectset import KubectlError

# What an answer and its words may take at the end of a drain.
_RESERVE_SECONDS = 15.0


def keep_nodes(kubectl: NodeKubectl, hosts: Sequence[WantedHost]) -> list[str]:
    """Gives all nodes their labels and taints and writes down which hosts are meant to be there.

    Raises:
        UserError: a host has no node, or loses the role storage with data on it; nothing is changed then.
        KubectlError: refused, e.g. a label that somebody else has set to another value.
    """
    state = kubectl.read()
    problems = [
        Problem(
            f"host {host.name}", "the cluster has no node of that name", "a node for each host of the file", "run pulumi up again"
        )
        for host in hosts
        if state.node(host.name) is None
    ]
    problems += roles_taken(state, hosts)
    if problems:
        raise UserError("the nodes are not what the file says", problems)
    registered = {name_of(node): node for node in state.nodes}
    # The list last: a host that is gone from it may be taken out.
    kubectl.apply([labelled(registered[host.name], host) for host in hosts])
    told = []
    for host in hosts:
        if annotation(registered[host.name], LEAVING) is not None:
            told.append(f"node {host.name} was on its way out and is in the file again: it is taken back")
        _change(kubectl, host.name, host)
    kubectl.apply([list_of(hosts)])
    return told


def _change(kubectl: NodeKubectl, name: str, host: WantedHost) -> None:
    while True:
        node = next(node for node in kubectl.items("nodes") if name_of(node) == name)
        change = change_of(node, host)
        if not change or kubectl.change_node(node, change):
            return
        _in_time(kubectl, f"node {name} is being changed by others all the time")


def withdraw(kubectl: NodeKubectl, name: str) -> list[str]:
    """Takes a node out of use, when its host is no longer in the file: checks everything, marks, cordons and drains it.

    Raises:
        UserError: it may not go, and nothing was changed; or pods did not leave it.
        KubectlError: see :class:`~mlops.objectset.Kubectl`.
    """
    state = kubectl.read(pods_of=name)
    if state.listed is None or name in state.listed:
        # an error, since the deletion would go on otherwise: with onDestroy reset a member would be wiped that nobody let go
        found = "the cluster has no list of its hosts" if state.listed is None else "the cluster's list of hosts names it"
        problem = Problem(
            f"node {name}",
            found,
            "a host that `pulumi up` has taken off the list, as it is no longer in the file",
            "take the host out of the file and run pulumi up; for a whole site, pulumi destroy without --target",
        )
        raise UserError(f"host {name} is meant to be in the cluster; nothing on it was changed", [problem])
    node = state.node(name)
    if node is None:
        return [f"node {name} is not registered any more"]
    if annotation(node, LEAVING) is not None and not is_ready(node):
        # what was checked and is not Ready has left already: the run that did it was cut, and its host remembers how far it came
        return [f"node {name} was taken out by an earlier run"]
    # again after a run that failed: what was good then may have changed
    problems = refusals(state, name)
    if problems:
        raise UserError(f"host {name} is no longer in the file, but cannot be taken out; nothing on it was changed", problems)
    if annotation(node, LEAVING) is None:
        _mark(kubectl, name, LEAVING)
    _drain(kubectl, name)
    return [f"node {name} is drained"]


def drain(kubectl: NodeKubectl, name: str, channel: str) -> list[str]:
    """Drains a node before it gets another minor version; nothing when it has that already, or when there is no other node.

    Raises:
        UserError: pods did not leave it.
        KubectlError: see :class:`~mlops.objectset.Kubectl`.
    """
    nodes = kubectl.items("nodes")
    node = next((node for node in nodes if name_of(node) == name), None)
    if node is None or minor_of(node["status"]["nodeInfo"]["kubeletVersion"]) == minor_of(channel):
        return []
    if not any(is_ready(other) and not other["spec"].get("unschedulable") for other in nodes if other is not node):
        return [f"node {name} is not drained before its update: no other node could take its pods"]
    if annotation(node, UPDATING) is None and node["spec"].get("unschedulable"):
        told = [f"node {name} was cordoned before its update by somebody else, and stays so after it"]
    else:
        told = [f"node {name} is drained before its update to {channel}"]
        _mark(kubectl, name, UPDATING)
    _drain(kubectl, name)
    return told


def take_back(kubectl: NodeKubectl, name: str, channel: str) -> list[str]:
    """Lets pods onto a node again that :func:`drain` has drained, once it is Ready with its new version.

    Raises:
        UserError: it has another version.
        KubectlError: it is not Ready before the deadline.
    """
    node = next((node for node in kubectl.items("nodes") if name_of(node) == name), None)
    if node is None or annotation(node, UPDATING) is None:
        return []
    kubectl.wait_ready(name)
    while True:
        node = next(node for node in kubectl.items("nodes") if name_of(node) == name)
        version = node["status"]["nodeInfo"]["kubeletVersion"]
        if minor_of(version) != minor_of(channel):
            problem = Problem(f"node {name}", f"its kubelet has version {version}", f"one of {channel}", "run pulumi up again")
            raise UserError(f"node {name} was not updated and stays cordoned", [problem])
        change = {"metadata": {"annotations": {UPDATING: None}}, "spec": {"unschedulable": None}}
        if kubectl.change_node(node, change):
            return [f"node {name} takes pods again"]
        _in_time(kubectl, f"node {name} is being changed by others all the time")


def _mark(kubectl: NodeKubectl, name: str, mark: str) -> None:
    """Annotates and cordons in one change: there is no cordoned node of which nobody knows why."""
    while True:
        node = next(node for node in kubectl.items("nodes") if name_of(node) == name)
        if kubectl.change_node(node, {"metadata": {"annotations": {mark: "true"}}, "spec": {"unschedulable": True}}):
            return
        _in_time(kubectl, f"node {name} is being changed by others all the time")


def _drain(kubectl: NodeKubectl, name: str) -> None:
    seconds = max(kubectl.deadline - time.monotonic() - _RESERVE_SECONDS, 1.0)
    try:
        kubectl.drain(name, seconds)
    except KubectlError as error:
        problems = _stuck(kubectl, name, seconds)
        if not problems:
            raise
        raise UserError(
            f"node {name} is cordoned, but not all of its pods have left it; run pulumi up again then", problems
        ) from error


def _stuck(kubectl: NodeKubectl, name: str, seconds: float) -> list[Problem]:
    """Pods that a drain has left, and why."""
    budgets = kubectl.items("poddisruptionbudgets", "--all-namespaces")
    problems = []
    for pod in kubectl.pods(name):
        metadata: dict[str, Any] = pod["metadata"]
        owners = metadata.get("ownerReferences") or ()
        mirror = "kubernetes.io/config.mirror" in (metadata.get("annotations") or {})
        if mirror or any(owner["kind"] == "DaemonSet" for owner in owners):
            continue
        where = f"pod {metadata['name']} in namespace {metadata['namespace']} on node {name}"
        blocking = [
            budget["metadata"]["name"]
            for budget in budgets
            if budget["metadata"]["namespace"] == metadata["namespace"]
            and not budget.get("status", {}).get("disruptionsAllowed")
            and selects(budget["spec"].get("selector"), metadata.get("labels") or {})
        ]
        if blocking:
            problems.append(
                Problem(
                    where,
                    f"the disruption budget {', '.join(blocking)} allows none of its pods to be evicted now",
                    "a workload with one pod more than its budget wants",
                    "kubectl scale it up by one, or delete the budget for the time",
                )
            )
        elif not any(owner.get("controller") for owner in owners):
            problems.append(
                Problem(
                    where,
                    "it has no controller that would start it elsewhere",
                    "pods that are made anew",
                    "delete it when it is not needed",
                )
            )
        else:
            problems.append(
                Problem(
                    where,
                    f"it has not ended {seconds:.0f} s after it was asked to",
                    "a pod that ends within its terminationGracePeriodSeconds",
                    f"kubectl describe pod -n {metadata['namespace']} {metadata['name']} tells why",
                )
            )
    return problems


def _in_time(kubectl: NodeKubectl, otherwise: str) -> None:
    if time.monotonic() > kubectl.deadline:
        raise KubectlError(otherwise)
