"""cert-manager from its pinned upstream manifests, and the issuing CA as a ClusterIssuer.

Every certificate above this layer is a cert-manager Certificate that names this issuer, and so renews by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pulumi

from components.access import ClusterAccess
from components.bundle import Bundle, BundleArgs
from components.outputs import LayerOutputs
from mlops.bundles import Bundle as RenderedBundle
from mlops.ordering import KubeObject, build_graph, from_bodies

BUNDLE = "cert-manager"
NAMESPACE = "cert-manager"
"""cert-manager looks for the Secret of a ClusterIssuer in its own namespace (its "cluster resource namespace")."""
CA_SECRET = "site-issuing-ca"  # noqa: S105 - a name, not a secret
CLUSTER_ISSUER = "site-ca"


@dataclass(frozen=True, kw_only=True)
class CertManagerArgs:
    """What cert-manager is given.

    Attributes:
        cluster: where it goes.
        load: renders a bundle of ``manifests/`` by its name.
        issuer_certificate: PEM of the intermediate and the certificates above it, root last.
        issuer_key: PEM of the intermediate's private key; secret.
    """

    cluster: ClusterAccess
    load: Callable[[str], RenderedBundle]
    issuer_certificate: pulumi.Input[str]
    issuer_key: pulumi.Input[str]


class CertManager(pulumi.ComponentResource):
    """cert-manager, answering, with a ClusterIssuer that is Ready.

    Attributes:
        cluster_issuer: name of the ClusterIssuer; an output, so that who uses it waits for it.
        outputs: version.
    """

    cluster_issuer: pulumi.Output[str]
    outputs: LayerOutputs

    def __init__(self, name: str, args: CertManagerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("onprem-mlops:certificates:CertManager", name, {}, opts)
        upstream = args.load(BUNDLE)
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
        graph = build_graph([*upstream.objects, *own])
        bundle = Bundle(name, BundleArgs(graph=graph, cluster=args.cluster), pulumi.ResourceOptions(parent=self))
        issuer = next(bundle.resources[item.ref] for item in own if item.kind == "ClusterIssuer")
        self.cluster_issuer = issuer.id.apply(lambda _: CLUSTER_ISSUER)
        self.outputs = LayerOutputs(versions={"cert-manager": _version(upstream.objects)})
        self.register_outputs({"clusterIssuer": self.cluster_issuer})


def _version(objects: Iterable[KubeObject]) -> str:
    """Upstream labels everything with its release."""
    return next(item.labels["app.kubernetes.io/version"] for item in objects if item.kind == "Deployment")
