"""What needs no namespace: the specification, the journal's masking, start delays, certificates, run directories."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from mlops.rehearsal.site import kwok, preflight, runs
from mlops.rehearsal.site.journal import Journal, mask
from mlops.rehearsal.site.nodes import node_object
from mlops.rehearsal.site.pki import Authority
from mlops.rehearsal.site.spec import SiteSpec
from tests.rehearsal.site.site_for_tests import make_site


def test_a_saved_specification_reads_back_and_is_private(tmp_path: Path) -> None:
    site = make_site()
    path = site.write(tmp_path)
    assert SiteSpec.load(path) == site.spec
    assert path.stat().st_mode & 0o077 == 0


def test_the_router_takes_no_address_of_a_host_and_none_that_is_reserved() -> None:
    spec = make_site().spec
    assert [str(spec.router(network)) for network in spec.networks] == ["192.168.50.10/24", "192.168.60.1/24"]


def test_a_full_subnet_has_no_router() -> None:
    spec = make_site().spec
    full = SiteSpec(spec.name, spec.domain, spec.hosts, spec.node_subnet, reserved=("192.168.50.1-192.168.50.254",))
    with pytest.raises(ValueError, match="no free address"):
        full.router(full.networks[0])


@pytest.mark.parametrize(
    ("argv", "secret"),
    [
        (["microk8s", "add-node", "--token", "s3cret", "--token-ttl", "60"], "s3cret"),
        (["microk8s", "add-node", "--token=s3cret"], "s3cret"),
        (["microk8s", "join", "10.0.0.1:25000/s3cret/abcdefabcdef", "--worker"], "s3cret"),
        (["microk8s", "join", "--worker", "10.0.0.1:25000/s3cret"], "s3cret"),
        (["snap", "set", "system", "proxy.http=http://user:s3cret@proxy:3128"], "s3cret"),
        (["snap", "set", "microk8s", "config=version: 0.2.0\npersistentClusterToken: s3cret\n"], "s3cret"),
    ],
)
def test_the_journal_masks_secrets(argv: list[str], secret: str, tmp_path: Path) -> None:
    assert secret not in "".join(mask(argv))
    journal = Journal("node1", tmp_path / "journal.jsonl")
    journal.add(argv, user=0, started=0.0, code=0)
    assert secret not in (tmp_path / "journal.jsonl").read_text()
    assert json.loads((tmp_path / "journal.jsonl").read_text())["argv"][0] == argv[0]
    assert [record.code for record in journal.calls(argv[0], argv[1])] == [0]


def test_the_journal_keeps_what_is_no_secret() -> None:
    argv = ["snap", "install", "microk8s", "--classic", "--channel=1.35/stable"]
    assert list(mask(argv)) == argv


def test_stages_of_kwok_are_yaml_with_the_options_it_insists_on() -> None:
    options, *stages = yaml.safe_load_all(kwok.configuration(seed="s", delay_scale=1.0))
    assert {"nodeLeaseParallelism", "podPlayStageParallelism", "nodePlayStageParallelism"} <= set(options["options"])
    assert [stage["metadata"]["name"] for stage in stages] == [
        "node-initialize",
        "node-heartbeat",
        "pod-ready",
        "pod-ready-later",
        "pod-complete",
        "pod-delete",
    ]


def jq(expression: str, pod: dict[str, Any]) -> str:
    """What jq makes of a pod; kwok's own is written to give the same."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not on this machine")
    done = subprocess.run(["jq", "-r", expression], input=json.dumps(pod), capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("scale", [0, 0.1, 1])
@pytest.mark.parametrize(
    ("owner", "workload"),
    [
        (("ReplicaSet", "ml-pipeline-ui-5c4d9b"), ("Deployment", "ml-pipeline-ui")),
        (("StatefulSet", "metacontroller"), ("StatefulSet", "metacontroller")),
        (("Job", "load-1"), ("Job", "load-1")),
    ],
)
def test_a_workloads_delay_is_known_before_its_pods_are(owner: tuple[str, str], workload: tuple[str, str], scale: float) -> None:
    pod = {"metadata": {"namespace": "kubeflow", "ownerReferences": [{"kind": owner[0], "name": owner[1]}]}}
    seconds = kwok.start_delay_seconds('é "s"', "kubeflow", *workload, scale)
    assert jq(kwok.delay_expression('é "s"', scale), pod) == f"{round(seconds * 1000)}ms"
    assert 2 * scale <= seconds <= 20 * scale


def test_a_pod_without_owner_and_one_with_a_delay_of_its_own() -> None:
    expression = kwok.delay_expression("s", 1)
    assert jq(expression, {"metadata": {"name": "p"}}) == f"{round(kwok.start_delay_seconds('s', '', 'Pod', 'p', 1) * 1000)}ms"
    assert jq(expression, {"metadata": {"annotations": {kwok.DELAY_ANNOTATION: "5ms"}}}) == "5ms"


def test_delays_differ_by_seed_and_by_name() -> None:
    delays = {kwok.start_delay_seconds(seed, "n", "Deployment", f"w{i}", 1) for seed in ("a", "b") for i in range(20)}
    assert len(delays) == 40


@pytest.mark.parametrize(
    ("spec", "waits"),
    [
        ({}, False),
        ({"volumes": [{"projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}]}}, {"emptyDir": {}}]}, False),
        ({"volumes": [{"secret": {"secretName": "s", "optional": True}}]}, False),
        ({"containers": [{"env": [{"value": "x"}, {"valueFrom": {"fieldRef": {}}}]}]}, False),
        ({"volumes": [{"secret": {"secretName": "s"}}]}, True),
        ({"volumes": [{"projected": {"sources": [{"secret": {"name": "s"}}]}}]}, True),
        ({"containers": [{"envFrom": [{"configMapRef": {"name": "c"}}]}]}, True),
        ({"initContainers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "s"}}}]}]}, True),
    ],
)
def test_a_pod_that_names_secrets_waits_until_they_are_said_to_be_there(spec: dict[str, Any], waits: bool) -> None:
    stages = {
        stage["metadata"]["name"]: stage for stage in list(yaml.safe_load_all(kwok.configuration(seed="s", delay_scale=1)))[1:]
    }
    condition = stages["pod-ready"]["spec"]["selector"]["matchExpressions"][-1]
    assert (jq(condition["key"], {"metadata": {}, "spec": spec}) in condition["values"]) is not waits
    told = {"annotations": {kwok.VOLUMES_ANNOTATION: "there"}}
    assert jq(condition["key"], {"metadata": told, "spec": spec}) in condition["values"]


def test_a_server_certificate_is_for_names_and_addresses() -> None:
    pair = Authority("ca").server("api", ["api.example", "10.0.0.1", "api.example"])
    names = (
        x509.load_pem_x509_certificate(pair.certificate.encode())
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert names.get_values_for_type(x509.DNSName) == ["api.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    assert len(pair.fingerprint) == 64


def test_a_node_has_its_role_and_address() -> None:
    spec = make_site().spec
    node = node_object(spec, spec.hosts[0], "v1.35.4")
    assert "node.kubernetes.io/microk8s-controlplane" in node["metadata"]["labels"]
    assert node["status"]["addresses"][0]["address"] == "192.168.50.11"


def test_what_a_killed_run_left_is_removed_by_the_next_and_a_live_one_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_CACHE_DIR", str(tmp_path))
    dead = tmp_path / "rehearsals" / "site-dead"
    dead.mkdir(parents=True)
    (dead / "file").touch()
    (tmp_path / "rehearsals" / "site-dead.lock").touch()
    with runs.run_directory("one") as one:
        assert not dead.exists()
        with runs.run_directory("two") as two:
            assert one.path.is_dir()
            assert one.path != two.path
        assert not two.path.exists()
    assert list((tmp_path / "rehearsals").iterdir()) == []


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def which(name: str, path: str) -> str | None:
        return None if name in {"mmdebstrap", "newuidmap"} else f"{path}/{name}"

    monkeypatch.setattr(shutil, "which", which)
    (problem, *_) = preflight.find_problems(rootless=True)
    assert problem.found == "not installed: mmdebstrap, newuidmap"
    assert problem.mend == "apt-get install mmdebstrap uidmap"


def test_a_cache_whose_path_would_split_mount_options_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_CACHE_DIR", "/nowhere/a:b")
    assert [problem.found for problem in preflight.find_problems(rootless=False)] == ["/nowhere/a:b"]
    monkeypatch.setenv("MLOPS_CACHE_DIR", "/nowhere/a b")
    assert list(preflight.find_problems(rootless=False)) == []


@pytest.mark.parametrize(
    ("text", "enough"),
    [
        ("", False),
        ("other:100000:65536\n", False),
        ("me:100000:1000\n", False),
        ("me:100000:65536\n", True),
        ("x:1:2\nme:200000:65536\n", True),
    ],
)
def test_a_range_of_subordinate_ids_must_be_large_enough(text: str, enough: bool, tmp_path: Path) -> None:
    path = tmp_path / "subuid"
    path.write_text(text)
    assert preflight.has_range(path, "me", 1234) is enough
