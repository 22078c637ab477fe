"""What must be true after ``up`` and after ``destroy``, looked at from outside the engine."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable

from mlops.rehearsal.run.engine import Engine, Operation
from mlops.rehearsal.run.plan import Plan
from mlops.rehearsal.site.site import ThrowAwaySite

OUTPUTS = ("caCertificate", "certificateExpiry", "endpoints", "initialCredentials", "kubeconfig", "versions")
SECRET_OUTPUTS = {"kubeconfig", "initialCredentials"}
_HIDDEN = "[secret]"


def _kubectl(plan: Plan, site: ThrowAwaySite, *arguments: str) -> str:
    environment = {**os.environ, "KUBECONFIG": str(site.kubeconfig_path())}
    return subprocess.run([plan.tools["kubectl"], *arguments], env=environment, capture_output=True, text=True, check=True).stdout


def after_up(engine: Engine, site: ThrowAwaySite, plan: Plan) -> list[str]:
    """Outputs are all there and secrets among them hidden; nodes are Ready; no secret stands in the state in clear.

    Returns:
        What is wrong, one sentence each.
    """
    faults = []
    outputs = json.loads(engine.run("stack", "output", "--json", "-s", plan.stack))
    for name in OUTPUTS:
        if name not in outputs:
            faults.append(f"the stack has no output {name}")
        elif name in SECRET_OUTPUTS and outputs[name] != _HIDDEN:
            faults.append(f"the stack's output {name} is not secret")
    nodes = json.loads(_kubectl(plan, site, "get", "nodes", "-o", "json"))["items"]
    ready = {
        node["metadata"]["name"]
        for node in nodes
        if any(condition["type"] == "Ready" and condition["status"] == "True" for condition in node["status"]["conditions"])
    }
    wanted = {host.name for host in site.spec.hosts}
    if ready != wanted:
        faults.append(f"nodes that are Ready: {sorted(ready)}; hosts of the site: {sorted(wanted)}")
    faults.extend(_clear_secrets(engine, plan))
    return faults


def _clear_secrets(engine: Engine, plan: Plan) -> Iterable[str]:
    state = engine.state_file.read_text(encoding="utf-8")
    for path, value in plan.secret_values.items():
        # a private key stands in JSON with its line breaks escaped; one line of it is enough to find it
        if max(value.splitlines(), key=len) in state:
            yield f"the secret {path} stands in the state in clear"
    if "PRIVATE KEY-----" in state:
        yield "a private key stands in the state in clear"


def objects_of(operation: Operation) -> list[tuple[str, str]]:
    """Kubernetes objects that an ``up`` made: (kind.group, [namespace/]name), from the names of its resources."""
    return [_object_of(urn) for _, urn in operation.progress.steps if "$kubernetes:" in urn]


def _object_of(urn: str) -> tuple[str, str]:
    _, kind, name = urn.rsplit("::", 1)[-1].split("/", 2)
    group = urn.split("$kubernetes:")[1].partition("/")[0]
    return kind if group == "core" else f"{kind}.{group}", name


def retained(engine: Engine) -> set[tuple[str, str]]:
    """Kubernetes objects that a ``destroy`` keeps, as :func:`objects_of` names them; asked before it."""
    deployment = json.loads(engine.run("stack", "export", "-s", engine.stack))["deployment"]
    urns = [resource["urn"] for resource in deployment["resources"] if resource.get("retainOnDelete")]
    return {_object_of(urn) for urn in urns if "$kubernetes:" in urn}


def left_behind(engine: Engine, site: ThrowAwaySite, plan: Plan, objects: Iterable[tuple[str, str]]) -> list[str]:
    """What ``destroy`` left that the settings do not retain.

    Args:
        engine: for its state.
        site: the throw-away site; with ``onDestroy: keep`` its cluster is still up.
        plan: what was run.
        objects: what ``up`` had made.
    """
    left = []
    deployment = json.loads(engine.run("stack", "export", "-s", plan.stack))["deployment"]
    left += [f"{resource['urn']} in the state" for resource in deployment.get("resources", []) if resource.get("custom")]
    if plan.on_destroy == "reset":
        left += [f"MicroK8s on {name}" for name, host in site.hosts.items() if (host.root / "var/snap/microk8s/current").exists()]
        return left
    for namespace, references in _that_can_exist(plan, site, objects).items():
        scope = [f"--namespace={namespace}"] if namespace else []
        found = _kubectl(plan, site, "get", "--ignore-not-found", "--output=name", *scope, *references).split()
        left += [f"{name} in namespace {namespace}" if namespace else name for name in found]
    return left


def _that_can_exist(plan: Plan, site: ThrowAwaySite, objects: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Objects whose kind and namespace are still there, as ``Kind.group/name`` by namespace ("" for none)."""
    namespaces = {line.partition("/")[2] for line in _kubectl(plan, site, "get", "namespaces", "--output=name").split()}
    kinds = set()
    for line in _kubectl(plan, site, "api-resources", "--no-headers").splitlines():
        *_, version, _, kind = line.split()
        group, slash, _ = version.rpartition("/")
        kinds.add(f"{kind}.{group}" if slash else kind)
    there: dict[str, list[str]] = {}
    for kind, name in objects:
        namespace, _, bare = name.rpartition("/")
        if kind in kinds and (not namespace or namespace in namespaces):
            there.setdefault(namespace, []).append(f"{kind}/{bare}")
    return there
