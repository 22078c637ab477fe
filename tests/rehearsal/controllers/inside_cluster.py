"""Runs inside namespaces of its own (test_controllers_on_a_cluster.py starts it): cert-manager's bundle on a real API server.

Writes the bundle, the issuing CA and the ClusterIssuer as a deployer would: in the graph's order, each object once, waiting at
the graph's gates, and prints what happened as JSON.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mlops.bundles import Kustomize, Places, load_bundle
from mlops.folders import cache_folder
from mlops.ordering import ConditionReady, CrdEstablished, Graph, WorkloadReady, build_graph, from_bodies
from mlops.rehearsal.controllers.client import Api, Body
from mlops.rehearsal.controllers.signing import Authority
from mlops.rehearsal.site.api import ApiError
from mlops.rehearsal.site.controlplane import PORT, PROGRAMS, ControlPlane
from mlops.rehearsal.site.network import ip
from mlops.rehearsal.site.pki import Authority as ClusterAuthority
from mlops.rehearsal.site.pki import kubeconfig
from mlops.rehearsal.site.spec import HostSpec, SiteSpec
from mlops.tools import resolve

REPOSITORY = Path(__file__).resolve().parents[3]
DEADLINE_SECONDS = 60.0
HOST = HostSpec("node1", "192.168.50.11", 24, ("control-plane",), "", "root", "")
SPEC = SiteSpec("test", "mlops.example", (HOST,), "192.168.50.0/24", delay_scale=0)


CONDITIONS = {CrdEstablished: "Established", WorkloadReady: "Available", ConditionReady: "Ready"}


def until(what: str, condition: Callable[[], object]) -> float:
    """Wait for a condition; gives the seconds it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > DEADLINE_SECONDS:
            raise TimeoutError(what)
        time.sleep(0.1)
    return time.monotonic() - began


def condition(api: Api, path: str, kind: str) -> Body:
    status = (api.get(path) or {}).get("status") or {}
    return next((c for c in status.get("conditions") or () if c["type"] == kind), {})


def attempt(api: Api, path: str, body: Body) -> str:
    """The API server's refusal, empty when it agreed."""
    try:
        api.create(path, body)
    except ApiError as error:
        return str(error)
    return ""


def deploy(api: Api, graph: Graph) -> dict[str, Any]:
    """Write every object once, in order."""
    refusals, causes, waited = [], list[str](), 0.0
    for item in graph.in_order():
        path, body = graph.kinds.rest_path(item), dict(item.body)
        for gate in graph.gates_before(item.ref):
            dry_run = partial(passes, api, f"{path.collection}?dryRun=All", body, causes)
            waited += until(gate.reason, dry_run)
        refusal = attempt(api, path.collection, body)
        refusals += [f"{item.ref}: {refusal}"] if refusal else []
        for after in graph.gates_after(item.ref):
            until(after.reason, partial(holds, api, path.item, CONDITIONS[type(after)]))
    return {"refusals": refusals, "causes": causes, "waited": waited}


def passes(api: Api, path: str, body: Body, causes: list[str]) -> bool:
    refusal = attempt(api, path, body)
    causes += [refusal] if refusal else []
    return not refusal


def holds(api: Api, path: str, kind: str) -> bool:
    return bool(condition(api, path, kind).get("status") == "True")


def certificate(name: str, issuer: str) -> Body:
    spec = {"secretName": name, "dnsNames": [f"{name}.mlops.example"], "issuerRef": {"kind": "ClusterIssuer", "name": issuer}}
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": metadata, "spec": spec}


def main(scratch: Path) -> dict[str, Any]:
    ip("link", "set", "lo", "up")
    ip("address", "add", f"{HOST.address}/32", "dev", "lo")
    tools = {name: tool.path for name, tool in resolve(PROGRAMS).items()}
    plane = ControlPlane(SPEC, tools, scratch, lambda _: Path("/proc/self/ns/net"))
    authority = ClusterAuthority("test-ca")
    plane.create(HOST, authority, ())
    plane.add_node(HOST, "v1.35.4")

    def identity(user: str) -> Path:
        file = scratch / f"{user.replace(':', '-')}.kubeconfig"
        pair = authority.client(user, "system:masters")
        file.write_text(kubeconfig(f"https://{HOST.address}:{PORT}", authority.pair.certificate, user, pair))
        return file

    own = identity("stand-in:cert-manager")
    # pods start at once, controllers late: so the gate has something to wait for
    argv = [sys.executable, "-m", "mlops.rehearsal.controllers", "--kubeconfig", str(own), "--delay-scale", "2"]
    with (scratch / "controllers.log").open("w") as log:
        stand_in = subprocess.Popen(argv, cwd=REPOSITORY, stderr=log)
    try:
        return play(Api(identity("deployer")))
    finally:
        stand_in.kill()
        stand_in.wait()
        plane.stop()


def play(api: Api) -> dict[str, Any]:
    places = Places.from_environment(checkout=REPOSITORY)
    bundle = load_bundle(
        "cert-manager", manifests=REPOSITORY / "manifests", places=places, cache=cache_folder(), kustomize=Kustomize.pinned()
    )
    root = Authority.new("root")
    issued = root.issue(common_name="intermediate", authority=True)
    chain = base64.b64encode((issued.chain + root.root).encode()).decode()
    own = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "issuing-ca", "namespace": "cert-manager"},
            "type": "kubernetes.io/tls",
            "data": {"tls.crt": chain, "tls.key": base64.b64encode(issued.key.encode()).decode()},
        },
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "ClusterIssuer",
            "metadata": {"name": "platform"},
            "spec": {"ca": {"secretName": "issuing-ca"}},
        },
    ]
    result = deploy(api, build_graph([*bundle.objects, *from_bodies(own, origin="own")]))
    issuers, certificates = "/apis/cert-manager.io/v1/clusterissuers", "/apis/cert-manager.io/v1/namespaces/default/certificates"
    until("issuer", partial(holds, api, f"{issuers}/platform", "Ready"))
    result["certificate refused"] = attempt(api, certificates, certificate("good", "platform"))
    until("certificate", partial(holds, api, f"{certificates}/good", "Ready"))
    secret = api.get("/api/v1/namespaces/default/secrets/good") or {"data": {}}
    result["secret"] = {key: base64.b64decode(value).decode() for key, value in secret["data"].items() if key != "tls.key"}
    result["root"] = root.root
    two = {**own[1], "metadata": {"name": "two"}, "spec": {"selfSigned": {}, "ca": {"secretName": "issuing-ca"}}}
    result["two types"] = attempt(api, issuers, two)
    lonely = {**own[1], "metadata": {"name": "lonely"}, "spec": {"ca": {"secretName": "missing"}}}
    result["lonely refused"] = attempt(api, issuers, lonely)
    until("condition", lambda: condition(api, f"{issuers}/lonely", "Ready"))
    result["lonely"] = condition(api, f"{issuers}/lonely", "Ready")["reason"]
    # When the webhook's pods go, nothing is admitted any more.
    deployment = "/apis/apps/v1/namespaces/cert-manager/deployments/cert-manager-webhook"
    api.merge(deployment, {"spec": {"replicas": 0}})
    probe = f"{issuers}?dryRun=All"
    third = {**own[1], "metadata": {"name": "third"}}
    until("webhook gone", lambda: attempt(api, probe, third))
    result["gone"] = attempt(api, probe, third)
    return result


if __name__ == "__main__":
    (Path(sys.argv[1]) / "result.json").write_text(json.dumps(main(Path(sys.argv[1]))))
