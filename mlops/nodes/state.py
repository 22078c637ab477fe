"""What is read of a cluster before a node is changed, and what the site wants of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Body = Mapping[str, Any]
"""An object of Kubernetes as JSON has it."""

LIST = ("kube-system", "onprem-mlops-hosts")
"""Namespace and name of the ConfigMap that names the hosts that are meant to be there: name to roles, separated by commas."""

LEAVING = "onprem-mlops/leaving"
"""Annotation of a node that was checked and is taken out: only then does its host leave the cluster."""

UPDATING = "onprem-mlops/updating"
"""Annotation of a node that was drained for another version, and is made schedulable again after it."""

TAINTS = "onprem-mlops/taints"
"""Annotation of a node with the taints that the site has given it, as JSON: those may be taken away again, no others."""

CONTROL_PLANE_LABEL = "node.kubernetes.io/microk8s-controlplane"
"""Label that MicroK8s gives its control planes (canonical/microk8s ``microk8s-resources/actions/common/utils.sh``)."""

ROLE_LABEL = "node-role.kubernetes.io/"
"""Prefix of the labels by which `kubectl get nodes` shows roles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterState:
    """A cluster at one moment.

    Attributes:
        nodes: all Nodes.
        volumes: all PersistentVolumes.
        pools: OpenEBS DiskPools, on whose disks replicas of volumes lie; none where the cluster has no such kind.
        pods: Pods of the node in question.
        listed: hosts that are meant to be there, name to roles; None when the cluster has no list.
    """

    nodes: Sequence[Body]
    volumes: Sequence[Body] = ()
    pools: Sequence[Body] = ()
    pods: Sequence[Body] = ()
    listed: Mapping[str, str] | None = None

    def node(self, name: str) -> Body | None:
        """The Node of that name, if it is registered."""
        return next((node for node in self.nodes if name_of(node) == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedHost:
    """What the site wants of a host's node.

    Attributes:
        name: the host's, which is its node's.
        roles: of the settings.
        labels: further labels.
        taints: each ``{key, value, effect}``.
    """

    name: str
    roles: tuple[str, ...]
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, str], ...]

    @classmethod
    def several_from(cls, text: str) -> tuple[WantedHost, ...]:
        """What :func:`written` has written."""
        return tuple(
            cls(name=entry["name"], roles=tuple(entry["roles"]), labels=entry["labels"], taints=tuple(entry["taints"]))
            for entry in json.loads(text)
        )

    @property
    def all_labels(self) -> dict[str, str]:
        """Labels of its own and those of its roles; MicroK8s itself labels control planes."""
        return {**self.labels, **{f"{ROLE_LABEL}{role}": "" for role in self.roles if role != "control-plane"}}


def written(hosts: Sequence[WantedHost]) -> str:
    """Hosts as JSON, the same text for the same hosts."""
    entries = [
        {
            "name": host.name,
            "roles": list(host.roles),
            "labels": dict(sorted(host.labels.items())),
            "taints": [dict(sorted(taint.items())) for taint in host.taints],
        }
        for host in hosts
    ]
    return json.dumps(entries, sort_keys=True)


def name_of(body: Body) -> str:
    """The object's name."""
    name: str = body["metadata"]["name"]
    return name


def annotation(body: Body, key: str) -> str | None:
    """An annotation's text, None without it."""
    value: str | None = (body["metadata"].get("annotations") or {}).get(key)
    return value


def is_control_plane(node: Body) -> bool:
    """Whether a Node belongs to the control plane."""
    return CONTROL_PLANE_LABEL in (node["metadata"].get("labels") or {})


def is_ready(node: Body) -> bool:
    """Whether a Node is Ready."""
    conditions = node.get("status", {}).get("conditions") or ()
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def minor_of(version: str) -> tuple[int, int]:
    """Major and minor number of a version or channel: ``v1.35.4`` and ``1.35/stable`` are both 1.35.

    Raises:
        ValueError: it is neither.
    """
    numbers = version.removeprefix("v").partition("/")[0].partition("-")[0].split(".")
    return int(numbers[0]), int(numbers[1])
