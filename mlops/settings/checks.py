"""Checks across settings: each takes the site, wrong values in it left unusable, and yields what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from urllib.parse import urlsplit

from mlops.settings.cluster import Arguments, ExistingCluster, MicroK8sCluster, set_by_platform
from mlops.settings.host_checks import HOST_CHECKS, NODES, addresses_of, nodes_of
from mlops.settings.proxy import Proxy
from mlops.settings.registries import Registry
from mlops.settings.report import Finding, show
from mlops.settings.section import UnusableError, usable
from mlops.settings.site import CLUSTER_DOMAIN, Site
from mlops.settings.stackfile import KeyPath

Check = Callable[[Site], Iterator[Finding]]

# Calico hands out blocks of 64 addresses; a host of 110 pods (the kubelet's limit) takes two, and as much again while pods move.
_PODS_PER_HOST = 256


def run(site: Site, checks: tuple[Check, ...]) -> list[Finding]:
    """Findings of all checks; a check that meets a value reported elsewhere ends there and keeps what it has found."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings.extend(finding for finding in check(site))
        except UnusableError:
            continue
    return findings


def domain_of_its_own(site: Site) -> Iterator[Finding]:
    """The platform's names must not be those of the cluster."""
    if f".{site.domain}".endswith(f".{CLUSTER_DOMAIN}"):
        yield Finding(("domain",), show(site.domain), f"a domain outside {CLUSTER_DOMAIN}, which names services inside the cluster")


def hosts_fit_cluster(site: Site) -> Iterator[Finding]:
    """MicroK8s needs hosts; an existing cluster has its own."""
    if isinstance(site.cluster, MicroK8sCluster) and site.hosts is None:
        yield Finding(("hosts",), "", "the hosts that become the MicroK8s cluster", "add `onprem-mlops:hosts:`")
    if isinstance(site.cluster, ExistingCluster) and site.hosts is not None:
        yield Finding(
            ("hosts",),
            "hosts beside an existing cluster",
            "no hosts: nothing is installed on an existing cluster's machines",
            "take `onprem-mlops:hosts` out, or set cluster.kind to microk8s",
        )


def hosts_in_subnet(site: Site) -> Iterator[Finding]:
    """Hosts and load balancer share one subnet, or nobody answers for the load balancer's addresses (MetalLB, layer 2)."""
    subnet = site.network.node_subnet
    if subnet is None:
        if isinstance(site.cluster, MicroK8sCluster):
            yield Finding(
                ("network", "nodeSubnet"), "", "the network in which the hosts lie, e.g. 192.0.2.0/24", "add `nodeSubnet:`"
            )
        return
    for index, node in addresses_of(site):
        path = (*NODES, index, "address")
        if node.address not in subnet:
            yield Finding(path, str(node.address), f"an address inside network.nodeSubnet, {subnet}")
        elif _is_edge(node.address, subnet):
            yield Finding(path, f"{node.address}, the network's own or broadcast address", f"a host address inside {subnet}")


def cluster_networks(site: Site) -> Iterator[Finding]:
    """Pods and services need room; no service network may be above a /12 (kube-apiserver, service-cluster-ip-range)."""
    network = site.network
    if usable(network.service_cidr) and not 12 <= network.service_cidr.prefixlen <= 24:
        yield Finding(("network", "serviceCidr"), str(network.service_cidr), "a network from /12 to /24: at least 256 services")
    if usable(network.pod_cidr):
        needed = _PODS_PER_HOST * max(1, len(nodes_of(site)))
        if network.pod_cidr.num_addresses < needed:
            yield Finding(
                ("network", "podCidr"),
                f"{network.pod_cidr}, {network.pod_cidr.num_addresses} addresses",
                f"at least {needed} addresses: {_PODS_PER_HOST} for each host",
                f"take a /{32 - (needed - 1).bit_length()} or larger",
            )


