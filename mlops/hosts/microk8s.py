"""The launch configuration that MicroK8s reads while it is installed.

Fields: canonical/microk8s-cluster-agent ``pkg/k8sinit/schema.go``, version 0.2.0. A file of our own replaces the built-in
one, so the DNS settings that stand in that one are repeated here; without them pods cannot resolve names.

The addon hostpath-storage is the default StorageClass as long as the platform brings none of its own: volumes are folders of the
host on which their pod first runs, and the pod stays there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import yaml

CLUSTER_DOMAIN = "cluster.local"
DNS_HOST_NUMBER = 10
"""The cluster's DNS server is the tenth address of the service network (MicroK8s' dns addon)."""


def launch_configuration(
    *,
    pod_cidr: str,
    service_cidr: str,
    api_server_names: Sequence[str],
    dns_servers: Sequence[str] = (),
    cluster_token: str | None = None,
) -> str:
    """The launch configuration of one node, as YAML text.

    Args:
        pod_cidr: network of the pods, e.g. ``10.1.0.0/16``.
        service_cidr: network of the Services, e.g. ``10.152.183.0/24``.
        api_server_names: further names and addresses in this node's API server certificate; its own, so that a node more
            changes nothing on the others.
        dns_servers: servers the cluster's DNS forwards to; empty means those of the host.
        cluster_token: 32 characters; only for the first node, which starts the addons and lets others join by this token.

    Returns:
        YAML, the same text for the same values.
    """
    services = ipaddress.ip_network(service_cidr)
    document: dict[str, object] = {
        "version": "0.2.0",
        "extraKubeletArgs": {"--cluster-domain": CLUSTER_DOMAIN, "--cluster-dns": str(services[DNS_HOST_NUMBER])},
        # MicroK8s starts with AlwaysAllow; the rbac addon would switch it later and restart the API servers
        "extraKubeAPIServerArgs": {"--authorization-mode": "RBAC,Node", "--service-cluster-ip-range": service_cidr},
        "extraKubeProxyArgs": {"--cluster-cidr": pod_cidr},
        "extraKubeControllerManagerArgs": {"--service-cluster-ip-range": service_cidr},
        "extraCNIEnv": {"IPv4_SUPPORT": "true", "IPv4_CLUSTER_CIDR": pod_cidr, "IPv4_SERVICE_CIDR": service_cidr},
        # the certificate template names 10.152.183.1 only, so the first address of another service network is added
        "extraSANs": sorted({*api_server_names, str(services[1])}),
    }
    if cluster_token is not None:
        dns: dict[str, object] = {"name": "dns"}
        if dns_servers:
            dns["args"] = [",".join(dns_servers)]
        document["addons"] = [dns, {"name": "hostpath-storage"}]
        document["persistentClusterToken"] = cluster_token
    return yaml.safe_dump(document, sort_keys=True, width=1000)
