"""kubectl for nodes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mlops.nodes.state import LIST, ClusterState, name_of
from mlops.objectset import Kubectl, KubectlError

_POOLS = "diskpools.openebs.io"
_CONFLICT = "the object has been modified"


@dataclass(frozen=True, kw_only=True)
class NodeKubectl(Kubectl):
    """:class:`~mlops.objectset.Kubectl` with what nodes need."""

    def read(self, pods_of: str | None = None) -> ClusterState:
        """The cluster as it is now.

        Args:
            pods_of: name of the node whose pods are wanted; None for none.

        Raises:
            KubectlError: see :class:`~mlops.objectset.Kubectl`.
        """
        pools = self._run(["get", "customresourcedefinition", _POOLS, "--ignore-not-found", "--output=name"]).strip()
        return ClusterState(
            nodes=self.items("nodes"),
            volumes=self.items("persistentvolumes"),
            pools=self.items(_POOLS, "--all-namespaces") if pools else (),
            pods=self.pods(pods_of) if pods_of else (),
            listed=self.listed(),
        )

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """Objects that ``kubectl get`` lists."""
        found: list[dict[str, Any]] = json.loads(self._run(["get", *arguments, "--output=json"]))["items"]
        return found

    def pods(self, node: str) -> list[dict[str, Any]]:
        """Pods of a node, in all namespaces."""
        return self.items("pods", "--all-namespaces", f"--field-selector=spec.nodeName={node}")

    def listed(self) -> dict[str, str] | None:
        """Hosts that are meant to be there, name to roles; None without a list."""
        namespace, name = LIST
        text = self._run(["get", "configmap", name, f"--namespace={namespace}", "--ignore-not-found", "--output=json"]).strip()
        return dict(json.loads(text).get("data") or {}) if text else None

    def change_node(self, node: dict[str, Any], change: dict[str, Any]) -> bool:
        """Merges a change into a Node, unless somebody else has changed it since it was read.

        Args:
            node: the Node as it was read.
            change: a merge patch.

        Returns:
            False when somebody else was quicker; read it again then.

        Raises:
            KubectlError: refused.
        """
        metadata = {**change.get("metadata", {}), "resourceVersion": node["metadata"]["resourceVersion"]}
        patch = json.dumps({**change, "metadata": metadata})
        try:
            self._run(["patch", "node", name_of(node), "--type=merge", "--patch-file=/dev/stdin"], patch)
        except KubectlError as error:
            if _CONFLICT not in str(error):
                raise
            return False
        return True

    def drain(self, node: str, seconds: float) -> None:
        """Evicts the pods of a cordoned node, as far as their disruption budgets let it, and waits until they are gone.

        What a pod keeps in memory or in an emptyDir goes with it, as with every restart on another node.

        Raises:
            KubectlError: some are still there after that time.
        """
        limits = [f"--timeout={seconds:.0f}s", "--ignore-daemonsets", "--delete-emptydir-data"]
        self._run(["drain", node, *limits])

    def wait_ready(self, node: str) -> None:
        """Waits until a node is Ready.

        Raises:
            KubectlError: it is not before the deadline.
        """
        self._run(["wait", "--for=condition=Ready", f"node/{node}", f"--timeout={self._left():.0f}s"])