def networks_are_apart(site: Site) -> Iterator[Finding]:
    """An address that means two things is reached as one of them only."""
    network = site.network
    named = [("podCidr", network.pod_cidr), ("serviceCidr", network.service_cidr), ("nodeSubnet", network.node_subnet)]
    given = [(key, cidr) for key, cidr in named if usable(cidr) and cidr is not None]
    for (key, cidr), (other_key, other) in combinations(given, 2):
        if cidr.overlaps(other):
            # The last of the two is the one to look at: the node subnet is a fact, the other two are free.
            where = ("network", key if other_key == "nodeSubnet" else other_key)
            pair = f"{key} {cidr} and {other_key} {other}"
            yield Finding(
                where, f"{pair}, which overlap", "networks that share no address", "move the cluster's own network elsewhere"
            )
    inner = [(key, cidr) for key, cidr in given if key != "nodeSubnet"]
    single: list[tuple[KeyPath, IPv4Address]] = [((*NODES, index, "address"), node.address) for index, node in addresses_of(site)]
    if usable(network.dns_servers):
        single += [(("network", "dnsServers", index), server) for index, server in enumerate(network.dns_servers)]
    for key, cidr in inner:
        for path, address in single:
            if address in cidr:
                yield Finding(path, f"{address}, inside network.{key} {cidr}", "an address outside the cluster's own networks")
        if usable(network.load_balancer_range) and network.load_balancer_range.overlaps(cidr):
            found = f"{network.load_balancer_range}, which overlaps network.{key} {cidr}"
            yield Finding(("network", "loadBalancerRange"), found, "addresses outside the cluster's own networks")


def load_balancer_range(site: Site) -> Iterator[Finding]:
    """The load balancer's addresses lie in the node subnet and belong to nobody else."""
    network = site.network
    balanced, subnet, path = network.load_balancer_range, network.node_subnet, ("network", "loadBalancerRange")
    if usable(network.gateway_address) and network.gateway_address not in balanced:
        where = ("network", "gatewayAddress")
        yield Finding(where, str(network.gateway_address), f"an address inside network.loadBalancerRange, {balanced}")
    taken = [(f"the host {node.name}" if usable(node.name) else "a host", node.address) for _, node in addresses_of(site)]
    if usable(network.dns_servers):
        taken += [("a DNS server", server) for server in network.dns_servers]
    for what, address in taken:
        if address in balanced:
            yield Finding(path, f"{balanced}, which contains {address} of {what}", "addresses that nobody uses", "move the range")
    if usable(subnet) and subnet is not None:
        if balanced.first not in subnet or balanced.last not in subnet:
            yield Finding(path, str(balanced), f"addresses inside network.nodeSubnet, {subnet}")
        elif _is_edge(balanced.first, subnet) or _is_edge(balanced.last, subnet):
            yield Finding(path, f"{balanced}, with the network's own or broadcast address", f"host addresses inside {subnet}")


def proxy_spares_the_site(site: Site) -> Iterator[Finding]:
    """What the proxy must not serve has to be known, and the proxy itself must not be a part of what it serves.

    Of a MicroK8s site all such addresses are settings that exist anyway. Of an existing cluster they are not: its pod and service
    networks have no default that could be relied on, and its machines are known by their subnet only.
    """
    proxy, network = site.proxy, site.network
    if proxy is None:
        return
    if isinstance(site.cluster, ExistingCluster):
        for key, field in (("podCidr", "pod_cidr"), ("serviceCidr", "service_cidr"), ("nodeSubnet", "node_subnet")):
            if field not in network.model_fields_set:
                yield Finding(
                    ("network", key),
                    "",
                    "the existing cluster's own network, which the proxy must not serve",
                    f"add `{key}:` with what the cluster uses",
                )
    for key, url in (("http", proxy.http), ("https", proxy.https)):
        address = _literal(urlsplit(url).hostname) if usable(url) and url else None
        if address is None:
            continue
        for name, place in (
            ("podCidr", network.pod_cidr),
            ("serviceCidr", network.service_cidr),
            ("loadBalancerRange", network.load_balancer_range),
        ):
            if usable(place) and address in place:
                yield Finding(
                    ("proxy", key),
                    f"{address}, inside network.{name} {place}",
                    "a proxy outside the platform, which is built through it",
                )


def mirrors_differ(site: Site) -> Iterator[Finding]:
    """A mirror asked twice answers no better."""
    for index, url in enumerate(site.sources.mirrors):
        if url in site.sources.mirrors[:index]:
            yield Finding(("sources", "mirrors", index), show(url), "each mirror once")


