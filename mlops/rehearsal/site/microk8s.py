"""Stands in for ``microk8s`` on the hosts: forms the site's cluster, whose control plane is real."""

from __future__ import annotations

import argparse
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from mlops.rehearsal.site.addons import enable
from mlops.rehearsal.site.controlplane import PORT, ControlPlane
from mlops.rehearsal.site.daemon import Call, Execute, Reply
from mlops.rehearsal.site.host import Host
from mlops.rehearsal.site.pki import Authority, KeyPair, kubeconfig
from mlops.rehearsal.site.snaptree import Launch, SnapTree
from mlops.rehearsal.site.spec import SiteSpec

AGENT_PORT = 25000
TOKEN_LENGTH = 32
FINGERPRINT_LENGTH = 12
# canonical/microk8s scripts/wrappers/common/utils.py: what every command but join and leave does on a worker
_WORKER = "This MicroK8s deployment is acting as a node in a cluster.\nPlease use the master node.\n"
_WORKER_KUBECTL = "This MicroK8s deployment is acting as a node in a cluster. Please use the microk8s.kubectl on the master.\n"
_KUBECTL = "/snap/microk8s/current/kubectl"
_CURRENT = "/var/snap/microk8s/current"


@dataclass(slots=True)
class Node:
    """MicroK8s on one host.

    Attributes:
        authority: its own certificate authority, made at installation.
        server: certificate of its API server and cluster agent.
        version: Kubernetes version.
        launch: its launch configuration.
        member: whether it belongs to the site's cluster.
        worker: whether it joined as worker.
        tokens: join tokens that it accepts -> end of validity in seconds since the epoch, None for one use.
    """

    authority: Authority
    server: KeyPair
    version: str
    launch: Launch
    member: bool = False
    worker: bool = False
    tokens: dict[str, float | None] = field(default_factory=dict)


