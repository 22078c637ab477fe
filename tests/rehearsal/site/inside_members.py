"""Runs inside a frame (test_members.py starts it): three control planes, two workers, and what happens to them, in this order."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import pytest
import yaml

from mlops.errors import UserError
from mlops.hosts import compose
from mlops.nodes import acts
from mlops.nodes.kubectl import NodeKubectl
from mlops.nodes.state import LEAVING, UPDATING, WantedHost
from mlops.objectset import KubectlError
from mlops.rehearsal.site.controlplane import PORT
from mlops.rehearsal.site.daemon import Fault
from mlops.rehearsal.site.site import ThrowAwaySite

TOKEN = "0123456789abcdef0123456789abcdef"
PLANES, WORKERS = ("c1", "c2", "c3"), ("w1", "w2")
FINGERPRINT = "openssl x509 -in /var/snap/microk8s/current/certs/server.crt -outform der | sha256sum | cut -c 1-64"
GPU = {"key": "gpu", "value": "true", "effect": "NoSchedule"}


def on(site: ThrowAwaySite, host: str, script: str) -> str:
    done = site.hosts[host].run(["bash", "-s"], stdin=f"set -e\n{script}")
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


def step(site: ThrowAwaySite, host: str, name: str, act: str, **values: str) -> subprocess.CompletedProcess[str]:
    """A step as the program sends it."""
    return site.hosts[host].run(["bash", "-s", "--", act], stdin=compose(name, values={"HOST_NAME": host, **values}))


def members(site: ThrowAwaySite, *, lost: str = "", roles: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    living = [name for name in (*PLANES, *WORKERS) if name not in lost.split()]
    kind = {name: "control-plane" if name in PLANES else "worker" for name in living} | (roles or {})
    lines = [f"{name} {site.hosts[name].machine_id} {kind[name]} {site.spec.host(name).address}" for name in living]
    return step(site, "c1", "members", "apply", LOST="\n".join(lost.split()), MACHINES="\n".join(lines))


def depart(site: ThrowAwaySite, host: str, reset: str = "keep") -> subprocess.CompletedProcess[str]:
    return step(site, host, "depart", "reset", RESET=reset)


def forget(site: ThrowAwaySite, host: str) -> subprocess.CompletedProcess[str]:
    return step(site, "c1", "forget", "reset", DEPARTED=host)


def told(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0, done.stdout
    return done.stderr


def access(site: ThrowAwaySite, seconds: float = 60) -> NodeKubectl:
    kubeconfig = site.kubeconfig_path().read_text()
    program = site.workdir / "snap-tools/kubectl"
    return NodeKubectl(kubeconfig=kubeconfig, context=None, deadline=time.monotonic() + seconds, program=lambda: program)


def kubectl(site: ThrowAwaySite, *arguments: str, stdin: str = "") -> str:
    argv = [str(site.workdir / "snap-tools/kubectl"), f"--kubeconfig={site.kubeconfig_path()}", *arguments]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def node(site: ThrowAwaySite, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl(site, "get", "node", name, "-o", "json"))
    return found


def nodes(site: ThrowAwaySite) -> list[str]:
    return sorted(line.partition("/")[2] for line in kubectl(site, "get", "nodes", "-o", "name").split())


def voters(site: ThrowAwaySite) -> list[str]:
    state = yaml.safe_load(on(site, "c1", "/snap/bin/microk8s status --format yaml"))
    by_address = {host.address: host.name for host in site.spec.hosts}
    entries = state["high-availability"]["nodes"]
    return sorted(by_address[entry["address"].split(":")[0]] for entry in entries if entry["role"] == "voter")


def install(site: ThrowAwaySite, host: str) -> None:
    launch = {"version": "0.2.0", "extraKubeAPIServerArgs": {"--authorization-mode": "RBAC,Node"}}
    if host == "c1":
        launch |= {"persistentClusterToken": TOKEN}
    text = yaml.safe_dump(launch)
    on(site, host, f"mkdir -p /var/snap/microk8s/common; cat >/var/snap/microk8s/common/.microk8s.yaml <<'X'\n{text}X\n")
    on(site, host, "snap install microk8s --classic --channel=1.35/stable")


def join(site: ThrowAwaySite, host: str) -> str:
    mark = on(site, "c1", FINGERPRINT).strip()
    worker = "" if host in PLANES else "--worker"
    return on(site, host, f"/snap/bin/microk8s join 192.168.50.11:25000/{TOKEN}/{mark} {worker}")


def wanted(*names: str, taints: tuple[dict[str, str], ...] = (), **labels: str) -> list[WantedHost]:
    own = {"w1": (labels, taints)}
    return [
        WantedHost(
            name=name,
            roles=("control-plane",) if name in PLANES else ("worker",),
            labels=own.get(name, ({}, ()))[0],
            taints=own.get(name, ({}, ()))[1],
        )
        for name in names
    ]


def until_up(site: ThrowAwaySite, host: str) -> None:
    """After a reboot that the site makes beside the test."""
    deadline = time.monotonic() + 20
    while not site.hosts[host].running:
        assert time.monotonic() < deadline, f"{host} does not come up"
        time.sleep(0.05)
    site.hosts[host].wait_for_sshd()


def ready(site: ThrowAwaySite, *names: str) -> None:
    kubectl(site, "wait", "--for=condition=Ready", "--timeout=30s", *(f"node/{name}" for name in names))


def test_hosts_form_a_cluster(inside_site: ThrowAwaySite) -> None:
    for name in (*PLANES, *WORKERS):
        install(inside_site, name)
    assert voters(inside_site) == ["c1"]
    join(inside_site, "c2")
    assert voters(inside_site) == ["c1"], "the second one does not vote until there is a third"
    assert inside_site.hosts["c1"].run(["/snap/bin/microk8s", "leave"]).returncode == 3, "the only voter cannot leave"
    on(inside_site, "w1", "echo '--node-labels=own=1' >>/var/snap/microk8s/current/args/kubelet")
    for name in ("c3", *WORKERS):
        join(inside_site, name)
    arguments = on(inside_site, "w1", "cat /var/snap/microk8s/current/args/kubelet")
    assert "microk8s-worker=microk8s-worker" in arguments
    assert "own=1" not in arguments
    ready(inside_site, *PLANES, *WORKERS)
    assert voters(inside_site) == list(PLANES)
    assert node(inside_site, "w1")["status"]["nodeInfo"]["machineID"] == inside_site.hosts["w1"].machine_id
    plain = inside_site.hosts["c1"].run(["/snap/bin/microk8s", "remove-node", "c3"])
    assert (plain.returncode, "is registered with dqlite" in plain.stdout) == (1, True)
    assert told(members(inside_site)) == "", "nobody is a stranger"


def test_labels_and_taints_come_and_go_and_those_of_others_stay(inside_site: ThrowAwaySite) -> None:
    kubectl(inside_site, "label", "node", "w1", "theirs=yes")
    kubectl(inside_site, "taint", "node", "w1", "theirs=yes:PreferNoSchedule")
    acts.keep_nodes(access(inside_site), wanted(*PLANES, *WORKERS, taints=(GPU,), rack="a1", row="7"))
    first = node(inside_site, "w1")
    assert {"theirs", "rack", "row", "node-role.kubernetes.io/worker"} <= set(first["metadata"]["labels"])
    assert {taint["key"] for taint in first["spec"]["taints"]} == {"theirs", "gpu"}
    acts.keep_nodes(access(inside_site), wanted(*PLANES, *WORKERS, row="8"))
    second = node(inside_site, "w1")
    assert second["metadata"]["labels"]["row"] == "8"
    assert "rack" not in second["metadata"]["labels"]
    assert second["metadata"]["labels"]["theirs"] == "yes"
    assert [taint["key"] for taint in second["spec"]["taints"]] == ["theirs"]
    before = second["metadata"]["resourceVersion"]
    acts.keep_nodes(access(inside_site), wanted(*PLANES, *WORKERS, row="8"))
    assert node(inside_site, "w1")["metadata"]["resourceVersion"] == before, "the same again changes nothing"
    with pytest.raises(KubectlError, match="conflict"):
        acts.keep_nodes(access(inside_site), wanted(*PLANES, *WORKERS, row="8", theirs="no"))
    listed = json.loads(kubectl(inside_site, "get", "configmap", "-n", "kube-system", "onprem-mlops-hosts", "-o", "json"))
    assert listed["data"] == {**dict.fromkeys(PLANES, "control-plane"), **dict.fromkeys(WORKERS, "worker")}


def test_a_host_of_the_file_is_left_alone_by_every_step(inside_site: ThrowAwaySite) -> None:
    with pytest.raises(UserError, match="meant to be in the cluster"):
        acts.withdraw(access(inside_site), "w2")
    assert "stays as it is" in told(depart(inside_site, "w2"))
    assert "stays" in told(forget(inside_site, "w2"))
    ready(inside_site, "w2")
    assert LEAVING not in node(inside_site, "w2")["metadata"]["annotations"]


def test_a_volume_or_a_lone_pod_on_the_node_refuses_its_removal(inside_site: ThrowAwaySite) -> None:
    acts.keep_nodes(access(inside_site), wanted(*PLANES, "w1"))
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["w2"]}]}]
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "on-w2"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "hostPath": {"path": "/data"},
            "claimRef": {"namespace": "default", "name": "data"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lone", "namespace": "default"},
        "spec": {"nodeName": "w2", "containers": [{"name": "c", "image": "c:1"}]},
    }
    for body in (volume, claim, pod):
        kubectl(inside_site, "create", "-f", "-", stdin=json.dumps(body))
    kubectl(inside_site, "wait", "--for=jsonpath={.status.phase}=Bound", "pvc/data", "--timeout=30s")
    before = node(inside_site, "w2")
    with pytest.raises(UserError) as caught:
        acts.withdraw(access(inside_site), "w2")
    assert "PersistentVolume on-w2 (Bound, claim data in namespace default)" in str(caught.value)
    assert "pod lone in namespace default" in str(caught.value)
    assert node(inside_site, "w2")["spec"] == before["spec"], "nothing was changed"
    assert "stays as it is" in told(depart(inside_site, "w2"))
    kubectl(inside_site, "delete", "pod/lone", "pvc/data", "--timeout=30s")
    kubectl(inside_site, "delete", "pv/on-w2", "--timeout=30s")


def test_a_disruption_budget_is_told_and_respected(inside_site: ThrowAwaySite) -> None:
    kubectl(inside_site, "create", "deployment", "web", "--image=web:1", "--replicas=5")
    kubectl(inside_site, "wait", "--for=condition=Available", "deployment/web", "--timeout=30s")
    kubectl(inside_site, "create", "poddisruptionbudget", "all-of-them", "--selector=app=web", "--min-available=5")
    kubectl(inside_site, "wait", "--for=jsonpath={.status.currentHealthy}=5", "pdb/all-of-them", "--timeout=30s")
    if not [pod for pod in access(inside_site).pods("w2") if pod["metadata"]["name"].startswith("web-")]:
        pytest.fail("the scheduler put no pod on w2")
    with pytest.raises(UserError) as caught:
        acts.withdraw(access(inside_site, seconds=18), "w2")
    assert "the disruption budget all-of-them" in str(caught.value)
    assert node(inside_site, "w2")["spec"]["unschedulable"], "it stays cordoned for the next run"
    told_back = acts.keep_nodes(access(inside_site), wanted(*PLANES, *WORKERS))
    assert "w2 was on its way out and is in the file again" in told_back[0]
    assert "unschedulable" not in node(inside_site, "w2")["spec"]
    kubectl(inside_site, "delete", "pdb/all-of-them")


def test_a_worker_is_drained_leaves_and_is_cleaned_through_every_cut(inside_site: ThrowAwaySite) -> None:
    acts.keep_nodes(access(inside_site), wanted(*PLANES, "w1"))
    acts.withdraw(access(inside_site), "w2")
    assert not [pod for pod in access(inside_site).pods("w2") if pod["metadata"]["name"].startswith("web-")]
    kubectl(inside_site, "wait", "--for=condition=Available", "deployment/web", "--timeout=30s")
    # a leave that refuses is told, and nothing is removed
    inside_site.inject(Fault(("microk8s", "leave"), host="w2"))
    assert "microk8s leave ended with an error" in refused(depart(inside_site, "w2"))
    assert "microk8s" in on(inside_site, "w2", "snap list")
    # power lost while it leaves, and again while the snap is removed
    inside_site.inject(Fault(("microk8s", "leave"), host="w2", action="reboot"))
    assert depart(inside_site, "w2").returncode != 0
    until_up(inside_site, "w2")
    inside_site.inject(Fault(("snap", "remove"), host="w2", action="reboot"))
    assert depart(inside_site, "w2").returncode != 0
    until_up(inside_site, "w2")
    assert "nothing of it is left there" in told(depart(inside_site, "w2"))
    assert on(inside_site, "w2", "ls -d /var/lib/onprem-mlops /var/snap/microk8s /snap/bin/microk8s 2>/dev/null || true") == ""
    assert "w2" in nodes(inside_site), "a node that has left is still registered"
    assert "is removed" in told(forget(inside_site, "w2"))
    assert "w2" not in nodes(inside_site)
    assert "not registered any more" in told(forget(inside_site, "w2"))
    assert "nothing of it is left there" in told(depart(inside_site, "w2")), "once more is harmless"


def test_it_comes_again(inside_site: ThrowAwaySite) -> None:
    install(inside_site, "w2")
    join(inside_site, "w2")
    ready(inside_site, "w2")
    acts.keep_nodes(access(inside_site), wanted(*PLANES, *WORKERS))


def api_server_port_is_taken(site: ThrowAwaySite, host: str) -> bool:
    return f":{PORT:04X} 00000000:0000 0A " in site.netns_exec(host, ["cat", "/proc/net/tcp"]).stdout


def test_a_changed_role_is_refused_in_words(inside_site: ThrowAwaySite) -> None:
    text = refused(members(inside_site, roles={"w1": "control-plane", "c3": "worker"}))
    assert "host w1 is a worker of the cluster" in text
    assert "host c3 is a control-plane of the cluster" in text
    assert "take the host out of the file" in text


def test_a_host_that_is_declared_lost_and_lives_is_refused(inside_site: ThrowAwaySite) -> None:
    assert "host c3 is declared lost in the settings, but its node is Ready" in refused(members(inside_site, lost="c3"))


def test_without_quorum_no_control_plane_goes(inside_site: ThrowAwaySite) -> None:
    inside_site.power_off("c2")
    assert not api_server_port_is_taken(inside_site, "c2")
    acts.keep_nodes(access(inside_site), wanted("c1", "c2", *WORKERS))
    with pytest.raises(UserError, match="nothing on it was changed") as caught:
        acts.withdraw(access(inside_site), "c3")
    assert "of 3 control planes 1 would be Ready without it: c1" in str(caught.value)
    assert "stays as it is" in told(depart(inside_site, "c3"))
    assert voters(inside_site) == list(PLANES)


def test_a_dead_control_plane_is_taken_out_by_force_and_comes_again(inside_site: ThrowAwaySite) -> None:
    acts.keep_nodes(access(inside_site), wanted("c1", "c3", *WORKERS))
    assert "node c2 was taken out by force: host c2 is declared lost" in told(members(inside_site, lost="c2"))
    assert "c2" not in nodes(inside_site)
    assert voters(inside_site) == ["c1", "c3"]
    assert told(members(inside_site, lost="c2")) == "", "once more is harmless"
    acts.keep_nodes(access(inside_site), wanted("c1", *WORKERS))
    with pytest.raises(UserError, match="cannot be taken out"):
        acts.withdraw(access(inside_site), "c3")
    acts.keep_nodes(access(inside_site), wanted("c1", "c3", *WORKERS))
    inside_site.reinstall("c2")
    assert not api_server_port_is_taken(inside_site, "c2")
    install(inside_site, "c2")
    join(inside_site, "c2")
    ready(inside_site, "c2")
    assert api_server_port_is_taken(inside_site, "c2")
    assert voters(inside_site) == list(PLANES)


def test_a_reinstalled_host_is_recognised_and_comes_again(inside_site: ThrowAwaySite) -> None:
    for name in ("c3", "w1"):
        inside_site.reinstall(name)
    install(inside_site, "c3")
    join(inside_site, "c3")
    assert not inside_site.control_plane.node_ready("c3"), "the datastore lets no address in twice"
    text = told(members(inside_site))
    assert "node c3 was taken out by force: host c3 was installed anew" in text
    assert "node w1 was taken out by force" in text
    install(inside_site, "w1")
    for name in ("c3", "w1"):
        join(inside_site, name)
    ready(inside_site, "c3", "w1")
    assert voters(inside_site) == list(PLANES)


def test_a_machine_id_that_was_changed_on_a_living_host_takes_nobody_out(inside_site: ThrowAwaySite) -> None:
    own = on(inside_site, "c2", "cat /etc/machine-id")
    on(inside_site, "c2", "tr 0-9a-f 1-9a-f0 </etc/machine-id >/tmp/id; cat /tmp/id >/etc/machine-id")
    assert "but its node is Ready with" in refused(members(inside_site))
    on(inside_site, "c2", f"printf '%s' '{own}' >/etc/machine-id")


def test_an_address_that_the_datastore_has_and_no_node_is_taken_out(inside_site: ThrowAwaySite) -> None:
    inside_site.power_off("c3")
    kubectl(inside_site, "delete", "node", "c3")
    assert voters(inside_site) == list(PLANES)
    assert "and there is no node of it" in told(members(inside_site))
    assert voters(inside_site) == ["c1", "c2"]


def test_a_majority_that_is_not_there_is_told(inside_site: ThrowAwaySite) -> None:
    inside_site.power_off("c2")
    text = refused(members(inside_site, lost="c2"))
    assert "without c2 1 of 2 voters of the datastore are alive" in text
    assert "c2" in nodes(inside_site)
    inside_site.power_on("c2")
    ready(inside_site, "c2")
    assert api_server_port_is_taken(inside_site, "c2")


def test_draining_for_another_version_and_back(inside_site: ThrowAwaySite) -> None:
    assert acts.drain(access(inside_site), "w1", "1.35/stable") == []
    assert "is drained before its update" in acts.drain(access(inside_site), "w1", "1.36/stable")[0]
    assert node(inside_site, "w1")["metadata"]["annotations"][UPDATING] == "true"
    with pytest.raises(UserError, match="stays cordoned"):
        acts.take_back(access(inside_site), "w1", "1.36/stable")
    assert "takes pods again" in acts.take_back(access(inside_site), "w1", "1.35/stable")[0]
    assert "unschedulable" not in node(inside_site, "w1")["spec"]


def test_a_destroyed_site_is_removed_whole_without_leaving(inside_site: ThrowAwaySite) -> None:
    leaves = len(inside_site.journal("w1").calls("microk8s", "leave"))
    assert "nothing of it is left there" in told(depart(inside_site, "w1", reset="reset"))
    assert "nothing of it is left there" in told(depart(inside_site, "c1", reset="reset"))
    assert len(inside_site.journal("w1").calls("microk8s", "leave")) == leaves
    assert not inside_site.kubeconfig_path().exists()
