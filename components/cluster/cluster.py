"""What every kind of cluster offers to the layers above."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from components.outputs import LayerOutputs


class Cluster(pulumi.ComponentResource):
    """A Kubernetes cluster whose nodes are Ready.

    Attributes:
        kubeconfig: administrator's access; secret. Unknown in a preview until the cluster exists.
        context: context of the kubeconfig, None for its current one.
        provider: the Kubernetes provider that the layers above register their objects with.
        outputs: endpoint of the API server and version.
    """

    kubeconfig: pulumi.Output[str]
    context: str | None
    provider: kubernetes.Provider
    outputs: LayerOutputs

    def _connect(self, name: str, kubeconfig: pulumi.Output[str], *, context: str | None, after: list[pulumi.Resource]) -> None:
        """Sets ``kubeconfig`` and ``provider``; objects wait for ``after``, since they depend on the provider."""
        self.kubeconfig = pulumi.Output.secret(kubeconfig)
        self.context = context
        self.provider = kubernetes.Provider(
            f"{name}-kubernetes",
            kubeconfig=self.kubeconfig,
            context=context,
            # A new text of the same cluster's kubeconfig (renewed certificate) must not replace every object below it.
            cluster_identifier=name,
            # Otherwise a changed ConfigMap or Secret is replaced, and whatever mounts it restarts twice.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
