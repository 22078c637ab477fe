"""What needs no namespace: the specification, the journal's masking, start delays, certificates, run directories."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

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
        "pod-complete",
        "pod-delete",
    ]


def test_the_delay_scale_scales_and_zero_means_none() -> None:
    assert "% 18000 + 2000 " in kwok.delay_expression("s", 1.0)
    assert "% 9000 + 1000 " in kwok.delay_expression("s", 0.5)
    assert "% 1 + 0 " in kwok.delay_expression("s", 0)


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
