"""Access to a Kubernetes cluster, as the layers above it take it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pulumi
import pulumi_kubernetes as kubernetes

from components.kubectl import kubectl_access


@dataclass(frozen=True, kw_only=True)
class ClusterAccess:
    """How objects get into a cluster whose nodes are Ready.

    Attributes:
        kubeconfig: administrator's access; secret. Unknown in a preview until the cluster exists.
        context: context of the kubeconfig, None for its current one.
        provider: the Kubernetes provider that objects are registered with.
    """

    kubeconfig: pulumi.Output[str]
    context: str | None
    provider: kubernetes.Provider

    @cached_property
    def for_kubectl(self) -> pulumi.Output[str]:
        """The same for :func:`components.kubectl.kubectl_step`."""
        return kubectl_access(self.kubeconfig, self.context)
