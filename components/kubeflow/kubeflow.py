"""Kubeflow from its pinned upstream manifests, one bundle for each of its parts."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.bundle import ClusterObjects
from components.kubeflow.credentials import Credentials, CredentialsArgs
from components.manifests import Manifests
from components.outputs import LayerOutputs
from mlops.settings import Kubeflow as KubeflowSettings

ALWAYS = (
    "kubeflow-namespace",
    "kubeflow-roles",
    "kubeflow-issuer",
    "istio",
    "kubeflow-istio-resources",
    "oauth2-proxy",
    "dex",
    "dashboard",
)
"""Bundles that every part counts on: namespaces, roles, issuer, mesh and gateway, login, dashboard with profiles."""
SOURCE = "kubeflow"


@dataclass(frozen=True, kw_only=True)
class KubeflowArgs:
    """What Kubeflow is made of.

    Attributes:
        settings: which parts.
        manifests: where their bundles come from.
        objects: where their objects go.
    """

    settings: KubeflowSettings
    manifests: Manifests
    objects: ClusterObjects


class Kubeflow(pulumi.ComponentResource):
    """Kubeflow; cert-manager must be among the layers.

    Attributes:
        outputs: version, and the first user's password.
    """

    outputs: LayerOutputs

    def __init__(self, name: str, args: KubeflowArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("onprem-mlops:kubeflow:Kubeflow", name, {"parts": sorted(args.settings.parts)}, opts)
        bundles = args.manifests.load(*ALWAYS, *sorted(args.settings.parts))
        credentials = Credentials(f"{name}-credentials", CredentialsArgs(bundles=bundles), pulumi.ResourceOptions(parent=self))
        for bundle in credentials.bundles:
            args.objects.add(bundle, parent=self)
        version = args.manifests.version(SOURCE)
        self.outputs = LayerOutputs(versions={"kubeflow": version}, initial_credentials=credentials.outputs.initial_credentials)
        self.register_outputs({"version": version})
