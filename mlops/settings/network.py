"""Address plan of the site: the cluster's own networks, and what the platform shows to its users."""

from __future__ import annotations

from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from pydantic import Field

from mlops.settings.section import Section
from mlops.settings.types import Address, AddressRange, Cidr

# MicroK8s' own defaults; Canonical documents them under "Configuring services".
DEFAULT_POD_CIDR = IPv4Network("10.1.0.0/16")
DEFAULT_SERVICE_CIDR = IPv4Network("10.152.183.0/24")


class Network(Section):
    """Address plan: four ranges that must not overlap, and the resolvers."""

    pod_cidr: Cidr = Field(
        default=DEFAULT_POD_CIDR, description="Network of the pods, at least 256 addresses a host; used inside the cluster only."
    )
    service_cidr: Cidr = Field(
        default=DEFAULT_SERVICE_CIDR, description="Network of the Kubernetes services, /24 or larger; used inside the cluster only."
    )
    node_subnet: Cidr | None = Field(
        default=None,
        description="Network in which the hosts and the load-balancer range lie; may be left out for an existing cluster.",
    )
    load_balancer_range: AddressRange = Field(
        description="Addresses that the platform may announce in the node subnet, FIRST-LAST; nobody else uses them, DHCP neither."
    )
    gateway_address: Address = Field(
        description="Address of the platform's gateway, to which its names resolve; in loadBalancerRange."
    )
    dns_servers: tuple[Address, ...] = Field(
        default=(), description="Resolvers for names outside the cluster; those of the hosts when left out."
    )

    @cached_property
    def cluster_dns(self) -> IPv4Address:
        """Address of the cluster's own resolver: the tenth of the service network, as MicroK8s sets it up."""
        return self.service_cidr[10]

    @cached_property
    def kubernetes_service(self) -> IPv4Address:
        """Address of the API server inside the cluster: the first of the service network."""
        return self.service_cidr[1]
