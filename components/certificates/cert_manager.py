"""cert-manager from its pinned upstream manifests, and the issuing CA as a ClusterIssuer.

Every certificate above this layer is a cert-manager Certificate that names this issuer, and so renews by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pulumi

from components.bundle import ClusterObjects
from components.manifests import Manifests
from components.outputs import LayerOutputs
from mlops.ordering import KubeObject, from_bodies

BUNDLE = "cert-manager"
NAMESPACE = "cert-manager"
"""cert-manager looks for the Secret of a ClusterIssuer in its own namespace (its "cluster resource namespace")."""
CA_SECRET = "site-issuing-ca"  # noqa: S105 - a name, not a secret
CLUSTER_ISSUER = "site-ca"


@dataclass(frozen=True, kw_only=True)
class CertManagerArgs:
    """What cert-manager is given.

    Attributes:
        manifests: where its bundle comes from.
        objects: where its objects go.
        issuer_certificate: PEM of the intermediate and the certificates above it, root last.
        issuer_key: PEM of the intermediate's private key; secret.
    """

    manifests: Manifests
    objects: ClusterObjects
    issuer_certificate: pulumi.Input[str]
    issuer_key: pulumi.Input[str]


class CertManager(pulumi.ComponentResource):
    """cert-manager, answering, with a ClusterIssuer that is Ready.

    Attributes:
        outputs: version.
    """

    outputs: LayerOutputs

    def __init__(self, name: str, args: CertManagerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("onprem-mlops:certificates:CertManager", name, {}, opts)
        (upstream,) = args.manifests.load(BUNDLE)
        own = from_bodies(
            [
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": CA_SECRET, "namespace": NAMESPACE},
                    "type": "kubernetes.io/tls",
                    "stringData": {"tls.crt": args.issuer_certificate, "tls.key": args.issuer_key},
                },
                {
                    "apiVersion": "cert-manager.io/v1",
                    "kind": "ClusterIssuer",
                    "metadata": {"name": CLUSTER_ISSUER},
                    "spec": {"ca": {"secretName": CA_SECRET}},
                },
            ],
            origin="components.certificates",
        )
        args.objects.add(upstream, own=own, parent=self)
        self.outputs = LayerOutputs(versions={"cert-manager": _version(upstream.objects)})
        self.register_outputs({"clusterIssuer": CLUSTER_ISSUER})


def _version(objects: Iterable[KubeObject]) -> str:
    """Upstream labels everything with its release."""
    return next(item.labels["app.kubernetes.io/version"] for item in objects if item.kind == "Deployment")
