"""Layer kubeflow: Kubeflow, whole or in parts, from its pinned upstream manifests."""

from components.kubeflow.kubeflow import Kubeflow, KubeflowArgs

__all__ = ["Kubeflow", "KubeflowArgs"]
