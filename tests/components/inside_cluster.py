"""Runs inside namespaces of its own (test_bundle_on_a_cluster.py starts it): the real engine and a real API server.

Controllers' writes to the objects are made by hand, under the names that controllers use; the real controller manager runs as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from mlops.rehearsal.run.engine import Engine, Operation
from mlops.rehearsal.run.outside import TOOLS, install_plugins
from mlops.rehearsal.site.cluster_only import ClusterOnly
from mlops.rehearsal.site.spec import HostSpec, SiteSpec
from mlops.tools import Tool, resolve
from mlops.tools.shell import link_folder

ROOT = Path(__file__).resolve().parents[2]
HOST = HostSpec("node1", "192.168.50.11", 24, ("control-plane",), "", "root", "")
SPEC = SiteSpec("test", "mlops.example", (HOST,), "192.168.50.0/24", delay_scale=0)
SECONDS = 60.0

MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: test, labels: {release: RELEASE}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: gathers, labels: {release: RELEASE}}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {gathered: "yes"}}]}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: gathered, labels: {gathered: "yes"}}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: empty}
rules: []
---
apiVersion: v1
kind: Secret
metadata: {name: filled, namespace: test}
data: {}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: backend, namespace: test, labels: {release: RELEASE}}
spec:
  replicas: 1
  selector: {matchLabels: {app: backend}}
  template: {metadata: {labels: {app: backend}}, spec: {containers: [{name: c, image: example/backend}]}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: backend, namespace: test}
spec:
  minReplicas: 1
  maxReplicas: 5
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: backend}
---
apiVersion: v1
kind: Service
metadata: {name: backend, namespace: test}
spec: {selector: {app: backend}, ports: [{port: 443}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: istio-validator-test, labels: {release: RELEASE}}
webhooks:
- name: rev.validation.istio.io
  clientConfig: {service: {name: backend, namespace: test, path: /validate}}
  failurePolicy: Ignore
  rules: [{apiGroups: [networking.istio.io], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: ["*"]}]
  sideEffects: None
  admissionReviewVersions: [v1]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: webhook.test.knative.dev, labels: {release: RELEASE}}
webhooks:
- name: webhook.test.knative.dev
  clientConfig: {service: {name: backend, namespace: test}, caBundle: Cg==}
  failurePolicy: Fail
  rules: [{apiGroups: [serving.knative.dev], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [services]}]
  sideEffects: None
  admissionReviewVersions: [v1]
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: test}
spec:
  template:
    metadata: {labels: {release: RELEASE}}
    spec: {restartPolicy: Never, containers: [{name: c, image: "example/job:RELEASE"}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: test}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: test}
data: {release: RELEASE}
"""

GUARDED = """
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: guard}
webhooks:
- name: guard.example.org
  clientConfig: {service: {name: backend, namespace: test}}
  objectSelector: {matchLabels: {guarded: "yes"}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  sideEffects: None
  admissionReviewVersions: [v1]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: guarded, namespace: test, labels: {guarded: "yes"}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: left-over, namespace: test}
"""


