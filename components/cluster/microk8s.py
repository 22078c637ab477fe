"""MicroK8s: installed on all hosts at the same time, joined one after the other, each verified to be Ready before the next."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_random as random
from pulumi_command import remote

from components.cluster.cluster import Cluster
from components.outputs import LayerOutputs
from components.proxy import ProxyAccess, environment_lines
from components.remote import remote_step
from mlops.hosts import launch_configuration
from mlops.settings import Host, Hosts, MicroK8sCluster, Network

INSTALL_WAIT_SECONDS = 900
JOIN_WAIT_SECONDS = 600
TOKEN_LENGTH = 32  # MicroK8s wants just that many characters


@dataclass(frozen=True, kw_only=True)
class MicroK8sArgs:
    """What the cluster is made of.

    Attributes:
        hosts: the site's hosts; the first control-plane host starts the cluster, the others join it.
        settings: channel of the snap.
        network: pod and service networks, DNS servers.
        proxy: the way to the outside, for containerd.
        after: host name to the resource that ends the host's preparation.
    """

    hosts: Hosts
    settings: MicroK8sCluster
    network: Network
    proxy: ProxyAccess
    after: Mapping[str, pulumi.Resource]


class MicroK8s(Cluster):
    """A MicroK8s cluster on the site's hosts."""

    def __init__(self, name: str, args: MicroK8sArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(
            "onprem-mlops:cluster:MicroK8s",
            name,
            {"channel": args.settings.channel, "nodes": [node.name for node in args.hosts.nodes]},
            opts,
        )
        self._name, self._args = name, args
        first, *others = args.hosts.in_joining_order()
        token = random.RandomPassword(f"{name}-token", length=TOKEN_LENGTH, special=False, opts=pulumi.ResourceOptions(parent=self))
        installed = {node.name: self._install(node, token.result if node is first else None) for node in (first, *others)}
        description = self._step(first, "describe", {"ADDRESS": str(first.address)}, after=[installed[first.name]])
        described = pulumi.Output.secret(description.stdout.apply(json.loads))
        last: pulumi.Resource = description
        joins: list[pulumi.Resource] = [description]
        for node in others:
            last = self._step(
                node,
                "join",
                {
                    "ROLE": "control-plane" if node.is_control_plane else "worker",
                    "FIRST_ADDRESS": str(first.address),
                    "FIRST_NAME": first.name,
                    "TOKEN": token.result,
                    "AGENT_FINGERPRINT": described["agent"],
                    "AUTHORITY_FINGERPRINT": described["authority"],
                    "WAIT_SECONDS": str(JOIN_WAIT_SECONDS),
                },
                secrets=("TOKEN",),
                after=[installed[node.name], last],
            )
            joins.append(last)
        kubeconfig = described["kubeconfig"].apply(lambda text: base64.b64decode(text).decode())
        self._connect(name, kubeconfig, context=None, after=joins)
        self.outputs = LayerOutputs(
            endpoints={"kubernetes": f"https://{first.address}:16443"}, versions={"microk8s": args.settings.channel}
        )
        self.register_outputs({"kubeconfig": self.access.kubeconfig})

    def _install(self, node: Host, token: pulumi.Output[str] | None) -> remote.Command:
        args = self._args

        def configuration(known_token: str | None) -> str:
            return launch_configuration(
                pod_cidr=str(args.network.pod_cidr),
                service_cidr=str(args.network.service_cidr),
                api_server_names=[node.name, str(node.address)],
                dns_servers=[str(server) for server in args.network.dns_servers],
                cluster_token=known_token,
            )

        # The other hosts get no token: their own addons and tokens end with the join.
        text = configuration(None) if token is None else token.apply(configuration)
        values: dict[str, pulumi.Input[str]] = {
            "CHANNEL": args.settings.channel,
            "LAUNCH_CONFIGURATION": text,
            "CONTAINERD_ENVIRONMENT": args.proxy.environment.apply(environment_lines),
            "WAIT_SECONDS": str(INSTALL_WAIT_SECONDS),
            **args.proxy.secrets,
            "TOKEN": token if token is not None else "",
        }
        return self._step(node, "microk8s", values, secrets=(*args.proxy.secrets, "TOKEN"), after=[args.after[node.name]])

    def _step(
        self,
        node: Host,
        step: str,
        values: Mapping[str, pulumi.Input[str]],
        *,
        after: list[pulumi.Resource],
        secrets: tuple[str, ...] = (),
    ) -> remote.Command:
        return remote_step(
            f"{self._name}-{node.name}-{step}",
            step,
            host=node,
            access=self._args.hosts.access_of(node),
            values={"HOST_NAME": node.name, **values},
            secrets=secrets,
            undo=self._args.hosts.on_destroy == "reset",
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
