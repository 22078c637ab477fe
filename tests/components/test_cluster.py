"""MicroK8s through a recording monitor: the chain in which hosts join and are configured, and what each one is given."""

from __future__ import annotations

import base64
import itertools
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.cluster import microk8s
from tests.components.recording import Registered, record
from tests.components.site_layers import Change, build, hosts_of, names_of, site

FIRST, *OTHERS = names_of(site("corporate"))


def registered(name: str, change: Change = lambda _: None) -> Registered:
    settings = site(name, change)
    return record(lambda: build(settings))


@pytest.fixture(scope="module")
def corporate() -> Registered:
    return registered("corporate")


def value(run: Registered, resource: str, name: str) -> str:
    """A value of a step, from its script."""
    lines = run.one(resource).inputs["stdin"].split(f"\n{name}=", 1)[1]
    lexer = shlex.shlex(lines, posix=True)
    lexer.whitespace, lexer.commenters, lexer.whitespace_split = "\n", "", True
    return "" if lines.startswith(("''", "\n")) else lexer.get_token() or ""


def test_hosts_join_and_are_configured_one_after_the_other(corporate: Registered) -> None:
    steps = [f"cluster-{FIRST}-describe", "cluster-members", f"cluster-{FIRST}-drain", f"cluster-{FIRST}-configure"]
    for name in OTHERS:
        steps += [f"cluster-{name}-{step}" for step in ("join", "drain", "configure", "return")]
    steps += ["cluster-nodes", "cluster-kubernetes"]
    for before, after in itertools.pairwise(steps):
        assert before in corporate.before(after), f"{after} does not wait for {before}"


def test_every_host_is_installed_before_one_is_configured(corporate: Registered) -> None:
    assert {f"cluster-{name}-microk8s" for name in (FIRST, *OTHERS)} <= corporate.before(f"cluster-{FIRST}-configure")


def test_objects_wait_for_every_host_and_go_before_any(corporate: Registered) -> None:
    before = corporate.before("cluster-kubernetes")
    for name in (FIRST, *OTHERS):
        assert {f"cluster-{name}-return", f"cluster-{name}-withdraw", f"cluster-{name}-depart"} <= before


def test_the_token_goes_to_those_who_need_it_only(corporate: Registered) -> None:
    token = "t" * 32
    holders = {item.name for item in corporate.of_type("command:remote:Command") if token in item.inputs["stdin"]}
    assert holders == {f"cluster-{FIRST}-describe", *(f"cluster-{name}-join" for name in OTHERS)}
    for name in holders:
        assert "SECRETS=(TOKEN)" in corporate.one(name).inputs["stdin"]


def test_a_worker_gets_no_key_of_the_cluster(corporate: Registered) -> None:
    key = "++//" * 11
    workers = {"corp4"}
    for name in (FIRST, *OTHERS):
        launch = value(corporate, f"cluster-{name}-microk8s", "LAUNCH_CONFIGURATION")
        files = value(corporate, f"cluster-{name}-configure", "FILES")
        encoded = [base64.b64decode(line.split()[3]).decode() for line in files.splitlines()]
        assert (key in launch, any(key in text for text in encoded)) == ((name not in workers),) * 2


def test_what_there_is_once_in_a_cluster_is_one_hosts_matter(corporate: Registered) -> None:
    assert value(corporate, f"cluster-{FIRST}-configure", "FIRST") == "yes"
    assert value(corporate, f"cluster-{FIRST}-configure", "CHECKSUM_OFFLOAD_BROKEN") == "yes"
    assert value(corporate, f"cluster-{FIRST}-configure", "DNS_SERVERS") == "172.16.8.53 172.16.9.53"
    assert value(corporate, "cluster-corp3-configure", "CONTROL_PLANES") == "3"
    for name in OTHERS:
        assert [value(corporate, f"cluster-{name}-configure", key) for key in ("FIRST", "DNS_SERVERS")] == ["no", ""]
    for name in (FIRST, "corp2", "corp4"):
        assert value(corporate, f"cluster-{name}-configure", "CONTROL_PLANES") == ""


