"""Runs inside namespaces of its own (see test_object_set_on_a_cluster.py): real engine and plugins, sets on a real API server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.components.inside_cluster import Cluster, main, until

NAMES = ("apples", "pears")


PASSIVE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME, namespace: default}
data: {file: "one\\nROLE\\n"}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: bound, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ROLE}
subjects: [{kind: ServiceAccount, name: default, namespace: default}]
"""


def manifest(*names: str, role: str = "view", settings: str = "settings", **fields: str) -> str:
    """CRDs of one group, with these fields in the spec of their objects; a binding of a role, and a ConfigMap."""
    properties = {field: {"type": kind} for field, kind in fields.items()}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    documents = [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{name}.example.org"},
            "spec": {
                "group": "example.org",
                "scope": "Namespaced",
                "names": {"plural": name, "kind": name.rstrip("s").title()},
                "versions": [version],
            },
        }
        for name in names
    ]
    fruit = {"apiVersion": "example.org/v1", "kind": "Apple", "metadata": {"name": "one", "namespace": "default"}, "spec": {}}
    passive = PASSIVE.replace("ROLE", role).replace("NAME", settings)
    return "\n---\n".join([*(json.dumps(document) for document in [*documents, fruit]), passive])


def left(cluster: Cluster) -> list[str]:
    return [line.partition("/")[2] for line in cluster.kubectl("get", "crd", "--output=name").split() if "example.org" in line]


def passive(cluster: Cluster) -> dict[str, Any]:
    """Role of the binding, and names of our ConfigMaps."""
    binding = cluster.kubectl("get", "rolebinding", "--ignore-not-found", "--output=jsonpath={.items[*].roleRef.name}")
    names = cluster.kubectl("get", "configmap", "--output=name").split()
    return {"role": binding, "settings": [name.partition("/")[2] for name in names if "settings" in name]}


def killed_in_the_middle(cluster: Cluster) -> None:
    """`kill -9` of the engine and of all that it has started, once the API server has the first CRD."""
    engine = cluster.engine
    argv = [engine.pulumi, "--non-interactive", "up", "--yes", "--skip-preview", f"--stack={engine.stack}"]
    environment = {**os.environ, **engine.environment()}
    process = subprocess.Popen(
        [*argv, f"--config-file={engine.config_file}"],
        cwd=engine.project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until("the first CRD", lambda: left(cluster))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    engine.run("cancel", "--yes", "--stack", engine.stack, folder=engine.home / "project")


def play(cluster: Cluster) -> dict[str, Any]:
    result: dict[str, Any] = {}
    cluster.manifest.write_text(manifest(*NAMES, size="integer"))
    killed_in_the_middle(cluster)
    cluster.up("up", manifest(*NAMES, size="integer"))
    result["created"] = left(cluster)
    crd = cluster.get("crd", "apples.example.org")
    result["managers"] = [entry["manager"] for entry in crd["metadata"]["managedFields"] if "subresource" not in entry]
    result["state"] = cluster.engine.state_file.read_text()
    result["kubeconfig"] = cluster.access.read_text()
    again = cluster.up("again", manifest(*NAMES, size="integer"))
    result["changed by the same"] = again.progress.changed

    other = manifest("apples", role="edit", settings="new-settings", size="integer", colour="string")
    cluster.manifest.write_text(other)
    result["passive"] = passive(cluster)
    preview = cluster.operate("preview", "preview", "--diff")
    result["preview"] = preview.output.read_text()
    cluster.up("other", other)
    result["other passive"] = passive(cluster)
    cluster.kubectl("delete", "rolebinding", "bound")
    resources = json.loads(cluster.engine.state_file.read_text())["checkpoint"]["latest"]["resources"]
    (urn,) = [item["urn"] for item in resources if item["urn"].endswith("::test/ObjectSet")]
    result["replaced"] = cluster.operate("replace", "up", "--yes", "--skip-preview", f"--replace={urn}").exit_code
    result["passive again"] = passive(cluster)
    result["told"] = (cluster.engine.home / "logs" / "other.log").read_text()
    result["without pears"] = left(cluster)
    result["fields"] = cluster.get("crd", "apples.example.org")["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][
        "spec"
    ]
    result["destroyed"] = cluster.operate("destroy", "destroy", "--yes", "--skip-preview").exit_code
    result["kept"] = left(cluster)
    result["no passive"] = passive(cluster)

    remove = {"ON_DESTROY": "remove"}
    cluster.up("back", manifest(*NAMES, size="integer"), **remove)
    cluster.up("one", manifest("apples", size="integer"), **remove)
    result["pruned"] = left(cluster)
    destroy = cluster.operate("remove", "destroy", "--yes", "--skip-preview", **remove)
    result["removed"] = destroy.exit_code
    result["remove"] = destroy.output.read_text()
    result["nothing left"] = left(cluster)
    return result


if __name__ == "__main__":
    main(Path(sys.argv[1]), play)
