"""What MicroK8s is on one node: arguments of its programs, files they read, and the launch configuration with both.

A node gets all of it twice. The launch configuration is read while MicroK8s is installed, so that nothing has to be restarted
for it; fields: canonical/microk8s-cluster-agent ``pkg/k8sinit/schema.go``, version 0.2.0. Later the step ``configure`` compares and
changes: a join replaces the kubelet's arguments by those of the contacted node (canonical/microk8s ``scripts/wrappers/join.py``).

The addon hostpath-storage is the default StorageClass as long as the platform brings none of its own: volumes are folders of the
host on which their pod first runs, and the pod stays there.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import yaml

from mlops.hosts.apiserver import ARGUMENTS_FOLDER, ApiServer
from mlops.settings import CLUSTER_DOMAIN, Arguments

Daemon = Literal["kubelite", "none"]
Component = Literal["kube-apiserver", "kubelet", "kube-proxy", "kube-controller-manager", "kube-scheduler"]

_LAUNCH_FIELDS: Mapping[Component, str] = {
    "kube-apiserver": "extraKubeAPIServerArgs",
    "kubelet": "extraKubeletArgs",
    "kube-proxy": "extraKubeProxyArgs",
    "kube-controller-manager": "extraKubeControllerManagerArgs",
    "kube-scheduler": "extraKubeSchedulerArgs",
}


def minor_version(channel: str) -> tuple[int, int]:
    """Minor version of Kubernetes in a channel of the snap: ``1.35/stable`` is ``(1, 35)``.

    Raises:
        ValueError: it names none.
    """
    found = re.match(r"(\d+)\.(\d+)\b", channel)
    if found is None:
        message = f"no version in channel {channel!r}"
        raise ValueError(message)
    return int(found[1]), int(found[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """MicroK8s on one node.

    Attributes:
        control_plane: whether the node runs an API server; a worker gets none of its files, keys of the cluster among them.
        pod_cidr: network of the pods, e.g. ``10.1.0.0/16``.
        service_cidr: network of the Services, e.g. ``10.152.183.0/24``.
        cluster_dns: address of the cluster's own resolver.
        kubernetes_service: address of the API server inside the cluster.
        api_server_names: further names and addresses in this node's API server certificate; its own, so that a node more changes
            nothing on the others.
        dns_servers: servers to which the cluster's DNS forwards; empty means those of the host.
        kube_proxy_mode: ``iptables`` or ``nftables``.
        api_server: files and arguments of the API server.
        further: arguments that the settings add.
        registries: registry to the text of its hosts.toml. As secret as the passwords in them.
        registry_files: absolute path to text: certificates of mirrors.
        starts_addons: only for the node that starts the cluster.
    """

    control_plane: bool
    pod_cidr: str
    service_cidr: str
    cluster_dns: str
    kubernetes_service: str
    api_server_names: Sequence[str]
    dns_servers: Sequence[str] = ()
    kube_proxy_mode: str = "iptables"
    api_server: ApiServer = field(default_factory=ApiServer)
    further: Arguments = field(default_factory=Arguments)
    registries: Mapping[str, str] = field(default_factory=dict)
    registry_files: Mapping[str, str] = field(default_factory=dict)
    starts_addons: bool = False

    def arguments(self) -> dict[Component, dict[str, str]]:
        """Program to its arguments; those that are not named stay as MicroK8s sets them."""
        further = self.further
        found: dict[Component, dict[str, str]] = {
            "kubelet": {"--cluster-domain": CLUSTER_DOMAIN, "--cluster-dns": self.cluster_dns, **further.kubelet},
            "kube-proxy": {
                "--cluster-cidr": self.pod_cidr,
                "--proxy-mode": self.kube_proxy_mode,
                # 127.0.0.1 by default, which no Prometheus reaches
                "--metrics-bind-address": "0.0.0.0:10249",
                **further.kube_proxy,
            },
        }
        if self.control_plane:
            own = self._before_joining()
            metrics = {"--bind-address": "0.0.0.0"}  # noqa: S104 - HTTPS, for those who may read metrics
            found["kube-apiserver"] = {**own["kube-apiserver"], **self.api_server.arguments, **further.api_server}
            found["kube-controller-manager"] = {**own["kube-controller-manager"], **metrics, **further.controller_manager}
            found["kube-scheduler"] = {**metrics, **further.scheduler}
        return found

    def _before_joining(self) -> dict[Component, dict[str, str]]:
        """Arguments of the control plane that every node has until it joins, a worker too."""
        services = {"--service-cluster-ip-range": self.service_cidr}
        # MicroK8s starts with AlwaysAllow; the rbac addon would switch it later and restart the API servers
        return {"kube-apiserver": {"--authorization-mode": "RBAC,Node", **services}, "kube-controller-manager": services}

    def launch_configuration(self) -> str:
        """The launch configuration, as YAML text: the same for the same node.

        A file of our own replaces the built-in one, so the DNS settings that stand in that one are among the arguments; without
        them pods cannot resolve names.
        """
        document: dict[str, object] = {
            "version": "0.2.0",
            **{_LAUNCH_FIELDS[component]: given for component, given in {**self._before_joining(), **self.arguments()}.items()},
            "extraCNIEnv": {"IPv4_SUPPORT": "true", "IPv4_CLUSTER_CIDR": self.pod_cidr, "IPv4_SERVICE_CIDR": self.service_cidr},
            # the certificate template names 10.152.183.1 only, so the first address of another service network is added
            "extraSANs": sorted({*self.api_server_names, self.kubernetes_service}),
        }
        if self.control_plane:
            document["extraConfigFiles"] = {**self.api_server.restarting, **self.api_server.reloaded}
        if self.registries:
            document["containerdRegistryConfigs"] = dict(self.registries)
        if self.starts_addons:
            # the second argument is the resolver's address: without it the addon takes any, unless the network is MicroK8s' default
            servers = ",".join(self.dns_servers) or "/etc/resolv.conf"
            document["addons"] = [{"name": "dns", "args": [servers, self.cluster_dns]}, {"name": "hostpath-storage"}]
        return yaml.safe_dump(document, sort_keys=True, width=1000)

    def argument_lines(self) -> str:
        """Arguments as the step ``configure`` reads them: lines ``PROGRAM --NAME=VALUE``."""
        return "\n".join(
            f"{component} {name}={value}"
            for component, arguments in sorted(self.arguments().items())
            for name, value in sorted(arguments.items())
        )

    def file_lines(self) -> str:
        """Files as the steps read them: lines ``DAEMON MODE PATH BASE64``, DAEMON being what has to be restarted for a new text."""
        return "\n".join(
            f"{daemon} {mode} {path} {base64.b64encode(text.encode()).decode()}" for daemon, mode, path, text in self._files()
        )

    def registry_file_lines(self) -> str:
        """The same for what has to be on the host before MicroK8s is."""
        return "\n".join(
            f"none 0644 {path} {base64.b64encode(text.encode()).decode()}" for path, text in sorted(self.registry_files.items())
        )

    def _files(self) -> Iterator[tuple[Daemon, str, str, str]]:
        for path, text in sorted(self.registry_files.items()):
            yield "none", "0644", path, text
        for registry, text in sorted(self.registries.items()):
            yield "none", "0600", f"{ARGUMENTS_FOLDER}/certs.d/{registry}/hosts.toml", text
        if self.control_plane:
            for name, text in sorted(self.api_server.restarting.items()):
                yield "kubelite", "0600", f"{ARGUMENTS_FOLDER}/{name}", text
            for name, text in sorted(self.api_server.reloaded.items()):
                yield "none", "0600", f"{ARGUMENTS_FOLDER}/{name}", text
