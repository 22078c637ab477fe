"""Runs inside a frame (test_site_cluster.py starts it): how hosts become a cluster, in the order of a deployment."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from mlops.rehearsal.site.daemon import Fault
from mlops.rehearsal.site.kwok import DELAY_ANNOTATION
from mlops.rehearsal.site.site import ThrowAwaySite

TOKEN = "0123456789abcdef0123456789abcdef"
LAUNCH = {
    "version": "0.2.0",
    "persistentClusterToken": TOKEN,
    "addons": [{"name": "dns"}],
    "extraSANs": ["api.mlops.example"],
    "extraKubeAPIServerArgs": {"--authorization-mode": "RBAC,Node"},
}
INSTALL = "snap install microk8s --classic --channel=1.35/stable"
KUBELET = "/snap/microk8s/current/kubectl --kubeconfig /var/snap/microk8s/current/credentials/kubelet.config"
FINGERPRINT = "openssl x509 -in /var/snap/microk8s/current/certs/server.crt -outform der | sha256sum | cut -c 1-64"


def on(site: ThrowAwaySite, host: str, script: str) -> str:
    result = site.hosts[host].run(["bash", "-s"], stdin=f"set -e\n{script}")
    assert result.returncode == 0, f"{script}\n{result.stdout}{result.stderr}"
    return result.stdout


def refused(site: ThrowAwaySite, host: str, script: str) -> tuple[int, str]:
    result = site.hosts[host].run(["bash", "-s"], stdin=script)
    return result.returncode, result.stdout + result.stderr


def kubectl(site: ThrowAwaySite, *arguments: str, config: Path | None = None, stdin: str = "") -> str:
    tool = site.workdir / "snap-tools/kubectl"
    argv = [str(tool), f"--kubeconfig={config or site.kubeconfig_path()}", *arguments]
    result = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=90)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_a_bad_install_says_why(inside_site: ThrowAwaySite) -> None:
    code, text = refused(inside_site, "node1", INSTALL.replace("1.35", "1.99"))
    assert code == 1
    assert "not available on 1.99/stable" in text
    inside_site.inject(Fault(("snap", "install"), host="node1"))
    assert refused(inside_site, "node1", INSTALL)[0] == 1


def test_the_first_control_plane(inside_site: ThrowAwaySite) -> None:
    on(
        inside_site,
        "node1",
        f"mkdir -p /var/snap/microk8s/common; cat > /var/snap/microk8s/common/.microk8s.yaml <<'X'\n{yaml.safe_dump(LAUNCH)}X\n",
    )
    started = time.monotonic()
    on(inside_site, "node1", f"{INSTALL}; snap refresh --hold microk8s; /snap/bin/microk8s status --wait-ready --timeout 60")
    print(f"control plane and node ready after {time.monotonic() - started:.1f} s")
    assert "1.35/stable" in on(inside_site, "node1", "snap list microk8s")
    assert "node1" in on(inside_site, "node1", "/snap/bin/microk8s kubectl get nodes -o name")
    state = yaml.safe_load(on(inside_site, "node1", "/snap/bin/microk8s status --format yaml"))
    assert state["microk8s"]["running"] is True
    assert [addon["name"] for addon in state["addons"]] == ["dns"]


def test_its_kubeconfig_works_from_outside(inside_site: ThrowAwaySite, tmp_path: Path) -> None:
    text = on(inside_site, "node1", "/snap/bin/microk8s config")
    config = tmp_path / "kubeconfig"
    config.write_text(text)
    assert "https://192.168.50.11:16443" in text
    assert "https://127.0.0.1:16443" in on(inside_site, "node1", "/snap/bin/microk8s config -l")
    user = json.loads(kubectl(inside_site, "auth", "whoami", "-o", "json", config=config))["status"]["userInfo"]
    assert (user["username"], "system:masters" in user["groups"]) == ("admin", True)
    version = json.loads(kubectl(inside_site, "version", "-o", "json", config=config))["serverVersion"]["gitVersion"]
    assert version.startswith("v1.35.")


def test_a_join_needs_the_token_and_the_right_peer(inside_site: ThrowAwaySite) -> None:
    on(inside_site, "node2", INSTALL)
    mark = on(inside_site, "node1", FINGERPRINT).strip()
    join = "/snap/bin/microk8s join 192.168.50.11:25000"
    assert refused(inside_site, "node2", f"{join}/{'x' * 32}/{mark} --worker")[0] == 6
    code, text = refused(inside_site, "node2", f"{join}/{TOKEN}/{'0' * 12} --worker")
    assert code == 4
    assert "Could not verify the identity" in text
    assert refused(inside_site, "node2", f"{join}/{TOKEN}/{mark[:4]} --worker")[0] == 4
    assert refused(inside_site, "node2", f"/snap/bin/microk8s join 192.168.50.13:25000/{TOKEN} --worker")[0] == 1


def test_workers_join(inside_site: ThrowAwaySite) -> None:
    mark = on(inside_site, "node1", FINGERPRINT).strip()
    on(inside_site, "node2", f"/snap/bin/microk8s join 192.168.50.11:25000/{TOKEN}/{mark} --worker")
    once = json.loads(on(inside_site, "node1", "/snap/bin/microk8s add-node --format json"))["urls"][0]
    on(inside_site, "node3", f"{INSTALL}; /snap/bin/microk8s join {once} --worker")
    kubectl(inside_site, "wait", "--for=condition=Ready", "node", "--all", "--timeout=30s")
    assert TOKEN not in str(inside_site.journal("node2").records)
    assert refused(inside_site, "node3", f"/snap/bin/microk8s join {once} --worker")[0] == 6


def test_a_worker_is_limited_as_upstream(inside_site: ThrowAwaySite) -> None:
    assert on(inside_site, "node2", "/snap/bin/microk8s config") == ""
    assert "acting as a node" in on(inside_site, "node2", "/snap/bin/microk8s kubectl get nodes")
    assert refused(inside_site, "node2", "/snap/bin/microk8s status --wait-ready --timeout 5")[0] == 1
    assert on(inside_site, "node2", f"{KUBELET} get node node2 -o name") == "node/node2\n"
    code, text = refused(inside_site, "node2", f"{KUBELET} get secrets -A")
    assert code != 0
    assert "forbidden" in text


def test_workloads_live_and_die(inside_site: ThrowAwaySite) -> None:
    kubectl(inside_site, "create", "namespace", "work")
    kubectl(inside_site, "-n", "work", "create", "deployment", "web", "--image=web:1", "--replicas=3")
    kubectl(inside_site, "-n", "work", "expose", "deployment", "web", "--port=80")
    kubectl(inside_site, "-n", "work", "create", "job", "task", "--image=task:1")
    kubectl(inside_site, "-n", "work", "wait", "--for=condition=Available", "deployment/web", "--timeout=30s")
    kubectl(inside_site, "-n", "work", "wait", "--for=condition=Complete", "job/task", "--timeout=30s")
    slices = json.loads(kubectl(inside_site, "-n", "work", "get", "endpointslices", "-o", "json"))["items"]
    assert [len(entry["endpoints"]) for entry in slices] == [3]
    kubectl(inside_site, "delete", "namespace", "work", "--timeout=60s")
    kubectl(inside_site, "-n", "kube-system", "wait", "--for=condition=Available", "deployment/coredns", "--timeout=30s")


def test_a_start_delay_holds_a_pod_back(inside_site: ThrowAwaySite) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "late", "namespace": "default", "annotations": {DELAY_ANNOTATION: "1500ms"}},
        "spec": {"containers": [{"name": "late", "image": "late:1"}]},
    }
    started = time.monotonic()
    kubectl(inside_site, "create", "-f", "-", stdin=json.dumps(pod))
    kubectl(inside_site, "wait", "--for=condition=Ready", "pod/late", "--timeout=30s")
    assert time.monotonic() - started > 1.5


def test_the_audit_log_tells_who_wrote_what(inside_site: ThrowAwaySite, tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(on(inside_site, "node1", "/snap/bin/microk8s config"))
    object_text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: audited, namespace: default}\n"
    kubectl(inside_site, "apply", "--server-side", "--dry-run=server", "-f", "-", config=config, stdin=object_text)
    kubectl(inside_site, "apply", "--server-side", "-f", "-", config=config, stdin=object_text)
    events = [json.loads(line) for line in inside_site.audit_log.read_text().splitlines()]
    mine = [
        event for event in events if event["user"]["username"] == "admin" and event.get("objectRef", {}).get("name") == "audited"
    ]
    assert [("dryRun=All" in event["requestURI"], event["verb"], event["responseStatus"]["code"]) for event in mine] == [
        (True, "patch", 201),
        (False, "patch", 201),
    ]
    assert not {event["verb"] for event in events} & {"get", "list", "watch"}


def test_a_reboot_of_the_control_plane_keeps_the_cluster(inside_site: ThrowAwaySite) -> None:
    inside_site.reboot("node1")
    assert "audited" in kubectl(inside_site, "get", "configmaps", "-o", "name")


def test_a_worker_leaves(inside_site: ThrowAwaySite) -> None:
    on(inside_site, "node3", "/snap/bin/microk8s leave; snap remove --purge microk8s")
    kubectl(inside_site, "wait", "--for=condition=Ready=Unknown", "node/node3", "--timeout=30s")
    on(inside_site, "node1", "/snap/bin/microk8s remove-node node3")
    assert "node3" not in kubectl(inside_site, "get", "nodes", "-o", "name")
    assert refused(inside_site, "node3", "ls -d /var/snap/microk8s /snap/bin/microk8s")[0] != 0


def test_the_cluster_goes_and_can_come_again(inside_site: ThrowAwaySite) -> None:
    on(inside_site, "node1", "snap remove --purge microk8s")
    assert not inside_site.kubeconfig_path().exists()
    with pytest.raises(RuntimeError, match="no cluster"):
        inside_site.control_plane.client()
    on(inside_site, "node1", f"{INSTALL}; /snap/bin/microk8s status --wait-ready --timeout 60")
    assert kubectl(inside_site, "get", "nodes", "-o", "name") == "node/node1\n"
