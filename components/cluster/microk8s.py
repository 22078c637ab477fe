"""MicroK8s: installed on all hosts at the same time, then joined and configured one host after the other."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_random as random
from pulumi_command import remote

from components.cluster.cluster import Cluster
from components.cluster.membership import departures, drain_step, members_step, nodes_step, return_step
from components.kubectl import kubectl_access
from components.late import together
from components.outputs import LayerOutputs
from components.proxy import ProxyAccess, environment_lines
from components.remote import connection, remote_step
from components.secrets import revealed
from mlops.hosts.apiserver import KEY_BYTES, ApiServer, api_server, key_name
from mlops.hosts.microk8s import Node, minor_version
from mlops.hosts.offline import IMAGES_FOLDER, SNAPS_FOLDER, snap_files
from mlops.hosts.registries import certificate_files, registry_texts
from mlops.settings import Host, Hosts, MicroK8sCluster, Network, Registry

INSTALL_WAIT_SECONDS = 900
JOIN_WAIT_SECONDS = 600
RESTART_WAIT_SECONDS = 600
TOKEN_LENGTH = 32  # MicroK8s wants just that many characters


@dataclass(frozen=True, kw_only=True)
class MicroK8sArgs:
    """What the cluster is made of.

    Attributes:
        hosts: the site's hosts; the first living control plane starts the cluster, the others join it.
        settings: the cluster's own settings.
        network: pod and service networks, DNS servers.
        registries: mirrors and logins for containerd.
        proxy: the way to the outside, for containerd.
        trust_bundle: PEM certificates that are in the hosts' own stores.
        machine_ids: living host to its machine id.
        kernel_has_ip_tables: living host to whether kube-proxy can use iptables there.
        after: living host to the resource that ends its preparation.
    """

    hosts: Hosts
    settings: MicroK8sCluster
    network: Network
    registries: tuple[Registry, ...]
    proxy: ProxyAccess
    trust_bundle: pulumi.Input[str]
    machine_ids: Mapping[str, pulumi.Input[str]]
    kernel_has_ip_tables: Mapping[str, pulumi.Input[bool]]
    after: Mapping[str, pulumi.Resource]


class MicroK8s(Cluster):
    """A MicroK8s cluster on the site's hosts."""

    def __init__(self, name: str, args: MicroK8sArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        self._order = args.hosts.in_joining_order()
        super().__init__(
            "onprem-mlops:cluster:MicroK8s",
            name,
            {"channel": args.settings.channel, "nodes": [node.name for node in self._order]},
            opts,
        )
        self._name, self._args = name, args
        self._snaps = snap_files(args.settings.offline) if args.settings.offline else []
        self._token = random.RandomPassword(f"{name}-token", length=TOKEN_LENGTH, special=False, opts=self._child([])).result
        self._keys = self._encryption_keys()
        self._common = self._of_every_host()
        self._described = self._descriptions()
        installed = {node.name: self._install(node) for node in self._order}
        first = args.hosts.first
        # every host is installed before the first one is configured: what an installation refuses, it refuses before any change
        description = self._step(
            first,
            "describe",
            {"ADDRESS": str(first.address), "TOKEN": self._token},
            secrets=("TOKEN",),
            after=list(installed.values()),
        )
        described = pulumi.Output.secret(description.stdout.apply(json.loads))
        kubeconfig: pulumi.Output[str] = described["kubeconfig"].apply(lambda text: base64.b64decode(text).decode())
        access = kubectl_access(kubeconfig, None)
        members = members_step(name, args.hosts, args.machine_ids, opts=self._child([description]))
        last: pulumi.Resource = members
        joined: dict[str, pulumi.Resource] = {}
        for node in self._order:
            joined[node.name] = last if node is first else self._join(node, described, [installed[node.name], last])
            drained = drain_step(name, node, access, args.settings.channel, opts=self._child([joined[node.name]]))
            configured = self._configure(node, [drained])
            last = return_step(name, node, access, args.settings.channel, opts=self._child([configured]))
        nodes = nodes_step(name, args.hosts, access, opts=self._child([last]))
        departing = departures(name, args.hosts, access, members, joined, opts=self._child([]))
        self._connect(name, kubeconfig, context=None, after=[nodes, *departing])
        self.outputs = LayerOutputs(
            endpoints={"kubernetes": f"https://{first.address}:16443"}, versions={"microk8s": args.settings.channel}
        )
        self.register_outputs({"kubeconfig": self.access.kubeconfig})

    def _child(self, after: list[pulumi.Resource]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=after)

    def _encryption_keys(self) -> list[pulumi.Output[str]]:
        """Keys of all epochs from 1 to the one after the present one (mlops.hosts.apiserver)."""
        return [
            random.RandomBytes(f"{self._name}-secrets-{key_name(epoch)}", length=KEY_BYTES, opts=self._child([])).base64
            for epoch in range(1, self._args.settings.secrets_encryption.epoch + 2)
        ]

    def _install(self, node: Host) -> remote.Command:
        described = self._described[node.name]
        values: dict[str, pulumi.Input[str]] = {
            **self._common,
            "LAUNCH_CONFIGURATION": described.apply(Node.launch_configuration),
            "POD_CIDR": str(self._args.network.pod_cidr),
            "SERVICE_CIDR": str(self._args.network.service_cidr),
            "FILES": described.apply(Node.registry_file_lines),
            "WAIT_SECONDS": str(INSTALL_WAIT_SECONDS),
        }
        after = [self._args.after[node.name], *self._copies(node)]
        return self._step(node, "microk8s", values, secrets=tuple(self._args.proxy.secrets), after=after)

    def _copies(self, node: Host) -> list[pulumi.Resource]:
        """Files for a host that does not reach the snap store; the provider closes its connection after each copy."""
        offline = self._args.settings.offline
        if offline is None:
            return []
        last: list[pulumi.Resource] = [self._args.after[node.name]]
        for kind, folder, target in (("snaps", offline.snaps, SNAPS_FOLDER), ("images", offline.images, IMAGES_FOLDER)):
            if folder is not None:
                copy = remote.CopyToRemote(
                    f"{self._name}-{node.name}-{kind}",
                    connection=connection(node, self._args.hosts.access_of(node)),
                    source=pulumi.FileArchive(f"{folder.rstrip('/')}/"),
                    remote_path=target,
                    opts=self._child(last),
                )
                last = [copy]
        return last

    def _join(self, node: Host, described: pulumi.Output[Mapping[str, str]], after: list[pulumi.Resource]) -> remote.Command:
        first = self._args.hosts.first
        values: dict[str, pulumi.Input[str]] = {
            "ROLE": _role(node),
            "FIRST_ADDRESS": str(first.address),
            "FIRST_NAME": first.name,
            "TOKEN": self._token,
            "AGENT_FINGERPRINT": described["agent"],
            "AUTHORITY_FINGERPRINT": described["authority"],
            "WAIT_SECONDS": str(JOIN_WAIT_SECONDS),
        }
        return self._step(node, "join", values, secrets=("TOKEN",), after=after)

    def _configure(self, node: Host, after: list[pulumi.Resource]) -> remote.Command:
        hosts, settings = self._args.hosts, self._args.settings
        described = self._described[node.name]
        first, last = node is hosts.first, node is hosts.control_planes[-1]
        storage = any("storage" in host.roles for host in self._order)
        values: dict[str, pulumi.Input[str]] = {
            **self._common,
            "ROLE": _role(node),
            "ARGUMENTS": described.apply(Node.argument_lines),
            "FILES": described.apply(Node.file_lines),
            "ENCRYPTION_KEY": key_name(settings.secrets_encryption.epoch),
            "WAIT_SECONDS": str(RESTART_WAIT_SECONDS),
            # what there is once in a cluster is set on the first host, so that a host more changes nothing on the others
            "FIRST": "yes" if first else "no",
            "DNS_SERVERS": " ".join(map(str, self._args.network.dns_servers)) if first else "",
            "CHECKSUM_OFFLOAD_BROKEN": "yes" if first and storage else "no",
            "CONTROL_PLANES": str(len(hosts.control_planes)) if last else "",
        }
        return self._step(node, "configure", values, secrets=tuple(self._args.proxy.secrets), after=after)

    def _of_every_host(self) -> dict[str, pulumi.Input[str]]:
        """What the steps that start daemons are told."""
        args = self._args
        return {
            "CHANNEL": args.settings.channel,
            "OFFLINE_SNAPS": " ".join(self._snaps),
            "CONTAINERD_ENVIRONMENT": args.proxy.environment.apply(environment_lines),
            "TRUST_DIGEST": pulumi.Output.from_input(args.trust_bundle).apply(_digest),
            **args.proxy.secrets,
        }

    def _descriptions(self) -> Mapping[str, pulumi.Output[Node]]:
        """Host to what MicroK8s is there; secret, since keys and passwords stand in it."""
        args, settings = self._args, self._args.settings
        passwords = {entry.host: revealed(entry.password) for entry in args.registries if entry.username and entry.password}
        server = together({"trusted": args.trust_bundle, "keys": self._keys}).apply(
            lambda known: api_server(
                audit=settings.audit,
                authentication=settings.authentication,
                trusted=known["trusted"],
                encryption_keys=dict(enumerate(known["keys"], 1)),
                minor=minor_version(settings.channel),
            )
        )
        registries = together(passwords).apply(lambda known: registry_texts(args.registries, known))
        files = certificate_files(args.registries)

        def described(node: Host) -> pulumi.Output[Node]:
            late = {"api_server": server, "registries": registries, "has_ip_tables": args.kernel_has_ip_tables[node.name]}
            return pulumi.Output.secret(together(late).apply(lambda known: self._node(node, files, **known)))

        return {node.name: described(node) for node in self._order}

    def _node(
        self, node: Host, files: Mapping[str, str], *, api_server: ApiServer, registries: Mapping[str, str], has_ip_tables: bool
    ) -> Node:
        args, settings = self._args, self._args.settings
        return Node(
            control_plane=node.is_control_plane,
            pod_cidr=str(args.network.pod_cidr),
            service_cidr=str(args.network.service_cidr),
            cluster_dns=str(args.network.cluster_dns),
            kubernetes_service=str(args.network.kubernetes_service),
            api_server_names=(node.name, str(node.address)),
            dns_servers=tuple(map(str, args.network.dns_servers)),
            kube_proxy_mode=_proxy_mode(settings.kube_proxy_mode, has_ip_tables=has_ip_tables),
            api_server=api_server,
            further=settings.arguments,
            registries=registries,
            registry_files=files,
            starts_addons=node is args.hosts.first,
        )

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
            opts=self._child(after),
        )


def _role(node: Host) -> str:
    return "control-plane" if node.is_control_plane else "worker"


def _proxy_mode(wanted: str, *, has_ip_tables: bool) -> str:
    """kube-proxy's mode on one node; without ip_tables MicroK8s 1.35 ends again and again (canonical/microk8s #5525)."""
    if wanted != "auto":
        return wanted
    return "iptables" if has_ip_tables else "nftables"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
