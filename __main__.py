"""The platform: settings -> layers in order -> outputs."""

from pathlib import Path

import pulumi
from pulumi.runtime.proto.source_pb2 import StackTrace

from components.bundle import ClusterObjects, ClusterObjectsArgs
from components.certificates import CertManager, CertManagerArgs
from components.cluster import Cluster, ExistingCluster, ExistingClusterArgs, MicroK8s, MicroK8sArgs
from components.configuration import read_site
from components.hosts import PreparedHosts, PreparedHostsArgs
from components.hosts.preflight import Preflight, PreflightArgs
from components.kubeflow import Kubeflow, KubeflowArgs
from components.manifests import Manifests
from components.outputs import LayerOutputs, export_outputs
from components.proxy import proxy_access
from components.trust import CaChain, CaChainArgs
from mlops.bundles import bundles_in
from mlops.bundles.requests import Demand, demand
from mlops.errors import UserError
from mlops.hosts.expectations import enabled_bundles
from mlops.settings import MicroK8sCluster, Site


def build_cluster(site: Site, trust: CaChain, manifests: Manifests) -> Cluster:
    """The cluster, and for MicroK8s the hosts below it."""
    if not isinstance(site.cluster, MicroK8sCluster):
        return ExistingCluster("cluster", ExistingClusterArgs(settings=site.cluster))
    if site.hosts is None:
        raise ValueError("the settings refuse MicroK8s without hosts")
    proxy = proxy_access(site)
    preflight = Preflight("hosts", PreflightArgs(site=site, proxy=proxy, demand=demand_of(site, manifests)))
    hosts = PreparedHosts(
        "hosts",
        PreparedHostsArgs(
            hosts=site.hosts,
            trust_bundle=trust.bundle,
            proxy=proxy,
            network=site.network,
            offline=site.cluster.offline is not None,
            after=dict.fromkeys(preflight.probes, preflight.passed),
        ),
    )
    return MicroK8s(
        "cluster",
        MicroK8sArgs(
            hosts=site.hosts,
            settings=site.cluster,
            network=site.network,
            registries=site.registries,
            proxy=proxy,
            trust_bundle=trust.bundle,
            machine_ids=preflight.machine_ids,
            kernel_has_ip_tables=preflight.kernel_has_ip_tables,
            after=hosts.prepared,
        ),
    )


def demand_of(site: Site, manifests: Manifests) -> Demand:
    """What the site's layers ask of its hosts together."""
    bundles = manifests.load(*enabled_bundles(site, bundles_in(manifests.folder)))
    return demand(item for bundle in bundles for item in bundle.objects)


def build_platform(site: Site, trust: CaChain, cluster: Cluster, manifests: Manifests) -> list[LayerOutputs]:
    """The layers whose objects go into the cluster; all of these are put in order together."""
    objects = ClusterObjects(
        ClusterObjectsArgs(cluster=cluster.access, manifests=manifests, deadlines=site.deadlines, data=site.data)
    )
    certificates = CertManager(
        "certificates",
        CertManagerArgs(
            manifests=manifests,
            objects=objects,
            issuer_certificate=trust.issuer_certificate,
            issuer_key=trust.issuer_key,
        ),
    )
    outputs = [certificates.outputs]
    if site.kubeflow is not None:
        outputs.append(Kubeflow("kubeflow", KubeflowArgs(settings=site.kubeflow, manifests=manifests, objects=objects)).outputs)
    objects.register()
    return outputs


async def build(site: Site) -> None:
    """Registers every layer.

    The SDK registers while the program waits. Waiting for the first layer sets the engine and its plugins to work while the program
    goes on. And after a program that has waited the SDK sees registrations under way and waits for those one by one; after one that
    has not, it sees outputs only, and looks through all of them each time that one is there: a third of the program's time.
    """
    trust = CaChain("trust", CaChainArgs(site=site.name, authority=site.trust.authority, extra_roots=site.trust.extra_roots))
    await trust.urn.future()
    manifests = Manifests.of(Path(__file__).parent, site.sources)
    cluster = build_cluster(site, trust, manifests)
    await cluster.urn.future()
    export_outputs(
        ca_certificate=trust.root_certificate,
        kubeconfig=cluster.access.kubeconfig,
        layers=[trust.outputs, cluster.outputs, *build_platform(site, trust, cluster, manifests)],
    )


async def program() -> None:
    """The program; a user's mistake is told without a traceback."""
    try:
        await build(read_site())
    except UserError as error:
        raise pulumi.RunError(str(error)) from None


# The SDK sends six lines for debugging with each resource, and the whole program stands still until the engine has put each in its
# log: an eighth of a run without a change over 20 hosts. `pulumi up --logtostderr -v=9` still tells what the engine does.
pulumi.log.debug = lambda *_, **__: None
# Nor does anybody read the calls that led to each resource, 1.6 kB each in the state: a twentieth of it.
pulumi.runtime.resource._get_stack_trace = StackTrace  # noqa: SLF001 - the pinned SDK has no setting for it
pulumi.run(program)
