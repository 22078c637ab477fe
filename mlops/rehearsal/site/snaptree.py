"""The files that the MicroK8s snap keeps on a host, written through the host's root file system as the frame sees it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mlops.rehearsal.site.layers import LIBRARY
from mlops.rehearsal.site.pki import Authority, KeyPair
from mlops.rehearsal.site.rooted import inside

REVISION = "8612"
# where the launch configuration is looked for, the first one found counts (canonical/microk8s-cluster-agent pkg/k8sinit)
LAUNCH_FILES = ("etc/microk8s.yaml", "root/snap/microk8s/common/.microk8s.yaml", "var/snap/microk8s/common/.microk8s.yaml")
LAUNCH_FIELDS = frozenset(
    {
        "version",
        "addonRepositories",
        "addons",
        "persistentClusterToken",
        "join",
        "containerdRegistryConfigs",
        "extraConfigFiles",
        "extraSANs",
        "extraKubeletArgs",
        "extraKubeAPIServerArgs",
        "extraKubeProxyArgs",
        "extraKubeControllerManagerArgs",
        "extraKubeSchedulerArgs",
        "extraContainerdArgs",
        "extraContainerdEnv",
        "extraKubeliteEnv",
        "extraDqliteArgs",
        "extraDqliteEnv",
        "extraMicroK8sClusterAgentArgs",
        "extraMicroK8sClusterAgentEnv",
        "extraMicroK8sAPIServerProxyArgs",
        "extraMicroK8sAPIServerProxyEnv",
        "extraEtcdArgs",
        "extraEtcdEnv",
        "extraFlanneldArgs",
        "extraFlanneldEnv",
        "extraCNIEnv",
        "extraFIPSEnv",
    }
)
_ARGUMENT_FILES = {
    "extraKubeAPIServerArgs": "kube-apiserver",
    "extraKubeletArgs": "kubelet",
    "extraKubeProxyArgs": "kube-proxy",
    "extraKubeControllerManagerArgs": "kube-controller-manager",
    "extraKubeSchedulerArgs": "kube-scheduler",
    "extraContainerdArgs": "containerd",
}
_ENVIRONMENT_FILES = {"extraContainerdEnv": "containerd-env", "extraCNIEnv": "cni-env"}
# of canonical/microk8s microk8s-resources/default-args what scripts may come across
DEFAULTS: dict[str, str] = {
    "kube-apiserver": """\
--cert-dir=${SNAP_DATA}/certs
--service-cluster-ip-range=10.152.183.0/24
--authorization-mode=AlwaysAllow
--secure-port=16443
--service-account-issuer='https://kubernetes.default.svc'
--event-ttl=5m
--profiling=false
--enable-admission-plugins=EventRateLimit
""",
    "kubelet": """\
--kubeconfig=${SNAP_DATA}/credentials/kubelet.config
--anonymous-auth=false
--root-dir=${SNAP_COMMON}/var/lib/kubelet
--fail-swap-on=false
--eviction-hard="memory.available<100Mi,nodefs.available<1Gi,imagefs.available<1Gi"
--node-labels="microk8s.io/cluster=true,node.kubernetes.io/microk8s-controlplane=microk8s-controlplane"
""",
    "kube-proxy": """\
--kubeconfig=${SNAP_DATA}/credentials/proxy.config
--cluster-cidr=10.1.0.0/16
--healthz-bind-address=127.0.0.1
--profiling=false
""",
    "kube-controller-manager": """\
--kubeconfig=${SNAP_DATA}/credentials/controller.config
--use-service-account-credentials
--leader-elect-lease-duration=60s
--profiling=false
""",
    "kube-scheduler": """\
--kubeconfig=${SNAP_DATA}/credentials/scheduler.config
--leader-elect-lease-duration=60s
--profiling=false
""",
    "containerd": "--config ${SNAP_DATA}/args/containerd.toml\n--address ${SNAP_COMMON}/run/containerd.sock\n",
    "containerd-env": "# Remember to restart MicroK8s after editing this file:\nPATH=$PATH:$KATA_PATH\nulimit -n 65536 || true\n",
    "cni-env": """\
CNI=calico
IPv4_SUPPORT=true
IPv4_CLUSTER_CIDR=10.1.0.0/16
IPv4_SERVICE_CIDR=10.152.183.0/24
IPv6_SUPPORT=false
""",
    "kubectl": "",
    "certs.d/docker.io/hosts.toml": (
        'server = "https://docker.io"\n\n[host."https://registry-1.docker.io"]\n  capabilities = ["pull", "resolve"]\n'
    ),
}


@dataclass(frozen=True, slots=True)
class Launch:
    """What a launch configuration asks for.

    Attributes:
        fields: its top-level fields, all documents of the file merged.
        unknown: fields that MicroK8s does not know; it only warns.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def token(self) -> str | None:
        """The persistent cluster token."""
        value = self.fields.get("persistentClusterToken")
        return str(value) if value else None

    @property
    def names(self) -> tuple[str, ...]:
        """Further names and addresses of the API server's certificate."""
        return tuple(str(name) for name in self.fields.get("extraSANs") or ())

    @property
    def addons(self) -> tuple[str, ...]:
        """Names of the addons that it switches on."""
        entries = self.fields.get("addons") or ()
        return tuple(str(entry["name"]) for entry in entries if not entry.get("disable"))

    @property
    def addon_arguments(self) -> dict[str, tuple[str, ...]]:
        """Arguments of those addons."""
        entries = self.fields.get("addons") or ()
        return {str(entry["name"]): tuple(map(str, entry.get("args") or ())) for entry in entries}


