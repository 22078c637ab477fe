"""What every kind of cluster offers to the layers above."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from components.access import ClusterAccess
from components.outputs import LayerOutputs


class Cluster(pulumi.ComponentResource):
    """A Kubernetes cluster whose nodes are Ready.

    Attributes:
        access: what the layers above need to put objects into it.
        outputs: endpoint of the API server and version.
    """

    access: ClusterAccess
    outputs: LayerOutputs

    def _connect(self, name: str, kubeconfig: pulumi.Output[str], *, context: str | None, after: list[pulumi.Resource]) -> None:
        """Sets ``access``; objects wait for ``after``, since they depend on the provider."""
        secret: pulumi.Output[str] = pulumi.Output.secret(kubeconfig)
        provider = kubernetes.Provider(
            f"{name}-kubernetes",
            kubeconfig=secret,
            context=context,
            # A new text of the same cluster's kubeconfig (renewed certificate) must not replace every object below it.
            cluster_identifier=name,
            # Otherwise a changed ConfigMap or Secret is replaced, and whatever mounts it restarts twice.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            # Of 700 objects each waited 10 s for its turn on destroy: the provider allows itself 50 requests a second. And it reads
            # the schemas of all kinds within the timeout (32 s by default) while the API server is putting them together.
            kube_client_settings=kubernetes.KubeClientSettingsArgs(qps=1000, burst=2000, timeout=120),
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        self.access = ClusterAccess(kubeconfig=secret, context=context, provider=provider)