def arguments_are_free(site: Site) -> Iterator[Finding]:
    """An argument set twice is set as one of the two."""
    if not isinstance(site.cluster, MicroK8sCluster):
        return
    for field, info in Arguments.model_fields.items():
        program, arguments = info.alias or field, getattr(site.cluster.arguments, field)
        for name in arguments if usable(arguments) else ():
            setting = set_by_platform(program, name)
            if setting is not None:
                mend = f"set {setting}, which it follows from" if setting else "take it out"
                yield Finding(
                    ("cluster", "arguments", program, name), name, "arguments that the platform does not set itself", mend
                )


def registries_make_sense(site: Site) -> Iterator[Finding]:
    """Each registry and each of its mirrors once, and something to say of each."""
    if site.registries and isinstance(site.cluster, ExistingCluster):
        yield Finding(
            ("registries",),
            "registries beside an existing cluster",
            "no registries: an existing cluster's machines are set up by others",
            "take `onprem-mlops:registries` out",
        )
    first: dict[str, int] = {}
    for index, registry in enumerate(site.registries):
        path: KeyPath = ("registries", index)
        if usable(registry.host):
            if registry.host in first:
                mend = f"bring its mirrors together in registries[{first[registry.host]}]"
                yield Finding((*path, "host"), show(registry.host), "each registry once", mend)
            first.setdefault(registry.host, index)
        if not usable(registry.mirrors):
            continue
        if not registry.mirrors and registry.username is None:
            yield Finding(path, "neither mirrors nor a login", "mirrors, username with password, or both", "take it out")
        urls = [mirror.url for mirror in registry.mirrors]
        for place, mirror in enumerate(registry.mirrors):
            where = (*path, "mirrors", place)
            if not usable(mirror.url):
                continue
            if mirror.url in (url for url in urls[:place] if usable(url)):
                yield Finding((*where, "url"), show(mirror.url), "each mirror once")
            if mirror.url.startswith("http://") and mirror.certificate_authority is not None:
                yield Finding((*where, "url"), show(mirror.url), "an https:// URL: certificateAuthority stands beside it")


def half_logins(site: Site) -> Iterator[Finding]:
    """A password is nobody's without its user; a user without a password is told as a missing secret."""
    places: list[tuple[KeyPath, Proxy | Registry]] = [(("registries", index), each) for index, each in enumerate(site.registries)]
    if site.proxy is not None:
        places.append((("proxy",), site.proxy))
    for path, login in places:
        if usable(login) and login.password is not None and login.username is None:
            yield Finding((*path, "password"), "a password without a user", "username and password, or neither", "add `username:`")


def kubeflow_is_whole(site: Site) -> Iterator[Finding]:
    """A part without what it needs would be installed and not work."""
    if site.kubeflow is None:
        return
    parts = site.kubeflow.parts
    path = ("kubeflow", "parts")
    for index, part in enumerate(parts):
        if part in parts[:index]:
            yield Finding((*path, index), show(part), "each part once")
    for part, needed in site.kubeflow.lacking():
        yield Finding(
            path, f"{part} without {needed}", f"{part} together with {needed}, which it needs", f"add {needed}, or take {part} out"
        )


def data_outlives_no_reset(site: Site) -> Iterator[Finding]:
    """A reset host has no data left, whatever the settings of the data wish."""
    if site.hosts is None or site.hosts.on_destroy != "reset":
        return
    if "on_destroy" in site.data.model_fields_set and site.data.on_destroy == "keep":
        yield Finding(
            ("data", "onDestroy"),
            "keep beside hosts.onDestroy reset",
            "remove, or nothing: resetting the hosts removes the volumes with everything on them",
            "set hosts.onDestroy to keep, or take data.onDestroy out",
        )


def _is_edge(address: IPv4Address, subnet: IPv4Network) -> bool:
    return subnet.prefixlen < 31 and address in {subnet.network_address, subnet.broadcast_address}


def _literal(host: str | None) -> IPv4Address | None:
    try:
        return IPv4Address(host or "")
    except ValueError:
        return None


CHECKS: tuple[Check, ...] = (
    domain_of_its_own,
    hosts_fit_cluster,
    *HOST_CHECKS,
    hosts_in_subnet,
    cluster_networks,
    networks_are_apart,
    load_balancer_range,
    proxy_spares_the_site,
    mirrors_differ,
    arguments_are_free,
    registries_make_sense,
    half_logins,
    kubeflow_is_whole,
    data_outlives_no_reset,
)