class Cluster:
    """One API server and the engine on it."""

    def __init__(self, scratch: Path, tools: Mapping[str, Tool], site: ClusterOnly) -> None:
        self.scratch, self.tools, self.site = scratch, tools, site
        self.access = site.kubeconfig("admin")
        self.engine = self._engine()

    def _engine(self) -> Engine:
        home, project = self.scratch / "engine", self.scratch / "project"
        install_plugins(home, self.tools, Console(quiet=True))
        project.mkdir()
        for name in ("Pulumi.yaml", "__main__.py"):
            (project / name).write_text((ROOT / "tests/components/program" / name).read_text())
        (project / ".venv").symlink_to(ROOT / ".venv")
        named = [tool for name, tool in self.tools.items() if name != "pulumi-resource-kubernetes"]
        programs = link_folder(named, self.scratch / "tools")
        self.manifest = self.scratch / "manifest.yaml"
        extra = {
            "PYTHONPATH": str(ROOT),
            "CHECKOUT": str(ROOT),
            "ADMINISTRATOR": str(self.access),
            "MANIFEST": str(self.manifest),
            "ON_DESTROY": "keep",
            "WEBHOOK_SECONDS": "20",
        }
        made = Engine(project=project, home=home, stack="test", path=(home / "bin", programs), extra=extra)
        made.prepare("config: {}\n", {})
        return made

    def operate(self, name: str, *arguments: str, **environment: str) -> Operation:
        return self.engine.operate(name, arguments, lambda *_: None, environment=environment)

    def up(self, name: str, manifest: str, **environment: str) -> Operation:
        self.manifest.write_text(manifest)
        operation = self.operate(name, "up", "--yes", "--skip-preview", **environment)
        if operation.exit_code != 0:
            raise RuntimeError(operation.output.read_text())
        return operation

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        argv = [str(self.tools["kubectl"].path), f"--kubeconfig={self.access}", *arguments]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.stderr}")
        return done.stdout

    def get(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", "--output=json", "--show-managed-fields", *arguments))


def until(what: str, condition: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.1)


def as_controllers(cluster: Cluster) -> None:
    """What controllers write into the objects after their creation."""

    def write(manager: str, kind: str, name: str, patch: list[dict[str, Any]], *more: str) -> None:
        cluster.kubectl("patch", kind, name, "--type=json", f"--field-manager={manager}", f"--patch={json.dumps(patch)}", *more)

    certificate = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
    bundle = {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": certificate}
    policy = {"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}
    rule = {
        "apiGroups": ["serving.knative.dev"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["services/*"],
    }
    rules = {"op": "add", "path": "/webhooks/0/rules", "value": [rule]}
    scale = {"op": "replace", "path": "/spec/replicas", "value": 3}
    write("pilot-discovery", "validatingwebhookconfiguration", "istio-validator-test", [bundle, policy])
    write("webhook", "mutatingwebhookconfiguration", "webhook.test.knative.dev", [bundle, rules])
    write("webhook", "secret", "filled", [{"op": "add", "path": "/data", "value": {"key": "dmFsdWU="}}], "--namespace=test")
    write("kube-controller-manager", "deployment", "backend", [scale], "--namespace=test")
    until("aggregated rules", lambda: cluster.get("clusterrole", "gathers").get("rules"))


def live(cluster: Cluster) -> dict[str, Any]:
    """The fields that controllers own, as they stand in the cluster."""
    validator = cluster.get("validatingwebhookconfiguration", "istio-validator-test")["webhooks"][0]
    knative = cluster.get("mutatingwebhookconfiguration", "webhook.test.knative.dev")["webhooks"][0]
    return {
        "rules": cluster.get("clusterrole", "gathers").get("rules"),
        "policy": validator.get("failurePolicy"),
        "validator's CA": bool(validator["clientConfig"].get("caBundle")),
        "Knative's CA": bool(knative["clientConfig"].get("caBundle")),
        "Knative's rules": [rule["resources"] for rule in knative.get("rules") or ()],
        "replicas": cluster.get("deployment", "backend", "--namespace=test")["spec"]["replicas"],
        "Secret": cluster.get("secret", "filled", "--namespace=test").get("data"),
        "releases": {
            name: cluster.get(kind, name)["metadata"]["labels"]["release"]
            for kind, name in (
                ("clusterrole", "gathers"),
                ("validatingwebhookconfiguration", "istio-validator-test"),
                ("mutatingwebhookconfiguration", "webhook.test.knative.dev"),
            )
        },
        "job": cluster.get("job", "once", "--namespace=test")["spec"]["template"]["spec"]["containers"][0]["image"],
        "configuration": cluster.get("configmap", "settings", "--namespace=test")["data"]["release"],
    }


def left_over(cluster: Cluster) -> bool:
    return bool(cluster.kubectl("get", "configmap", "left-over", "--namespace=test", "--ignore-not-found", "--output=name"))


def closed_gate(cluster: Cluster) -> dict[str, Any]:
    """An object whose webhook never answers: nothing behind the Service speaks TLS, and nobody puts a CA there."""
    started = time.monotonic()
    cluster.manifest.write_text(MANIFEST.replace("RELEASE", "two") + GUARDED)
    operation = cluster.operate("gate", "up", "--yes", "--skip-preview", WEBHOOK_SECONDS="3")
    text = operation.output.read_text()
    written = left_over(cluster)
    # the way on: the objects are no longer wanted
    cluster.up("mended", MANIFEST.replace("RELEASE", "two"))
    return {
        "left over": [written, left_over(cluster)],
        "exit code": operation.exit_code,
        "seconds": time.monotonic() - started,
        "text": text,
    }


def play(cluster: Cluster) -> dict[str, Any]:
    result: dict[str, Any] = {}
    cluster.up("up", MANIFEST.replace("RELEASE", "one"))
    as_controllers(cluster)
    result["after controllers"] = live(cluster)
    same = cluster.up("same", MANIFEST.replace("RELEASE", "one"))
    result["changed by the same"] = same.progress.changed
    other = cluster.up("other", MANIFEST.replace("RELEASE", "two"))
    result["changed by another release"] = other.progress.changed
    result["operations"] = {urn.rsplit("::", 1)[-1]: sorted(ops) for urn, ops in other.progress.layers["test"].operations.items()}
    result["after another release"] = live(cluster)
    result["gate"] = closed_gate(cluster)
    destroyed = cluster.operate("destroy", "destroy", "--yes", "--skip-preview")
    result["destroyed"] = destroyed.exit_code
    result["left"] = (
        cluster.kubectl("get", "--ignore-not-found", "--output=name", "namespace/test").split()
        + cluster.kubectl("get", "--output=name", "--namespace=test", "persistentvolumeclaims,deployments,jobs").split()
    )
    again = cluster.up("again", MANIFEST.replace("RELEASE", "two"))
    result["again"] = again.exit_code
    return result


def main(folder: Path, play: Callable[[Cluster], object]) -> None:
    """Plays on a cluster of its own, and leaves what came of it in the folder."""
    os.environ.pop("KUBECONFIG", None)
    tools = resolve(TOOLS)
    (folder / "site").mkdir()
    with ClusterOnly(SPEC, {name: tool.path for name, tool in tools.items()}, folder / "site", addons=()) as site:
        (folder / "result.json").write_text(json.dumps(play(Cluster(folder, tools, site))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), play)
