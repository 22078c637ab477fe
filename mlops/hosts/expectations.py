"""What hosts and site have to be like, as the settings say: plain data without secrets, judged together with the facts."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from itertools import islice
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from mlops.bundles.requests import Demand
from mlops.settings import Host, MicroK8sCluster, Site
from mlops.settings.certificates import load
from mlops.settings.kubeflow import PARTS

PEERS = 8
"""Hosts that each host connects to: all in a small site; in a large one those that follow it in the file, so that each is tried by
as many others and the effort grows with the hosts and not with their square."""
MOST_SHARED = 64
"""Addresses of the load balancer's range that are tried."""
ASK_SECONDS = 10
"""A question over the network that takes longer has no answer; only what does not answer takes so long."""

CONTROL_PLANE_PORTS = (16443, 25000, 19001, 10250)
NODE_PORTS = (10250,)
CERT_MANAGER = "cert-manager"
STORE = "api.snapcraft.io"
STORE_PATH = "/v2/snaps/info/microk8s?fields=channel-map"
# Behind the names that images begin with; Docker Hub's is not its own.
REGISTRY_HOSTS = {"docker.io": ("registry-1.docker.io", "auth.docker.io")}
# MicroK8s pulls its own images from these (docs of MicroK8s, build-scripts/images.txt).
OWN_REGISTRIES = ("docker.io", "registry.k8s.io")


class Strict(BaseModel):
    """Frozen data that goes as JSON and comes back the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Wanted(Strict):
    """One host of the settings.

    Attributes:
        name: its name.
        address: its address in the cluster.
        roles: what it does.
        os_family: family that the settings name, or ``auto``.
        data_disks: stable paths.
        labels: labels of its node.
        taints: taints of its node, as ``key=value:effect``.
    """

    name: str
    address: IPv4Address
    roles: tuple[str, ...]
    os_family: str
    data_disks: tuple[str, ...]
    labels: dict[str, str]
    taints: tuple[str, ...]

    @property
    def is_control_plane(self) -> bool:
        """Whether it runs the control plane."""
        return "control-plane" in self.roles

    @property
    def is_storage(self) -> bool:
        """Whether it holds replicated volumes."""
        return "storage" in self.roles


class Skipped(Strict):
    """A check that stops nothing: its name, the host (None: all), and why."""

    check: str
    host: str | None
    reason: str


class Expectations(Strict):
    """What the site's settings ask of its hosts.

    Attributes:
        site: name of the site.
        hosts: living hosts in joining order.
        lost: names of the dead ones.
        channel: of MicroK8s.
        offline: whether snaps come from a folder.
        kube_proxy_mode: of the settings.
        pod_cidr: network of the pods.
        service_cidr: network of the Services.
        node_subnet: network of the hosts.
        load_balancer: first and last address that the platform announces.
        firewall: ``open`` or ``leave``.
        selinux: ``leave`` or ``permissive``.
        proxy: the proxy's URL without credentials; empty without one.
        proxy_user: user at the proxy; empty without one.
        origins: what is asked on each host: name, port, path.
        extra_roots: subjects of the roots that the site trusts besides.
        demand: what the enabled layers ask for; None when it is not known.
        skipped: checks that stop nothing.
    """

    site: str
    hosts: tuple[Wanted, ...]
    lost: tuple[str, ...]
    channel: str
    offline: bool
    kube_proxy_mode: str
    pod_cidr: IPv4Network
    service_cidr: IPv4Network
    node_subnet: IPv4Network | None
    load_balancer: tuple[IPv4Address, IPv4Address]
    firewall: str
    selinux: str
    proxy: str
    proxy_user: str
    origins: tuple[tuple[str, int, str], ...]
    extra_roots: tuple[str, ...]
    demand: Demand | None
    skipped: tuple[Skipped, ...]

    def host(self, name: str) -> Wanted:
        """The host of that name (KeyError when there is none)."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def peers_of(self, host: Wanted) -> tuple[tuple[Wanted, int], ...]:
        """Hosts and ports that a host connects to."""
        start = self.hosts.index(host)
        others = [*self.hosts[start + 1 :], *self.hosts[:start]]
        return tuple(
            (other, port) for other in others[:PEERS] for port in (CONTROL_PLANE_PORTS if other.is_control_plane else NODE_PORTS)
        )