def test_growing_the_cluster_changes_nothing_on_hosts_that_are_there() -> None:
    def more(values: dict[str, Any]) -> None:
        key = hosts_of(site("corporate")).first.host_key
        node = {"name": "metal9", "address": "192.168.40.19", "hostKey": key, "roles": ["worker"]}
        values["hosts"]["nodes"].append(node)

    small, large = registered("baremetal"), registered("baremetal", more)
    assert "cluster-metal9-join" in [item.name for item in large.all]
    for name in names_of(site("baremetal")):
        for step in ("microk8s", "configure"):
            assert small.one(f"cluster-{name}-{step}").inputs["stdin"] == large.one(f"cluster-{name}-{step}").inputs["stdin"]


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (lambda values: values["cluster"].update(arguments={"kubelet": {"--max-pods": "250"}}), {"microk8s", "configure"}),
        (lambda values: values["trust"].update(extraRoots=[]), {"microk8s", "configure", "prepare", "probe"}),
        (lambda values: values["cluster"].update(channel="1.34/stable"), {"microk8s", "configure", "drain", "return"}),
    ],
)
def test_a_change_runs_no_step_that_it_is_not_for(corporate: Registered, change: Change, changed: set[str]) -> None:
    other = registered("corporate", change)
    steps = set()
    for item in corporate.of_type("command:"):
        if any(item.inputs.get(key) != other.one(item.name).inputs.get(key) for key in ("stdin", "environment")):
            steps.add(item.name.rpartition("-")[2])
    assert steps - {"preflight"} == changed


def test_a_new_proxy_password_leaves_the_launch_configuration_alone_and_is_masked_in_both_forms() -> None:
    def proxy(password: str) -> Registered:
        return registered("corporate", lambda values: values["proxy"].update(username="svc", password=password))

    one, other = proxy("p@ss/one"), proxy("p@ss/two")
    name = "cluster-corp1-microk8s"
    assert value(one, name, "LAUNCH_CONFIGURATION") == value(other, name, "LAUNCH_CONFIGURATION")
    for step in (name, "cluster-corp1-configure"):
        script = one.one(step).inputs["stdin"]
        assert "PROXY_PASSWORD_IN_URL=p%40ss%2Fone" in script
        assert "SECRETS=(PROXY_PASSWORD PROXY_PASSWORD_IN_URL)" in script


def test_an_epoch_more_makes_a_key_that_all_control_planes_knew_before() -> None:
    def epoch(number: int) -> Registered:
        return registered("corporate", lambda values: values["cluster"].update(secretsEncryption={"epoch": number}))

    for number in (1, 2):
        run = epoch(number)
        keys = {item.name for item in run.of_type("random:index/randomBytes:RandomBytes")}
        assert keys == {f"cluster-secrets-epoch-{each}" for each in range(1, number + 2)}
        assert value(run, "cluster-corp2-configure", "ENCRYPTION_KEY") == f"epoch-{number}"


def test_a_registrys_password_stands_in_secrets_only() -> None:
    def registry(values: dict[str, Any]) -> None:
        mirror = {"url": "https://mirror.corporate.example/v2/docker", "overridePath": True}
        values["registries"] = [{"host": "docker.io", "mirrors": [mirror], "username": "u", "password": "pull-secret"}]

    run = registered("corporate", registry)
    launch = yaml.safe_load(value(run, "cluster-corp4-microk8s", "LAUNCH_CONFIGURATION"))
    token = base64.b64encode(b"u:pull-secret").decode()
    assert token in launch["containerdRegistryConfigs"]["docker.io"]
    for item in run.all:
        shown = {key: text for key, text in item.inputs.items() if key not in item.secret_inputs}
        assert token not in str(shown)
        assert "pull-secret" not in str(shown)


@pytest.mark.parametrize(
    ("setting", "has", "mode"), [("auto", True, "iptables"), ("auto", False, "nftables"), ("iptables", False, "iptables")]
)
def test_kube_proxys_mode_follows_the_hosts_kernel(setting: str, has: bool, mode: str) -> None:
    assert microk8s._proxy_mode(setting, has_ip_tables=has) == mode


def test_folders_for_hosts_without_the_store_are_copied_before_the_installation(tmp_path: Path) -> None:
    for name in ("core22_1", "snapd_2", "microk8s_3"):
        (tmp_path / f"{name}.snap").touch()
        (tmp_path / f"{name}.assert").touch()
    (tmp_path / "images.tar").touch()

    run = registered(
        "baremetal", lambda values: values["cluster"].update(offline={"snaps": str(tmp_path), "images": str(tmp_path)})
    )
    for name in names_of(site("baremetal")):
        before = run.before(f"cluster-{name}-microk8s")
        assert {f"cluster-{name}-snaps", f"cluster-{name}-images"} <= before
        assert f"hosts-{name}-prepare" in run.before(f"cluster-{name}-snaps")
        assert value(run, f"cluster-{name}-microk8s", "OFFLINE_SNAPS") == "core22_1.snap snapd_2.snap microk8s_3.snap"


def test_folders_that_are_not_complete_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "microk8s_3.snap").touch()
    with pytest.raises(Exception, match="not complete") as told:
        registered("baremetal", lambda values: values["cluster"].update(offline={"snaps": str(tmp_path), "images": str(tmp_path)}))
    for words in ("no file core22_*.snap", "no file snapd_*.snap", "microk8s_3.snap without its .assert", "no file *.tar"):
        assert words in str(told.value)
