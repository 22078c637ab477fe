"""Runs inside namespaces of its own (test_kubeflow_on_a_cluster.py starts it): the whole of Kubeflow on a throw-away cluster.

Applied as upstream says, in a loop until nothing is refused; then everything has to become ready, and go again in the order of
removal. Prints what happened as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from mlops.bundles import Helm, Kustomize, Places, bundles_in, load_bundles
from mlops.bundles.order import overrides_of
from mlops.folders import cache_folder
from mlops.ordering import Graph, KubeObject, build_graph
from mlops.rehearsal.controllers.client import Api, Body
from mlops.rehearsal.site.cluster_only import ClusterOnly
from mlops.rehearsal.site.controlplane import PROGRAMS
from mlops.rehearsal.site.spec import HostSpec, SiteSpec
from mlops.tools import resolve

MANIFESTS = Path(__file__).resolve().parents[3] / "manifests"
DEADLINE_SECONDS = 300.0
HOST = HostSpec("node1", "192.168.50.11", 24, ("control-plane",), "", "root", "")
SPEC = SiteSpec("test", "mlops.example", (HOST,), "192.168.50.0/24", delay_scale=0)
PROFILE = "kubeflow-user-example-com"


def until_nothing(what: str, left: Callable[[], list[str]]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while found := left():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: {found}")
        time.sleep(0.2)


def the_graph() -> Graph:
    bundles = load_bundles(
        bundles_in(MANIFESTS),
        manifests=MANIFESTS,
        places=Places.from_environment(checkout=MANIFESTS.parent),
        cache=cache_folder(),
        kustomize=Kustomize.pinned(),
        helm=Helm.pinned(),
    )
    return build_graph([item for bundle in bundles for item in bundle.objects], overrides=overrides_of(bundles, MANIFESTS))


def apply(kubectl: Path, kubeconfig: Path, objects: Iterable[KubeObject]) -> list[str]:
    """What each round was refused."""
    text = yaml.dump_all([dict(item.body) for item in objects], Dumper=yaml.CSafeDumper)
    argv = [str(kubectl), f"--kubeconfig={kubeconfig}", "apply", "--server-side", "--force-conflicts", "-f", "-"]
    rounds: list[str] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return rounds
        rounds.append(done.stderr)
    raise AssertionError(rounds[-1])


def unready(api: Api) -> Iterator[str]:
    """What does not say that it is ready."""
    for plural in ("deployments", "statefulsets", "daemonsets"):
        for item in api.items(f"/apis/apps/v1/{plural}"):
            status = item.get("status") or {}
            wanted = status.get("desiredNumberScheduled", (item.get("spec") or {}).get("replicas", 1))
            if min(status.get("readyReplicas", status.get("numberReady", 0)), status.get("updatedReplicas", wanted)) < wanted:
                yield named(plural, item)
    for plural in ("certificates", "issuers", "clusterissuers"):
        for item in api.items(f"/apis/cert-manager.io/v1/{plural}"):
            conditions = (item.get("status") or {}).get("conditions") or ()
            if not any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
                yield named(plural, item)
    for item in api.items("/api/v1/persistentvolumeclaims"):
        if (item.get("status") or {}).get("phase") != "Bound":
            yield named("claims", item)
    for plural in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        for item in api.items(f"/apis/admissionregistration.k8s.io/v1/{plural}"):
            if not all(webhook["clientConfig"].get("caBundle") and webhook.get("rules") for webhook in item["webhooks"]):
                yield named(plural, item)


def there(api: Api, paths: Iterable[str]) -> list[str]:
    return [path for path in paths if api.get(path)]


def named(plural: str, item: Body) -> str:
    return f"{plural} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def lacks_sidecar(pod: Body) -> bool:
    """Whether a pod of the mesh is without its sidecar; as istiod reads it, a label counts more than an annotation."""
    annotations, labels = (pod["metadata"].get(key) or {} for key in ("annotations", "labels"))
    unwanted = (annotations | labels).get("sidecar.istio.io/inject") == "false"
    return not unwanted and "sidecar.istio.io/status" not in annotations


def state(api: Api) -> dict[str, Any]:
    """What the stand-ins have done, as far as the test looks at it."""
    namespace = api.get(f"/api/v1/namespaces/{PROFILE}") or {"metadata": {}}
    profile = api.get(f"/apis/kubeflow.org/v1/profiles/{PROFILE}") or {"metadata": {}}
    pods = [pod for where in ("kubeflow", PROFILE) for pod in api.items(f"/api/v1/namespaces/{where}/pods")]
    configuration = api.get(
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/istio-validator-istio-system"
    ) or {"webhooks": []}
    return {
        "labels": namespace["metadata"].get("labels"),
        "finalizers": profile["metadata"].get("finalizers"),
        "accounts": [item["metadata"]["name"] for item in api.items(f"/api/v1/namespaces/{PROFILE}/serviceaccounts")],
        "without sidecar": [named("pods", pod) for pod in pods if lacks_sidecar(pod)],
        "profile": PROFILE,
        "in the profile": [item["metadata"]["name"] for item in api.items(f"/apis/apps/v1/namespaces/{PROFILE}/deployments")],
        "validator": [webhook["failurePolicy"] for webhook in configuration["webhooks"]],
    }


def remove(api: Api, graph: Graph) -> None:
    """Delete everything in the order of removal; custom resources have to be gone before what comes after them."""
    for ref in graph.removal.order:
        item = graph.object(ref)
        path = graph.kinds.rest_path(item).item
        api.delete(path)
        if graph.kinds.crd_of(item):
            until_nothing(f"{ref} goes", partial(there, api, [path]))
    names = [item.name for item in graph.in_order() if (item.group, item.kind) == ("", "Namespace")]
    until_nothing("namespaces go", partial(there, api, [f"/api/v1/namespaces/{name}" for name in (*names, PROFILE)]))
    until_nothing("volumes go", lambda: [named("volumes", volume) for volume in api.items("/api/v1/persistentvolumes")])


def main(scratch: Path) -> dict[str, Any]:
    tools = {name: tool.path for name, tool in resolve([*PROGRAMS, "kubectl"]).items()}
    graph, seconds = the_graph(), dict[str, float]()
    began = time.monotonic()

    def lap(name: str) -> None:
        nonlocal began
        seconds[name], began = round(time.monotonic() - began, 1), time.monotonic()

    with ClusterOnly(SPEC, tools, scratch / "cluster") as cluster:
        lap("start")
        kubeconfig = cluster.kubeconfig("deployer")
        api = Api(kubeconfig)
        crds = [item for item in graph.in_order() if item.kind == "CustomResourceDefinition"]
        # by themselves: to apply them anew in every round takes minutes and shows nothing
        apply(tools["kubectl"], kubeconfig, crds)
        lap("definitions")
        rounds = apply(tools["kubectl"], kubeconfig, [item for item in graph.in_order() if item not in crds])
        lap("apply")
        until_nothing("everything becomes ready", lambda: list(unready(api)))
        lap("ready")
        result = {"rounds": rounds, "objects": len(graph.in_order()), "seconds": seconds, **state(api)}
        remove(api, graph)
        lap("remove")
    return result


if __name__ == "__main__":
    (Path(sys.argv[1]) / "result.json").write_text(json.dumps(main(Path(sys.argv[1]))))