def expectations(site: Site, demand: Demand | None = None) -> Expectations:
    """What the settings of a site with hosts ask of them.

    Args:
        site: a site whose cluster is MicroK8s.
        demand: what the enabled layers ask for; None leaves the sums out.

    Raises:
        ValueError: the site has no hosts.
    """
    hosts, cluster = site.hosts, site.cluster
    if hosts is None or not isinstance(cluster, MicroK8sCluster):
        raise ValueError("the hosts of an existing cluster are not ours to judge")
    names = [certificate.subject.rfc4514_string() for pem in site.trust.extra_roots for certificate in load(pem)[1]]
    return Expectations(
        site=site.name,
        hosts=tuple(_wanted(host) for host in hosts.in_joining_order()),
        lost=tuple(host.name for host in hosts.lost),
        channel=cluster.channel,
        offline=cluster.offline is not None,
        kube_proxy_mode=cluster.kube_proxy_mode,
        pod_cidr=site.network.pod_cidr,
        service_cidr=site.network.service_cidr,
        node_subnet=site.network.node_subnet,
        load_balancer=(site.network.load_balancer_range.first, site.network.load_balancer_range.last),
        firewall=hosts.firewall,
        selinux=hosts.selinux,
        proxy=site.proxy.https_url if site.proxy else "",
        proxy_user=(site.proxy.username or "") if site.proxy else "",
        origins=_origins(site, cluster, demand),
        extra_roots=tuple(names),
        demand=demand,
        skipped=tuple(Skipped(check=skip.check, host=skip.host, reason=skip.reason) for skip in hosts.preflight.skip),
    )


def probe_values(site: Site, wanted: Expectations, host: Wanted, *, cluster: bool = False, records: bool = False) -> dict[str, str]:
    """Values of the step ``probe`` on a host, but for PROXY_PASSWORD and EPOCH.

    Args:
        site: the site.
        wanted: its expectations.
        host: one of its hosts.
        cluster: ask the cluster for nodes and volumes, on a control plane; done anyway where a host is declared lost.
        records: compare what was deployed with what is there, and ask nothing over the network for it.
    """
    others = [other for other in wanted.hosts if other != host]
    proxy = urlsplit(wanted.proxy)
    first, last = wanted.load_balancer
    shared = [IPv4Address(number) for number in islice(range(int(first), int(last) + 1), MOST_SHARED)]
    mirrors = [mirror for entry in site.registries for mirror in entry.mirrors]
    roots = [*site.trust.extra_roots, *(mirror.certificate_authority or "" for mirror in mirrors)]
    return {
        "HOST_NAME": host.name,
        "ASK_SECONDS": str(ASK_SECONDS),
        "OTHERS": "" if records else "\n".join(f"{other.name} {other.address}" for other in others),
        "PEERS": "" if records else "\n".join(f"{peer.address} {port}" for peer, port in wanted.peers_of(host)),
        # one host asks for all
        "SHARED_ADDRESSES": "\n".join(map(str, shared)) if host == wanted.hosts[0] and not records else "",
        "DATA_DISKS": "\n".join(host.data_disks),
        "ORIGINS": "" if records else "\n".join(f"{name} {port} {path}" for name, port, path in wanted.origins),
        "EXTRA_ROOTS": "\n".join(root for root in roots if root),
        "PROXY": f"{proxy.hostname} {proxy.port or 80}" if wanted.proxy and not records else "",
        "PROXY_USER": wanted.proxy_user,
        "NO_PROXY": ",".join(site.no_proxy),
        "ASK_CLUSTER": "yes" if (cluster or wanted.lost) and host.is_control_plane else "",
        "ASK_RECORDS": "yes" if records else "",
    }


def _wanted(host: Host) -> Wanted:
    return Wanted(
        name=host.name,
        address=host.address,
        roles=host.roles,
        os_family=host.os_family,
        data_disks=host.data_disks,
        labels=dict(host.labels),
        taints=tuple(f"{taint.key}={taint.value}:{taint.effect}" for taint in host.taints),
    )


def _origins(site: Site, cluster: MicroK8sCluster, demand: Demand | None) -> tuple[tuple[str, int, str], ...]:
    """The snap store unless snaps come from a folder; each registry, or what stands in for it."""
    found: dict[tuple[str, int, str], None] = {}
    if cluster.offline is None:
        found[STORE, 443, STORE_PATH] = None
    mirrored = {entry.host: [mirror.url for mirror in entry.mirrors] for entry in site.registries if entry.mirrors}
    own = () if cluster.offline is not None and cluster.offline.images is not None else OWN_REGISTRIES
    for registry in dict.fromkeys((*own, *(demand.registries if demand else ()))):
        for url in mirrored.get(registry, ()):
            parts = urlsplit(url)
            found[parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), "/v2/"] = None
        if registry not in mirrored:
            for name in REGISTRY_HOSTS.get(registry, (registry,)):
                found[name, 443, "/v2/"] = None
    return tuple(found)


def enabled_bundles(site: Site, known: Sequence[str]) -> tuple[str, ...]:
    """The bundles that a site installs, of those that there are: all but the parts of Kubeflow that it leaves out."""
    if site.kubeflow is None:
        return tuple(name for name in known if name == CERT_MANAGER)
    left_out = set(PARTS) - set(site.kubeflow.parts)
    return tuple(name for name in known if name not in left_out)
