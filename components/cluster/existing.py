"""A cluster that somebody else runs: any conformant distribution, for development."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.cluster.cluster import Cluster
from components.outputs import LayerOutputs
from components.secrets import revealed
from mlops.settings import ExistingCluster as ExistingClusterSettings


@dataclass(frozen=True, kw_only=True)
class ExistingClusterArgs:
    """Settings of the cluster; its kubeconfig is a secret."""

    settings: ExistingClusterSettings


class ExistingCluster(Cluster):
    """Reaches the cluster by the kubeconfig of the settings; installs nothing."""

    def __init__(self, name: str, args: ExistingClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("onprem-mlops:cluster:ExistingCluster", name, {}, opts)
        kubeconfig = revealed(args.settings.kubeconfig)
        self._connect(name, kubeconfig, context=args.settings.context, after=[])
        self.outputs = LayerOutputs()
        self.register_outputs({"kubeconfig": self.access.kubeconfig})
