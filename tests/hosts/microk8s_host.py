"""A host of files with MicroK8s on it: what of the snap the scripts read and write, and stand-ins for ``snap`` and ``microk8s``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlops.hosts.apiserver import api_server
from mlops.hosts.microk8s import Node
from mlops.settings import Arguments, Audit
from tests.hosts.fake_host import HEAD, FakeHost

ARGUMENTS = "var/snap/microk8s/current/args"
DEFAULTS = "snap/microk8s/current/default-args"
KEYS = {1: "a2V5IG9uZQ==", 2: "a2V5IHR3bw=="}

# a restarted kubelet renews its lease, unless it does not come back
_SNAP = r"""
back() {
  if [ -e "$FAKE/broken" ]; then : >"$FAKE/down"; else echo 9999-12-31T23:59:59.000000Z >"$FAKE/lease"; rm -f "$FAKE/down"; fi
}
case "$1 ${2-}" in
  "list ") cat "$FAKE/snaps" ;;
  "changes ") ;;
  "restart "*) back ;;
  "refresh --hold") ;;
  "refresh microk8s")
    channel="${3#--channel=}"
    echo "microk8s v${channel%/*}.1 9 $channel canonical** classic,held" >"$FAKE/snaps"
    back ;;
  "ack "*) ;;
  "install microk8s") echo "microk8s v1.35.4 8 ${4#--channel=} canonical** classic" >"$FAKE/snaps" ;;
  "install "*)
    name="$(basename "$2")"
    { grep -v "^${name%%_*} " "$FAKE/snaps" || :; echo "${name%%_*} $(cat "$2") 1 - canonical** -"; } >"$FAKE/snaps.new"
    mv "$FAKE/snaps.new" "$FAKE/snaps" ;;
esac
"""
_MICROK8S = r"""
if [ "${0##*/}" = kubectl ]; then set -- kubectl "$@"; fi
case "$*" in
  "kubectl "*) [ ! -e "$FAKE/down" ] || exit 1 ;;
esac
case "$*" in
  *"get lease "*) cat "$FAKE/lease" ;;
  *"get nodes -l "*) cat "$FAKE/planes" ;;
  *"get node "*) echo True ;;
  *"get configmap coredns"*) cat "$FAKE/corefile" ;;
  *"patch configmap coredns"*) cat >"$FAKE/patch" ;;
  *"get namespace kube-system"*) cat "$FAKE/secrets-key" ;;
  *"annotate --overwrite namespace kube-system"*) last="${@: -1}"; echo "${last##*=}" >"$FAKE/secrets-key" ;;
  *"get secrets --all-namespaces -o name"*) echo secret/one ;;
  *"get secrets --all-namespaces -o json"*) echo '{"kind": "List"}' ;;
  *"replace -f -"*) cat >"$FAKE/replaced" ;;
  "status --format yaml") cat "$FAKE/status" ;;
  "dbctl backup -o "*) tar -czf "$4.tar.gz" -C "$FAKE" planes ;;
esac
"""
COREFILE = ".:53 {\n    forward .  /etc/resolv.conf\n    reload\n}"


def status(voters: int) -> str:
    """What ``microk8s status --format yaml`` tells of the datastore."""
    nodes = "".join(f"    - address: 192.0.2.1{number}:19001\n      role: voter\n" for number in range(1, voters + 1))
    return f"microk8s:\n  running: True\nhigh-availability:\n  enabled: True\n  nodes:\n{nodes}"


def make_microk8s(host: FakeHost) -> FakeHost:
    """Puts MicroK8s 1.35 on a host: a control plane of three, as its installation with :func:`node` leaves it."""
    for name, text in {
        "kubelet": "--fail-swap-on=false\n",
        "kube-apiserver": "--event-ttl=5m\n",
        "containerd-env": "ulimit -n 65536\n",
    }.items():
        host.write(f"{ARGUMENTS}/{name}", text)
        host.write(f"{DEFAULTS}/{name}", text)
    for name in ("kube-proxy", "kube-controller-manager", "kube-scheduler"):
        host.write(f"{ARGUMENTS}/{name}", "--profiling=false\n")
        host.write(f"{DEFAULTS}/{name}", "--profiling=false\n")
    host.write(f"{DEFAULTS}/certs.d/docker.io/hosts.toml", 'server = "https://docker.io"\n')
    host.write("proc/sys/vm/nr_hugepages", "0\n")
    host.know("snaps", "microk8s v1.35.4 8 1.35/stable canonical** classic,held\n")
    host.know("planes", "node1 True\nnode2 True\nnode3 True\n")
    host.know("status", status(3))
    host.know("lease", "2020-01-01T00:00:00.000000Z\n")
    host.know("secrets-key", "epoch-1\n")
    host.know("corefile", COREFILE)
    _program(host.folder / "bin/snap", _SNAP)
    _program(host.root / "snap/bin/microk8s", _MICROK8S)
    _program(host.root / "snap/microk8s/current/kubectl", _MICROK8S)
    return host


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + text)
    path.chmod(0o755)


def node(*, control_plane: bool = True, **changes: Any) -> Node:
    """The node that the tests configure; ``changes`` are attributes of it."""
    values: dict[str, Any] = {
        "control_plane": control_plane,
        "pod_cidr": "10.1.0.0/16",
        "service_cidr": "10.152.183.0/24",
        "cluster_dns": "10.152.183.10",
        "kubernetes_service": "10.152.183.1",
        "api_server_names": ("node1", "192.0.2.11"),
        "api_server": api_server(audit=Audit(), authentication=None, trusted="", encryption_keys=KEYS, minor=(1, 35)),
        "further": Arguments(),
    }
    return Node(**(values | changes))


def values_of(described: Node, **changes: str) -> dict[str, str]:
    """Values of the step ``configure``."""
    return {
        "HOST_NAME": "node1",
        "ROLE": "control-plane" if described.control_plane else "worker",
        "CHANNEL": "1.35/stable",
        "OFFLINE_SNAPS": "",
        "ARGUMENTS": described.argument_lines(),
        "FILES": described.file_lines(),
        "CONTAINERD_ENVIRONMENT": "",
        "TRUST_DIGEST": "one",
        "ENCRYPTION_KEY": "epoch-1",
        "WAIT_SECONDS": "0",
        "FIRST": "no",
        "DNS_SERVERS": "",
        "CHECKSUM_OFFLOAD_BROKEN": "no",
        "CONTROL_PLANES": "",
        **changes,
    }