class SnapTree:
    """MicroK8s' files on one host.

    Args:
        root: the host's root file system, as the frame sees it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.common = root / "var/snap/microk8s/common"
        self.data = root / "var/snap/microk8s" / REVISION
        self.worker_lock = self.data / "var/lock/clustered.lock"

    def launch(self) -> Launch:
        """The launch configuration on the host; an empty one when there is none.

        Raises:
            ValueError: it is no YAML mapping.
        """
        for name in LAUNCH_FILES:
            path = self._root / name
            if path.is_file():
                fields: dict[str, Any] = {}
                try:
                    for document in yaml.safe_load_all(path.read_text()):
                        fields |= document or {}
                except (yaml.YAMLError, TypeError) as error:
                    raise ValueError(f"/{name}: {error}") from error
                return Launch(fields, tuple(sorted(set(fields) - LAUNCH_FIELDS)))
        return Launch()

    def install(self, launch: Launch, authority: Authority, server: KeyPair) -> None:
        """Lays out what the snap and its install hook create."""
        # where /snap is a link, it leads to a folder of the host and not of this machine
        snap = inside(self._root, f"/snap/microk8s/{REVISION}")
        for name, text in DEFAULTS.items():
            path = snap / "default-args" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._link(snap.parent / "current", REVISION)
        self._link(snap / "kubectl", "/run/snap-tools/kubectl")
        binaries = inside(self._root, "/snap/bin")
        binaries.mkdir(exist_ok=True)
        for name in ("microk8s", "microk8s.kubectl"):
            self._link(binaries / name, f"/{LIBRARY}/stand_in.py")
        for name in ("args", "certs", "credentials", "var/lock", "var/kubernetes/backend"):
            (self.data / name).mkdir(parents=True, exist_ok=True)
        for name in ("var/lib/kubelet", "var/lib/containerd", "run", "sideload"):
            (self.common / name).mkdir(parents=True, exist_ok=True)
        self._link(self.data.parent / "current", REVISION)
        kubelet = self._root / "var/lib/kubelet"
        if not kubelet.exists() and not kubelet.is_symlink():
            self._link(kubelet, "/var/snap/microk8s/common/var/lib/kubelet")
        self.certificates(authority.pair, server)
        self._arguments(launch)

    def certificates(self, authority: KeyPair, server: KeyPair) -> None:
        """Puts a control-plane node's certificates down: those of its own, or after joining the cluster's."""
        for name, pair in (("ca", authority), ("server", server)):
            self.write(f"certs/{name}.crt", pair.certificate)
            self.write(f"certs/{name}.key", pair.key)

    def write(self, name: str, text: str) -> None:
        """Writes a file under ``/var/snap/microk8s/current``, for root only."""
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
        path.chmod(0o600)

    def remove(self, *names: str) -> None:
        """Removes files under ``/var/snap/microk8s/current``."""
        for name in names:
            (self.data / name).unlink(missing_ok=True)

    def uninstall(self) -> None:
        """Removes the snap and its data, also when only half installed. ``/var/lib/kubelet`` stays, as with the real one."""
        shutil.rmtree(inside(self._root, "/snap/microk8s"), ignore_errors=True)
        for name in ("microk8s", "microk8s.kubectl"):
            (inside(self._root, "/snap/bin") / name).unlink(missing_ok=True)
        shutil.rmtree(self.data.parent, ignore_errors=True)

    def arguments(self, program: str) -> dict[str, str]:
        """Arguments in a program's file, as kubelite reads them: quotes left out."""
        pairs = (re.split("[= ]", line.strip(), maxsplit=1) for line in (self.data / "args" / program).read_text().splitlines())
        return {name: "".join(value).strip("\"'") for name, *value in pairs if name.startswith("--")}

    def _arguments(self, launch: Launch) -> None:
        files = dict(DEFAULTS)
        if not launch.fields:  # MicroK8s' built-in launch configuration
            files["kubelet"] += "--cluster-domain=cluster.local\n--cluster-dns=10.152.183.10\n"
        for section, name in (_ARGUMENT_FILES | _ENVIRONMENT_FILES).items():
            files[name] = _updated(files[name], launch.fields.get(section) or {})
        for name, text in (launch.fields.get("extraConfigFiles") or {}).items():
            files[name] = str(text)
        for registry, text in (launch.fields.get("containerdRegistryConfigs") or {}).items():
            files[f"certs.d/{registry}/hosts.toml"] = str(text)
        for name, text in files.items():
            self.write(f"args/{name}", text)

    @staticmethod
    def _link(path: Path, target: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def _updated(text: str, changes: Mapping[str, Any]) -> str:
    """Lines of a file with values set or, by None, taken out (canonical/microk8s-cluster-agent, UpdateServiceArguments)."""
    lines = []
    left = dict(changes)
    for line in filter(str.strip, text.splitlines()):
        key = re.split("[= ]", line.strip(), maxsplit=1)[0]
        value = left.pop(key, line) if key in changes else line
        if value is not None:
            lines.append(line if value is line else f"{key}={value}")
    lines += [f"{key}={value}" for key, value in left.items() if value is not None]
    return "\n".join(lines) + "\n" if lines else ""
