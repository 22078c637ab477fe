"""Prepares the site's hosts over SSH, all of them at the same time, one command at a time on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_command import remote

from components.proxy import ProxyAccess, environment_lines
from components.remote import remote_step
from mlops.settings import Host, Hosts, Network


@dataclass(frozen=True, kw_only=True)
class PreparedHostsArgs:
    """What the hosts are given.

    Attributes:
        hosts: the site's hosts and how they are reached.
        trust_bundle: PEM certificates for the host's own store.
        proxy: the way to the outside.
        network: networks of the pods and services, for the firewall.
        offline: whether snaps come from the machine that deploys, not from the store.
        after: host name to the resource that its preparation waits for.
    """

    hosts: Hosts
    trust_bundle: pulumi.Input[str]
    proxy: ProxyAccess
    network: Network
    offline: bool = False
    after: Mapping[str, pulumi.Resource]


class PreparedHosts(pulumi.ComponentResource):
    """Hosts that are ready for a cluster; those that are declared lost are left alone.

    What a host was given is taken back by the step that removes it from the cluster, so nothing here has a deletion.

    Attributes:
        prepared: host name to the resource that ends its preparation; what follows on that host depends on it.
    """

    prepared: Mapping[str, remote.Command]

    def __init__(self, name: str, args: PreparedHostsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        living = args.hosts.in_joining_order()
        super().__init__("onprem-mlops:hosts:PreparedHosts", name, {"hosts": [node.name for node in living]}, opts)
        common = _common(args)
        self.prepared = {
            node.name: remote_step(
                f"{name}-{node.name}-prepare",
                "prepare",
                host=node,
                access=args.hosts.access_of(node),
                values={**_own(node), **common},
                secrets=tuple(args.proxy.secrets),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[args.after[node.name]]),
            )
            for node in living
        }
        self.register_outputs({"hosts": sorted(self.prepared)})


def _common(args: PreparedHostsArgs) -> Mapping[str, pulumi.Input[str]]:
    """What every host is told."""

    def variable(name: str) -> pulumi.Output[str]:
        return args.proxy.environment.apply(lambda variables: variables.get(name, ""))

    addresses = [str(other.address) for other in args.hosts.in_joining_order()]
    return {
        "CERTIFICATES": args.trust_bundle,
        "PROXY_ENVIRONMENT": args.proxy.environment.apply(environment_lines),
        "PLAIN_PROXY": variable("HTTP_PROXY"),
        "TLS_PROXY": variable("HTTPS_PROXY"),
        "DIRECT": variable("NO_PROXY"),
        "OFFLINE": "yes" if args.offline else "no",
        "FIREWALL": args.hosts.firewall,
        "FIREWALL_SOURCES": " ".join([str(args.network.pod_cidr), str(args.network.service_cidr), *addresses]),
        "SELINUX": args.hosts.selinux,
        **args.proxy.secrets,
    }


def _own(node: Host) -> Mapping[str, str]:
    return {
        "HOST_NAME": node.name,
        "ADDRESS": str(node.address),
        "OS_FAMILY": node.os_family,
        "STORAGE": "yes" if "storage" in node.roles else "no",
    }