class _RefusedError(Exception):
    """The command ends with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


_Command = Callable[[str, Node, list[str]], Reply | Execute]


class MicroK8s:
    """MicroK8s of every host.

    Args:
        spec: the site.
        hosts: the hosts, by name.
        control_plane: what runs once the first control-plane host has MicroK8s.
    """

    def __init__(self, spec: SiteSpec, hosts: Mapping[str, Host], control_plane: ControlPlane) -> None:
        self._spec = spec
        self._hosts = hosts
        self._control_plane = control_plane
        self._first = next((host.name for host in spec.hosts if host.control_plane), None)
        self._nodes: dict[str, Node] = {}
        self._lock = threading.RLock()

    def install(self, host: str, version: str) -> None:
        """The snap's install hook. Raises RuntimeError when the launch configuration is bad or the control plane does not start."""
        spec, tree = self._spec.host(host), SnapTree(self._hosts[host].root)
        try:
            launch = tree.launch()
        except ValueError as error:
            raise RuntimeError(f"cannot read the launch configuration: {error}") from error
        if launch.token is not None and len(launch.token) != TOKEN_LENGTH:
            raise RuntimeError(f"persistentClusterToken must have {TOKEN_LENGTH} characters")
        authority = Authority("10.152.183.1")
        server = authority.server("127.0.0.1", [*self._control_plane.server_names(launch.names), spec.address, spec.name])
        node = Node(authority, server, version, launch)
        if launch.token is not None:
            node.tokens[launch.token] = float("inf")
        tree.install(launch, authority, server)
        self._write_admin(tree, authority)
        if host == self._first:
            self._control_plane.create(spec, authority, launch.names)
            self._control_plane.add_node(spec, version)
            node.member = True
            enable(launch.addons, self._control_plane.client(), self._spec.service_cidr)
        self._nodes[host] = node

    def remove(self, host: str) -> None:
        """The snap's remove hook; its data goes too (without --purge snapd would keep a snapshot of it elsewhere)."""
        self._nodes.pop(host, None)
        if host == self._first:
            self._control_plane.destroy()
        SnapTree(self._hosts[host].root).uninstall()

    def refresh(self, host: str, version: str) -> None:
        """The snap was refreshed to another version."""
        node = self._nodes[host]
        node.version = version
        if node.member:
            patch = {"status": {"nodeInfo": {"kubeletVersion": version, "kubeProxyVersion": version}}}
            path = f"/api/v1/nodes/{host}/status"
            self._control_plane.client().request("PATCH", path, patch, content_type="application/merge-patch+json")

    def handle(self, call: Call) -> Reply | Execute:
        """Answers one call of ``microk8s``."""
        node = self._nodes.get(call.host)
        if node is None:
            return Reply(127, err="microk8s: not installed\n")
        if not call.root:
            return Reply(1, out="Insufficient permissions to access MicroK8s.\nYou can try again with sudo.\n")
        command, rest = _split(call)
        anywhere: dict[str, _Command] = {
            "kubectl": self._kubectl,
            "config": self._config,
            "join": self._join,
            "leave": self._leave,
            "reset": lambda *_: Reply(out="Done\n"),
            "version": lambda _host, node, _rest: Reply(out=f"MicroK8s {node.version} revision stand-in\n"),
        }
        control_plane_only: dict[str, _Command] = {
            "status": self._status,
            "add-node": self._add_node,
            "remove-node": self._remove_node,
        }
        if node.worker and command in control_plane_only:
            return Reply(1, out=_WORKER)
        answer = (anywhere | control_plane_only).get(command)
        if answer is None:
            return Reply(1, err=f"microk8s: '{command}' is not part of the stand-in\n")
        try:
            return answer(call.host, node, rest)
        except _RefusedError as refused:
            return refused.reply

    def _kubectl(self, _host: str, node: Node, rest: list[str]) -> Reply | Execute:
        if node.worker:
            return Reply(out=_WORKER_KUBECTL)  # with exit code 0: microk8s-resources/wrappers/microk8s-kubectl.wrapper
        given = any(word.split("=", maxsplit=1)[0] == "--kubeconfig" for word in rest)
        own = [] if given else [f"--kubeconfig={_CURRENT}/credentials/client.config"]
        return Execute((_KUBECTL, *own, *rest))

    def _config(self, host: str, node: Node, rest: list[str]) -> Reply:
        if node.worker:
            return Reply()
        address = "127.0.0.1" if "-l" in rest or "--use-loopback" in rest else self._spec.host(host).address
        path = SnapTree(self._hosts[host].root).data / "credentials/client.config"
        return Reply(out=path.read_text().replace("https://127.0.0.1:", f"https://{address}:"))

    def _status(self, host: str, node: Node, rest: list[str]) -> Reply:
        parser = _Parser("status")
        parser.add_argument("--format", default="short", choices=["pretty", "yaml", "short"])
        parser.add_argument("-w", "--wait-ready", action="store_true")
        parser.add_argument("-t", "--timeout", type=int, default=0)
        options = parser.parse_args(rest)
        deadline = time.monotonic() + (options.timeout or 600)
        # a node that has not joined has no API server in a rehearsal; the real one is ready by itself
        ready = not node.member or self._control_plane.node_ready(host)
        while not ready and options.wait_ready and time.monotonic() < deadline:
            time.sleep(0.2)
            ready = self._control_plane.node_ready(host)
        planes = [name for name, other in self._nodes.items() if other.member and not other.worker] if node.member else [host]
        high = len(planes) > 2
        if options.format == "yaml":
            state = {
                "microk8s": {"running": ready},
                "high-availability": {
                    "enabled": high,
                    "nodes": [{"address": f"{self._spec.host(name).address}:19001", "role": "voter"} for name in planes],
                },
                "addons": [
                    {"name": name, "repository": "core", "version": "stand-in", "status": "enabled"} for name in node.launch.addons
                ],
            }
            return Reply(0 if ready else 1, out=json.dumps(state, indent=1) + "\n")  # JSON is YAML
        if not ready:
            return Reply(1, out="microk8s is not running. Use microk8s inspect for a deeper inspection.\n")
        return Reply(out=f"microk8s is running\nhigh-availability: {'yes' if high else 'no'}\n")

    def _add_node(self, host: str, node: Node, rest: list[str]) -> Reply:
        parser = _Parser("add-node")
        parser.add_argument("-l", "--token-ttl", type=int, default=-1)
        parser.add_argument("-t", "--token", default=None)
        parser.add_argument("--format", default="pretty", choices=["pretty", "short", "token", "token-check", "json", "yaml"])
        options = parser.parse_args(rest)
        token = options.token or secrets.token_hex(TOKEN_LENGTH // 2)
        if len(token) < TOKEN_LENGTH:
            return Reply(1, out="Invalid token size.  It must be 32 characters long.\n")
        node.tokens[token] = None if options.token_ttl == -1 else time.time() + options.token_ttl
        check = f"{token}/{node.server.fingerprint[:FINGERPRINT_LENGTH]}"
        url = f"{self._spec.host(host).address}:{AGENT_PORT}/{check}"
        if options.format in {"json", "yaml"}:
            return Reply(out=json.dumps({"token": check, "urls": [url]}, indent=2) + "\n")
        texts = {"token": token, "token-check": check, "short": f"microk8s join {url}"}
        return Reply(out=texts.get(options.format, f"From the node you wish to join, run:\nmicrok8s join {url}") + "\n")

    def _join(self, host: str, node: Node, rest: list[str]) -> Reply:
        parser = _Parser("join")
        parser.add_argument("connection")
        for option in ("--worker", "--controlplane", "--skip-verify", "--disable-low-memory-guard"):
            parser.add_argument(option, action="store_true")
        options = parser.parse_args(rest)
        with self._lock:  # two joins at a time would not end well with the real one either
            return self._join_by(host, node, options)

    def _join_by(self, host: str, node: Node, options: argparse.Namespace) -> Reply:
        endpoint, token, *fingerprint = options.connection.split("/")
        address = endpoint.partition(":")[0]
        name, peer = self._peer(address)
        if fingerprint and not options.skip_verify:
            if len(fingerprint[0]) < FINGERPRINT_LENGTH:
                return Reply(4, out="Joining cluster failed. Fingerprint too short.\n")
            if not peer.server.fingerprint.startswith(fingerprint[0]):
                return Reply(4, out=f"Joining cluster failed. Could not verify the identity of {address}.\n")
        if not self._accepts(peer, token):
            return Reply(6, out="Connection failed. Invalid token (500).\n")
        if host == name or node.member:
            return Reply(6, out="Connection failed. The hostname of the joining node is already part of the cluster (500).\n")
        self._become_member(host, node, peer, worker=options.worker)
        return Reply(out=f"Contacting cluster at {address}\nThe node has joined the cluster and will appear in the nodes list.\n")

    def _peer(self, address: str) -> tuple[str, Node]:
        for name, peer in self._nodes.items():
            if self._spec.host(name).address == address and self._hosts[name].running and not peer.worker and peer.member:
                return name, peer
        raise _RefusedError(Reply(1, out=f"Please ensure the master node is reachable: {address}\n"))

    @staticmethod
    def _accepts(peer: Node, token: str) -> bool:
        if token not in peer.tokens:
            return False
        end = peer.tokens[token]
        if end is None:
            del peer.tokens[token]
            return True
        return time.time() < end

    def _become_member(self, host: str, node: Node, peer: Node, *, worker: bool) -> None:
        tree, spec = SnapTree(self._hosts[host].root), self._spec.host(host)
        authority = self._control_plane.authority or peer.authority
        if worker:
            kubelet = authority.client(f"system:node:{host}", "system:nodes")
            loopback = f"https://127.0.0.1:{PORT}"
            tree.write("certs/ca.remote.crt", authority.pair.certificate)
            tree.write("credentials/kubelet.config", kubeconfig(loopback, authority.pair.certificate, "kubelet", kubelet))
            tree.write("var/lock/clustered.lock", "")
            tree.write("var/lock/no-k8s-dqlite", "")
        else:
            node.server = authority.server("127.0.0.1", [*self._control_plane.server_names(node.launch.names), spec.address])
            tree.certificates(authority.pair, node.server)
            self._write_admin(tree, authority)
            # a cluster token holds on every control-plane node
            node.tokens |= {token: end for token, end in peer.tokens.items() if end == float("inf")}
        tree.write("var/lock/no-cert-reissue", "")
        self._control_plane.add_node(spec, node.version)
        node.member, node.worker = True, worker

    def _leave(self, host: str, node: Node, _rest: list[str]) -> Reply:
        if not node.member:
            return Reply(2, out="Not in clustering mode.\n")
        others = [name for name, other in self._nodes.items() if other.member and name != host and not other.worker]
        if host == self._first:
            if others:
                return Reply(3, out="This node holds the only copy of the Kubernetes database so it cannot leave the cluster.\n")
            return Reply(2, out="Not in clustering mode.\n")
        self._control_plane.remove_node(host)
        tree, spec = SnapTree(self._hosts[host].root), self._spec.host(host)
        tree.remove("certs/ca.remote.crt", "credentials/kubelet.config", "var/lock/clustered.lock", "var/lock/no-k8s-dqlite")
        tree.remove("var/lock/no-cert-reissue")
        node.authority = Authority("10.152.183.1")
        node.server = node.authority.server("127.0.0.1", [spec.address, spec.name])
        tree.certificates(node.authority.pair, node.server)
        self._write_admin(tree, node.authority)
        node.member = node.worker = False
        return Reply(out="Generating new cluster certificates.\nWaiting for node to start.\n")

    def _remove_node(self, _host: str, _node: Node, rest: list[str]) -> Reply:
        parser = _Parser("remove-node")
        parser.add_argument("node")
        parser.add_argument("--force", action="store_true")
        name: str = parser.parse_args(rest).node
        self._control_plane.remove_node(name)
        return Reply()

    @staticmethod
    def _write_admin(tree: SnapTree, authority: Authority) -> None:
        admin = authority.client("admin", "system:masters")
        tree.write("credentials/client.config", kubeconfig(f"https://127.0.0.1:{PORT}", authority.pair.certificate, "admin", admin))


class _Parser(argparse.ArgumentParser):
    """An argument parser that replies instead of ending the process."""

    def __init__(self, command: str) -> None:
        super().__init__(prog=f"microk8s {command}", add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise _RefusedError(Reply(2, err=f"{self.prog}: error: {message}\n"))


def _split(call: Call) -> tuple[str, list[str]]:
    name, *rest = call.argv
    if "." in name:  # microk8s.kubectl
        return name.partition(".")[2], rest
    return (rest[0], rest[1:]) if rest else ("help", [])
