"""The platform: settings -> layers in order -> outputs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pulumi

from components.certificates import CertManager, CertManagerArgs
from components.cluster import Cluster, ExistingCluster, ExistingClusterArgs, MicroK8s, MicroK8sArgs
from components.configuration import read_site
from components.hosts import PreparedHosts, PreparedHostsArgs
from components.outputs import export_outputs
from components.proxy import proxy_access
from components.trust import CaChain, CaChainArgs
from mlops.bundles import Bundle, Kustomize, Places, default_cache, load_bundle
from mlops.errors import UserError
from mlops.settings import MicroK8sCluster, Site


def build_cluster(site: Site, trust: CaChain) -> Cluster:
    """The cluster, and for MicroK8s the hosts below it."""
    if not isinstance(site.cluster, MicroK8sCluster):
        return ExistingCluster("cluster", ExistingClusterArgs(settings=site.cluster))
    if site.hosts is None:
        raise ValueError("the settings refuse MicroK8s without hosts")
    proxy = proxy_access(site)
    hosts = PreparedHosts(
        "hosts",
        PreparedHostsArgs(
            hosts=site.hosts,
            trust_bundle=trust.bundle,
            proxy=proxy,
        ),
    )
    return MicroK8s(
        "cluster",
        MicroK8sArgs(
            hosts=site.hosts,
            settings=site.cluster,
            network=site.network,
            proxy=proxy,
            after=hosts.prepared,
        ),
    )


def bundle_loader(site: Site) -> Callable[[str], Bundle]:
    """Renders bundles of this checkout from the places that the settings name."""
    checkout = Path(__file__).parent
    places = Places.from_environment(checkout=checkout, air_gap=site.sources.air_gap, mirrors=site.sources.mirrors)
    return partial(
        load_bundle, manifests=checkout / "manifests", places=places, cache=default_cache(), kustomize=Kustomize.pinned()
    )


def build(site: Site) -> None:
    """Registers every layer."""
    trust = CaChain("trust", CaChainArgs(site=site.name, authority=site.trust.authority, extra_roots=site.trust.extra_roots))
    cluster = build_cluster(site, trust)
    certificates = CertManager(
        "certificates",
        CertManagerArgs(
            cluster=cluster.access,
            load=bundle_loader(site),
            issuer_certificate=trust.issuer_certificate,
            issuer_key=trust.issuer_key,
        ),
    )
    export_outputs(
        ca_certificate=trust.root_certificate,
        kubeconfig=cluster.access.kubeconfig,
        layers=[trust.outputs, cluster.outputs, certificates.outputs],
    )


try:
    build(read_site())
except UserError as error:
    # a user's mistake is told without a traceback
    raise pulumi.RunError(str(error)) from None
