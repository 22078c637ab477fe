"""The throw-away control plane: real etcd, API server, controller-manager, scheduler in a host's network; kwok for kubelets."""

from __future__ import annotations

import ipaddress
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

from mlops.rehearsal.site import kwok
from mlops.rehearsal.site.api import ApiClient, ApiError
from mlops.rehearsal.site.network import ip
from mlops.rehearsal.site.nodes import node_object
from mlops.rehearsal.site.pki import Authority, KeyPair, kubeconfig, signing_key
from mlops.rehearsal.site.process import Program
from mlops.rehearsal.site.spec import HostSpec, SiteSpec

PORT = 16443
ETCD = "http://127.0.0.1:12379"
READY_SECONDS = 60.0
RELAY_SECONDS = 15.0
# The user by whom the site itself writes, told apart from the deployer in the audit log.
SITE_USER = "site-stand-in"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "None"},
    ],
}


# With 74 CRDs a third of the API server's work was cleaning up its memory (Go's own 100); 400 is quicker still, but takes 3.5 GB.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "GOGC": "200"}


class ControlPlane:
    """The cluster of the site; empty until a host creates it.

    Args:
        spec: the site.
        tools: paths of the programs.
        directory: its own directory.
        namespace: gives a host's network namespace.
    """

    def __init__(self, spec: SiteSpec, tools: Mapping[str, Path], directory: Path, namespace: Callable[[HostSpec], Path]) -> None:
        self._spec = spec
        self._tools = tools
        self._directory = directory
        self._namespace = namespace
        self._programs: list[Program] = []
        self._relays: dict[str, Program] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._client: ApiClient | None = None
        self.authority: Authority | None = None
        self.host: str | None = None
        self.kubeconfig = directory / "kubeconfig"
        self.audit_log = directory / "audit.log"

    @property
    def address(self) -> str:
        """Address of the API server (KeyError when there is no cluster)."""
        return self._spec.host(self.host or "").address

    def create(self, host: HostSpec, authority: Authority, extra_names: tuple[str, ...]) -> None:
        """Makes the cluster on a host and waits until its API server is ready.

        Args:
            host: where it runs.
            authority: the cluster's CA, which was made with the host's MicroK8s.
            extra_names: names and addresses that the launch configuration adds to the API server's certificate.

        Raises:
            RuntimeError: a program is missing or the API server does not become ready; with the ends of the logs.
        """
        missing = [name for name in PROGRAMS if name not in self._tools]
        if missing:
            raise RuntimeError(f"the control plane needs {', '.join(missing)}")
        with self._lock:
            self._directory.mkdir(parents=True, exist_ok=True)
            self.host, self.authority = host.name, authority
            self._write_files(host, authority, extra_names)
            namespace = self._namespace(host)
            # every Service and pod address ends at this namespace, where the stand-ins for webhooks and controllers listen
            for cidr in (self._spec.service_cidr, self._spec.pod_cidr):
                ip("route", "replace", "local", cidr, "dev", "lo", namespace=namespace)
            self._programs = self._make_programs(host, namespace)
            self.start()

    def start(self) -> None:
        """Starts what does not run and waits until the API server and the controllers are ready."""
        with self._lock:
            self._stopping.clear()
            # the others give up when the API server takes long to answer
            for program in self._programs[:2]:
                program.start()
            self._wait_for("/readyz")
            for program in (*self._programs[2:], *self._relays.values()):
                program.start()
            # the controller-manager makes it; until then no pod can be created
            self._wait_for("/api/v1/namespaces/default/serviceaccounts/default")

    def stop(self) -> None:
        """Ends all programs, also while they are being started; what they stored stays."""
        self._stopping.set()
        with self._lock:
            for program in reversed((*self._programs, *self._relays.values())):
                program.kill()

    def destroy(self) -> None:
        """Ends the cluster and forgets it."""
        with self._lock:
            self.stop()
            self._programs, self._relays, self._client = [], {}, None
            if self.host is not None:
                etcd = self._directory / "etcd"
                if etcd.exists():
                    etcd.rename(self._directory / f"etcd-{time.monotonic_ns()}")
                self.kubeconfig.unlink(missing_ok=True)
            self.host, self.authority = None, None

    def client(self) -> ApiClient:
        """A client by which the site itself writes.

        Raises:
            RuntimeError: there is no cluster.
        """
        if self._client is None:
            raise RuntimeError("there is no cluster")
        return self._client

    def add_node(self, host: HostSpec, kubernetes: str, machine_id: str = "") -> None:
        """Registers a host as node, as its kubelet does; again is harmless."""
        try:
            self.client().request("POST", "/api/v1/nodes", node_object(self._spec, host, kubernetes, machine_id))
        except ApiError as error:
            if error.code != 409:
                raise
        self.open_way(host)

    def remove_node(self, name: str) -> None:
        """Removes a node; again is harmless."""
        self.close_way(name)
        try:
            self.client().request("DELETE", f"/api/v1/nodes/{name}")
        except ApiError as error:
            if error.code != 404:
                raise

    def open_way(self, host: HostSpec) -> None:
        """Has a member listen on the API server's port, where its own API server or its proxy to one would; again is harmless.

        Raises:
            RuntimeError: it does not open, as when somebody else listens there.
        """
        if self.host in {None, host.name}:
            return  # there is none, or it is the API server itself that listens there
        self.close_way(host.name)
        script = str(resources.files("mlops.rehearsal.site") / "relay.py")
        listen = "0.0.0.0" if host.control_plane else "127.0.0.1"  # noqa: S104 - within the host's own namespace
        ready = self._path(f"relay-{host.name}.ready")
        ready.unlink(missing_ok=True)
        argv = [sys.executable, script, listen, str(PORT), self.address, str(PORT), str(ready)]
        relay = Program(f"relay-{host.name}", argv, self._directory / f"relay-{host.name}.log", namespace=self._namespace(host))
        self._relays[host.name] = relay
        relay.start()
        deadline = time.monotonic() + RELAY_SECONDS
        while not ready.exists():
            if relay.ended or time.monotonic() > deadline:
                raise RuntimeError(f"the way to the API server from {host.name} does not open\n{relay.tail()}")
            time.sleep(0.02)

    def close_way(self, name: str) -> None:
        """Nobody listens on the API server's port of a host any more: its programs are gone; again is harmless."""
        if relay := self._relays.pop(name, None):
            relay.kill()

    def has_node(self, name: str) -> bool:
        """Whether a node is registered."""
        try:
            self.client().request("GET", f"/api/v1/nodes/{name}")
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return True

    def node_ready(self, name: str) -> bool:
        """Whether a node is Ready."""
        try:
            node = self.client().request("GET", f"/api/v1/nodes/{name}")
        except (ApiError, OSError, RuntimeError):
            return False
        conditions = node.get("status", {}).get("conditions", [])
        return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)

    def server_names(self, extra: tuple[str, ...] = ()) -> list[str]:
        """What the API server's certificate is for."""
        first = str(ipaddress.ip_network(self._spec.service_cidr)[1])
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"]
        planes = [host for host in self._spec.hosts if host.control_plane]
        return [*names, "127.0.0.1", first, *(host.address for host in planes), *(host.name for host in planes), *extra]

    def _wait_for(self, path: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.client().request("GET", path)
            except (ApiError, OSError) as error:
                dead = [program for program in self._programs if program.ended]
                if dead or self._stopping.is_set() or time.monotonic() > deadline:
                    logs = "\n".join(program.tail() for program in dead or self._programs)
                    raise RuntimeError(
                        f"the control plane on {self.host} does not become ready ({path}: {error})\n{logs}"
                    ) from error
                time.sleep(0.1)
            else:
                return

    def _write_files(self, host: HostSpec, authority: Authority, extra_names: tuple[str, ...]) -> None:
        front_proxy, tokens = Authority("front-proxy-ca"), signing_key()
        self._pair("ca", authority.pair)
        self._pair("server", authority.server("kube-apiserver", self.server_names(extra_names)))
        self._pair("front-proxy-ca", front_proxy.pair)
        self._pair("front-proxy-client", front_proxy.client("front-proxy-client"))
        self._pair("service-account", tokens)
        self._pair("site", authority.client(SITE_USER, "system:masters"))
        url = f"https://{host.address}:{PORT}"
        for file, user, groups in (
            ("controller", "system:kube-controller-manager", ()),
            ("scheduler", "system:kube-scheduler", ()),
            ("kwok", "kwok-stand-in", ("system:masters",)),
        ):
            self._write(f"{file}.config", kubeconfig(url, authority.pair.certificate, user, authority.client(user, *groups)))
        site = KeyPair(self._path("site.crt").read_text(), self._path("site.key").read_text())
        self._write("kubeconfig", kubeconfig(url, authority.pair.certificate, SITE_USER, site))
        self._write("audit-policy.yaml", json.dumps(_AUDIT_POLICY))  # JSON is YAML
        self._write("kwok.yaml", kwok.configuration(seed=self._spec.seed, delay_scale=self._spec.delay_scale))
        self._client = ApiClient(
            host.address, PORT, authority=self._path("ca.crt"), certificate=self._path("site.crt"), key=self._path("site.key")
        )

    def _make_programs(self, host: HostSpec, namespace: Path) -> list[Program]:
        def program(name: str, *flags: str, inside: Path | None = namespace) -> Program:
            argv, log = [str(self._tools[name]), *flags], self._directory / f"{name}.log"
            return Program(name, argv, log, namespace=inside, environment=_ENVIRONMENT)

        path = self._path
        return [
            program(
                "etcd",
                f"--data-dir={self._directory / 'etcd'}",
                f"--listen-client-urls={ETCD}",
                f"--advertise-client-urls={ETCD}",
                "--listen-peer-urls=http://127.0.0.1:12380",
                "--unsafe-no-fsync",  # nothing here has to survive the machine
                "--log-level=warn",
            ),
            program(
                "kube-apiserver",
                f"--secure-port={PORT}",
                "--bind-address=0.0.0.0",
                f"--advertise-address={host.address}",
                f"--tls-cert-file={path('server.crt')}",
                f"--tls-private-key-file={path('server.key')}",
                f"--client-ca-file={path('ca.crt')}",
                f"--etcd-servers={ETCD}",
                f"--service-cluster-ip-range={self._spec.service_cidr}",
                "--authorization-mode=RBAC,Node",
                "--allow-privileged=true",
                "--event-ttl=5m",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={path('service-account.crt')}",
                f"--service-account-signing-key-file={path('service-account.key')}",
                f"--requestheader-client-ca-file={path('front-proxy-ca.crt')}",
                "--requestheader-allowed-names=front-proxy-client",
                "--requestheader-username-headers=X-Remote-User",
                "--requestheader-group-headers=X-Remote-Group",
                "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                f"--proxy-client-cert-file={path('front-proxy-client.crt')}",
                f"--proxy-client-key-file={path('front-proxy-client.key')}",
                f"--audit-policy-file={path('audit-policy.yaml')}",
                f"--audit-log-path={self.audit_log}",
            ),
            program(
                "kube-controller-manager",
                f"--kubeconfig={path('controller.config')}",
                f"--authentication-kubeconfig={path('controller.config')}",
                f"--authorization-kubeconfig={path('controller.config')}",
                "--leader-elect=false",
                "--use-service-account-credentials=true",
                # with the default of 20 the default ServiceAccount of a new namespace takes seconds
                "--kube-api-qps=200",
                "--kube-api-burst=400",
                f"--root-ca-file={path('ca.crt')}",
                f"--service-account-private-key-file={path('service-account.key')}",
                f"--cluster-signing-cert-file={path('ca.crt')}",
                f"--cluster-signing-key-file={path('ca.key')}",
                "--allocate-node-cidrs=true",
                f"--cluster-cidr={self._spec.pod_cidr}",
                f"--service-cluster-ip-range={self._spec.service_cidr}",
            ),
            program(
                "kube-scheduler",
                f"--kubeconfig={path('scheduler.config')}",
                f"--authentication-kubeconfig={path('scheduler.config')}",
                f"--authorization-kubeconfig={path('scheduler.config')}",
                "--leader-elect=false",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
            ),
            program("kwok", f"--kubeconfig={path('kwok.config')}", f"--config={path('kwok.yaml')}", inside=None),
        ]

    def _path(self, name: str) -> Path:
        return self._directory / name

    def _pair(self, name: str, pair: KeyPair) -> None:
        self._write(f"{name}.crt", pair.certificate)
        self._write(f"{name}.key", pair.key)

    def _write(self, name: str, text: str) -> None:
        path = self._path(name)
        path.touch(mode=0o600)
        path.write_text(text)
