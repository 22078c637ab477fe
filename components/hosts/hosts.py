"""Prepares the site's hosts over SSH, all of them at the same time, one command at a time on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_command import remote

from components.proxy import ProxyAccess, environment_lines
from components.remote import remote_step
from mlops.settings import Hosts

MIN_FREE_KIB = 20 * 1024 * 1024
"""MicroK8s and its first images need about 8 GiB under /var/snap; below 20 GiB the kubelet soon evicts pods."""


@dataclass(frozen=True, kw_only=True)
class PreparedHostsArgs:
    """What the hosts are given.

    Attributes:
        hosts: the site's hosts and how they are reached.
        trust_bundle: PEM certificates for the host's own store.
        proxy: the way to the outside.
    """

    hosts: Hosts
    trust_bundle: pulumi.Input[str]
    proxy: ProxyAccess


class PreparedHosts(pulumi.ComponentResource):
    """Hosts that are ready for a cluster.

    Attributes:
        prepared: host name to the resource that ends its preparation; what follows on that host depends on it.
    """

    prepared: Mapping[str, remote.Command]

    def __init__(self, name: str, args: PreparedHostsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("onprem-mlops:hosts:PreparedHosts", name, {"hosts": [node.name for node in args.hosts.nodes]}, opts)
        self.prepared = {
            node.name: remote_step(
                f"{name}-{node.name}-prepare",
                "prepare",
                host=node,
                access=args.hosts.access_of(node),
                values={
                    "HOST_NAME": node.name,
                    "OS_FAMILY": node.os_family,
                    "MIN_FREE_KIB": str(MIN_FREE_KIB),
                    "CERTIFICATES": args.trust_bundle,
                    "PROXY_ENVIRONMENT": args.proxy.environment.apply(environment_lines),
                    "APT_PROXY_CONFIGURATION": args.proxy.environment.apply(_apt_configuration),
                    **args.proxy.secrets,
                },
                secrets=tuple(args.proxy.secrets),
                undo=args.hosts.on_destroy == "reset",
                opts=pulumi.ResourceOptions(parent=self),
            )
            for node in args.hosts.nodes
        }
        self.register_outputs({"hosts": sorted(self.prepared)})


def _apt_configuration(variables: Mapping[str, str]) -> str:
    return "\n".join(
        f'Acquire::{scheme}::Proxy "{variables[name]}";'
        for scheme, name in (("http", "HTTP_PROXY"), ("https", "HTTPS_PROXY"))
        if name in variables
    )
