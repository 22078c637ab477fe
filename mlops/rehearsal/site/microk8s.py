"""Stands in for ``microk8s`` on the hosts: forms the site's cluster, whose control plane is real.

What it refuses is what the real one refuses (canonical/microk8s ``scripts/wrappers``). That control plane runs on the first host
and keeps its data in etcd; who would vote in dqlite, and whether a majority of them is alive, is :class:`Datastore`'s to say, and
binds joins, leaves and removals, not what the API server answers.
"""

from __future__ import annotations

import argparse
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mlops.rehearsal.site.addons import enable
from mlops.rehearsal.site.controlplane import PORT, ControlPlane
from mlops.rehearsal.site.daemon import Call, Execute, Reply
from mlops.rehearsal.site.datastore import Datastore, NoMajorityError, Role
from mlops.rehearsal.site.host import Host
from mlops.rehearsal.site.kubelets import Kubelets
from mlops.rehearsal.site.pki import Authority, KeyPair, kubeconfig
from mlops.rehearsal.site.replies import WORKER, WORKER_KUBECTL, Parser, RefusedError, split, status_yaml
from mlops.rehearsal.site.snaptree import Launch, SnapTree
from mlops.rehearsal.site.spec import SiteSpec

AGENT_PORT = 25000
TOKEN_LENGTH = 32
FINGERPRINT_LENGTH = 12
_KUBECTL = "/snap/microk8s/current/kubectl"
_CURRENT = "/var/snap/microk8s/current"
KUBELITE = "daemon-kubelite"
_LABELS, _WORKER_LABELS = "--node-labels", "microk8s.io/cluster=true,node.kubernetes.io/microk8s-worker=microk8s-worker"


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
        self._kubelets = Kubelets(control_plane, lambda host: self._hosts[host].machine_id)
        self.datastore = Datastore()
        self.restart_seconds = 0.0
        """How long a node is not Ready when its kubelet is started again; 0: not at all."""

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
            self._kubelets.up(host)
            self.datastore.join(spec.address, {spec.address})
            enable(launch.addons, self._control_plane.client(), self._spec.service_cidr, launch.addon_arguments)
        self._nodes[host] = node

    def remove(self, host: str) -> None:
        """The snap's remove hook; its data goes too (without --purge snapd would keep a snapshot of it elsewhere).

        Of a member that has not left nobody in the cluster hears.
        """
        node = self._nodes.pop(host, None)
        if host == self._first:
            self._control_plane.destroy()
            self.datastore.clear()
        else:
            self._ended(host, node)
        SnapTree(self._hosts[host].root).uninstall()

    def reinstalled(self, host: str) -> None:
        """The host's disk is a new one; the cluster does not know."""
        self._ended(host, self._nodes.pop(host, None))

    def _ended(self, host: str, node: Node | None) -> None:
        """Its programs run no more."""
        if node is not None and node.member:
            self._kubelets.down(host)
        self._control_plane.close_way(host)

    def power(self, host: str, *, on: bool) -> None:
        """The host has lost its power, or has it again."""
        node = self._nodes.get(host)
        if not on:
            self._ended(host, node)
        elif node and node.member:
            self._control_plane.open_way(self._spec.host(host))
            self._kubelets.up(host)
        self.datastore.adjust(self._alive())

    def restarted(self, host: str, daemon: str) -> None:
        """``snap restart microk8s.DAEMON``: of a kubelet that takes long its node becomes not Ready meanwhile."""
        node = self._nodes.get(host)
        if daemon != KUBELITE or node is None or not node.member:
            return
        if self.restart_seconds:
            self._kubelets.down(host)
            timer = threading.Timer(self.restart_seconds, self._kubelets.up, [host])
            timer.daemon = True
            timer.start()
        else:
            self._kubelets.up(host)

    def _alive(self) -> set[str]:
        """Addresses of the hosts whose datastore runs."""
        return {
            self._spec.host(name).address for name, node in self._nodes.items() if not node.worker and self._hosts[name].running
        }

    def refresh(self, host: str, version: str) -> None:
        """The snap was refreshed to another version."""
        node = self._nodes[host]
        node.version = version
        if node.member:
            patch = {"status": {"nodeInfo": {"kubeletVersion": version, "kubeProxyVersion": version}}}
            path = f"/api/v1/nodes/{host}/status"
            self._control_plane.client().request("PATCH", path, patch, content_type="application/merge-patch+json")
            self.restarted(host, KUBELITE)

    def handle(self, call: Call) -> Reply | Execute:
        """Answers one call of ``microk8s``."""
        node = self._nodes.get(call.host)
        if node is None:
            return Reply(127, err="microk8s: not installed\n")
        if not call.root:
            return Reply(1, out="Insufficient permissions to access MicroK8s.\nYou can try again with sudo.\n")
        command, rest = split(call.argv)
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
            "dbctl": self._dbctl,
        }
        if node.worker and command in control_plane_only:
            return Reply(1, out=WORKER)
        answer = (anywhere | control_plane_only).get(command)
        if answer is None:
            return Reply(1, err=f"microk8s: '{command}' is not part of the stand-in\n")
        try:
            return answer(call.host, node, rest)
        except RefusedError as refused:
            return refused.reply

    def _kubectl(self, host: str, node: Node, rest: list[str]) -> Reply | Execute:
        if node.worker:
            return Reply(out=WORKER_KUBECTL)  # with exit code 0: microk8s-resources/wrappers/microk8s-kubectl.wrapper
        if not node.member and rest[:1] == ["get"]:
            # a cluster of its own, of which no more is played than that it has one node
            return Reply(out=f"node/{host}\n" if rest[-1] == "name" else "")
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
        parser = Parser("status")
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
        if options.format == "yaml":
            alone: dict[str, Role] = {self._spec.host(host).address: "voter"}
            members = self.datastore.members if node.member else alone
            return Reply(0 if ready else 1, out=status_yaml(members, node.launch.addons, ready=ready))
        if not ready:
            return Reply(1, out="microk8s is not running. Use microk8s inspect for a deeper inspection.\n")
        return Reply(out=f"microk8s is running\nhigh-availability: {'yes' if len(self.datastore.voters) > 2 else 'no'}\n")

    def _add_node(self, host: str, node: Node, rest: list[str]) -> Reply:
        parser = Parser("add-node")
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
        parser = Parser("join")
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
        if not self._accepts(name, peer, token):
            return Reply(6, out="Connection failed. Invalid token (500).\n")
        if host == name:
            return Reply(6, out=f"Connection failed. the joining node has the same IP ({address}) as the node we contact (503).\n")
        own = self._spec.host(host).address
        # an address that the datastore has already is let in by no one, and the command does not notice
        if options.worker or own not in self.datastore.members:
            if not options.worker:
                try:
                    self.datastore.join(own, self._alive())
                except NoMajorityError:
                    raise RefusedError(
                        Reply(6, out="Connection failed. failed to retrieve dqlite cluster nodes (500).\n")
                    ) from None
            self._become_member(host, node, name, worker=options.worker)
        return Reply(out=f"Contacting cluster at {address}\nSuccessfully joined the cluster.\n")

    def _peer(self, address: str) -> tuple[str, Node]:
        for name, peer in self._nodes.items():
            if self._spec.host(name).address == address and self._hosts[name].running and not peer.worker and peer.member:
                return name, peer
        raise RefusedError(Reply(1, out=f"Please ensure the master node is reachable: {address}\n"))

    def _accepts(self, name: str, peer: Node, token: str) -> bool:
        persistent = SnapTree(self._hosts[name].root).data / "credentials/persistent-cluster-tokens.txt"
        if persistent.is_file() and token in persistent.read_text().split():
            return True
        if token not in peer.tokens:
            return False
        end = peer.tokens[token]
        if end is None:
            del peer.tokens[token]
            return True
        return time.time() < end

    def _become_member(self, host: str, node: Node, name: str, *, worker: bool) -> None:
        tree, spec, peer = SnapTree(self._hosts[host].root), self._spec.host(host), self._nodes[name]
        authority = self._control_plane.authority or peer.authority
        # arguments of its own are gone with it
        arguments = (SnapTree(self._hosts[name].root).data / "args/kubelet").read_text().splitlines()
        if worker:
            arguments = [line for line in arguments if not line.startswith(_LABELS)] + [f"{_LABELS}={_WORKER_LABELS}"]
        tree.write("args/kubelet", "".join(f"{line}\n" for line in arguments))
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
        for formed in (tree, SnapTree(self._hosts[name].root)):
            formed.write("var/lock/no-cert-reissue", "")
        self._control_plane.add_node(spec, node.version)
        self._kubelets.up(host)
        node.member, node.worker = True, worker

    def _leave(self, host: str, node: Node, _rest: list[str]) -> Reply:
        """The Node object stays, as a dead one: ``remove-node`` is for that."""
        own = self._spec.host(host).address
        if not node.member:
            # scripts/wrappers/leave.py: of a control plane nothing is asked
            return Reply(out="Generating new cluster certificates.\n")
        if not node.worker:
            if self.datastore.voters == [own] and len(self.datastore.members) > 1:
                return Reply(3, out="This node currently holds the only copy of the Kubernetes database so it cannot leave.\n")
            if host == self._first:
                return Reply(70, err="the stand-in's control plane runs on this host and cannot be moved\n")
            self.datastore.hand_over(own, self._alive())
            self._kubelets.down(host)  # its datastore is stopped first, then the others are asked
            try:
                self.datastore.remove(own, self._alive() - {own})
            except NoMajorityError:
                return Reply(2, out=f"Contacting node {own}:19001 failed. Error:\n")
        self._kubelets.down(host)
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
        parser = Parser("remove-node")
        parser.add_argument("node")
        parser.add_argument("--force", action="store_true")
        options = parser.parse_args(rest)
        name = next((entry.name for entry in self._spec.hosts if options.node in (entry.name, entry.address)), None)
        if name is None or not self._control_plane.has_node(name):
            # it tries to take an address out of the datastore, and ends with 1 whatever comes of it
            if options.force and options.node in self.datastore.members and self.datastore.has_majority(self._alive()):
                self.datastore.remove(options.node, self._alive())
            return Reply(1, out=f"Node {options.node} does not exist in Kubernetes.\n")
        address = self._spec.host(name).address
        if address in self.datastore.members:
            if not options.force:
                advice = "Please, run first 'microk8s leave' on the departing node."
                return Reply(1, out=f"Removal failed. Node {name} is registered with dqlite. {advice}\n")
            try:
                self.datastore.remove(address, self._alive())
            except NoMajorityError:
                return Reply(2, out=f"Contacting node {address}:19001 failed. Error:\n")
        self._control_plane.remove_node(name)
        return Reply()

    def _dbctl(self, _host: str, _node: Node, rest: list[str]) -> Reply | Execute:
        """``dbctl backup -o NAME`` writes NAME.tar.gz into the caller's working directory."""
        parser = Parser("dbctl")
        parser.add_argument("act", choices=["backup"])
        parser.add_argument("-o", dest="name", required=True)
        name: str = parser.parse_args(rest).name
        return Execute(("tar", "-czf", f"{name}.tar.gz", "-C", f"{_CURRENT}/var/kubernetes", "backend"))

    @staticmethod
    def _write_admin(tree: SnapTree, authority: Authority) -> None:
        admin = authority.client("admin", "system:masters")
        tree.write("credentials/client.config", kubeconfig(f"https://127.0.0.1:{PORT}", authority.pair.certificate, "admin", admin))
