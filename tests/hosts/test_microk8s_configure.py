"""What the step `configure` changes and restarts, and what it asks and refuses before that; MicroK8s is played by stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from mlops.hosts.apiserver import api_server
from mlops.hosts.microk8s import Node
from mlops.hosts.registries import registry_texts
from mlops.settings import Arguments, Audit, Authentication, Registry
from tests.hosts.conftest import HostMaker
from tests.hosts.fake_host import FakeHost
from tests.hosts.microk8s_host import ARGUMENTS, DEFAULTS, KEYS, make_microk8s, node, status, values_of

# others have no time to come back
CALL = 'ASK_SECONDS=0 SETTLE_SECONDS=0; main "$@"'
RESTARTS = ("snap restart", "snap refresh microk8s")
PROXY = 'HTTPS_PROXY="http://proxy.example:3128"'


def configure(host: FakeHost, values: dict[str, str], *, cut_at: int | None = None) -> subprocess.CompletedProcess[str]:
    return host.run("configure", values, call=CALL, cut_at=cut_at)


def configured(host: FakeHost, described: Node, **changes: str) -> list[str]:
    """Restarts and refreshes that a run made."""
    done = configure(host, values_of(described, **changes))
    assert done.returncode == 0, done.stderr
    return restarts(host)


def restarts(host: FakeHost) -> list[str]:
    return [call.removeprefix("snap ") for call in host.calls if call.startswith(RESTARTS)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, certificates: list[str]) -> FakeHost:
    """A control plane on which everything is as the settings say, and beside it a copy."""
    made = make_microk8s(FakeHost.make(tmp_path_factory.mktemp("template") / "host", "debian-12", certificates[0]))
    made.write(f"{ARGUMENTS}/encryption.yaml", "name: epoch-1\n")
    configured(made, node())
    shutil.copytree(made.folder, made.folder.with_name("copy"))
    return made


@pytest.fixture
def host(template: FakeHost) -> FakeHost:
    """The template in its first state, in its place: paths of a host stand in what it remembers."""
    return restored(template)


def restored(host: FakeHost) -> FakeHost:
    shutil.rmtree(host.folder)
    shutil.copytree(host.folder.with_name("copy"), host.folder)
    return host


def api(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"audit": Audit(), "authentication": None, "trusted": "", "encryption_keys": KEYS, "minor": (1, 35)}
    return {"api_server": api_server(**(values | changes))}


ISSUER = Authentication(issuerUrl="https://id.example", audiences=("platform",))
OTHER_ISSUER = Authentication(issuerUrl="https://other.example", audiences=("platform",))
MIRROR = (Registry(host="docker.io", mirrors=({"url": "https://mirror.example"},)),)


@pytest.mark.parametrize(
    ("before", "after", "changes", "daemons"),
    [
        ({}, {}, {}, []),
        ({}, {"further": Arguments(kubelet={"--max-pods": "250"})}, {}, ["kubelite"]),
        ({"further": Arguments(kubelet={"--max-pods": "250"})}, {}, {}, ["kubelite"]),
        ({}, {"kube_proxy_mode": "nftables"}, {}, ["kubelite"]),
        ({}, api(audit=Audit(level="Request")), {}, ["kubelite"]),
        ({}, api(audit=Audit(level="None")), {}, ["kubelite"]),
        ({}, api(authentication=ISSUER), {}, ["kubelite"]),
        (api(authentication=ISSUER), api(authentication=OTHER_ISSUER), {}, []),
        ({}, {"registries": registry_texts(MIRROR, {})}, {}, []),
        ({}, {}, {"CONTAINERD_ENVIRONMENT": PROXY}, ["containerd", "kubelite"]),
        ({}, {}, {"CONTAINERD_ENVIRONMENT": 'NO_PROXY="node9"'}, ["containerd"]),
        ({}, {}, {"TRUST_DIGEST": "two"}, ["containerd", "kubelite"]),
    ],
)
def test_only_the_daemon_that_reads_a_change_is_restarted(
    host: FakeHost, before: dict[str, Any], after: dict[str, Any], changes: dict[str, str], daemons: list[str]
) -> None:
    if before:
        configured(host, node(**before))
    assert configured(host, node(**after), **changes) == [f"restart microk8s.daemon-{daemon}" for daemon in daemons]
    files = host.tree()
    assert configured(host, node(**after), **changes) == [], "a second run changes nothing"
    assert host.tree() == files


def test_more_huge_pages_reach_the_kubelet(host: FakeHost) -> None:
    host.write("proc/sys/vm/nr_hugepages", "1024\n")
    assert configured(host, node()) == ["restart microk8s.daemon-kubelite"]


def test_arguments_are_set_among_those_of_others_and_given_back(host: FakeHost) -> None:
    host.write(f"{ARGUMENTS}/kubelet", "--resolv-conf=/run/own\n" + host.read(f"{ARGUMENTS}/kubelet"))
    changed = node(further=Arguments(kubelet={"--fail-swap-on": "true", "--max-pods": "250"}, apiServer={"--event-ttl": "1h"}))
    configured(host, changed)
    lines = host.read(f"{ARGUMENTS}/kubelet").splitlines()
    assert lines[0] == "--resolv-conf=/run/own"
    assert {"--fail-swap-on=true", "--max-pods=250", "--cluster-dns=10.152.183.10"} <= set(lines)
    assert "--fail-swap-on=false" not in lines
    assert "--event-ttl=1h\n" in host.read(f"{ARGUMENTS}/kube-apiserver")
    configured(host, node())
    lines = host.read(f"{ARGUMENTS}/kubelet").splitlines()
    assert lines[:2] == ["--resolv-conf=/run/own", "--fail-swap-on=false"], "MicroK8s' own value again"
    assert not any(line.startswith("--max-pods") for line in lines)
    assert "--event-ttl=5m\n" in host.read(f"{ARGUMENTS}/kube-apiserver")


def test_an_argument_is_given_back_though_its_name_begins_that_of_another(host: FakeHost) -> None:
    both = {"--kube-api-burst": "200", "--kube-api-burst-more": "1"}
    configured(host, node(further=Arguments(kubelet=both)))
    del both["--kube-api-burst"]
    configured(host, node(further=Arguments(kubelet=both)))
    lines = host.read(f"{ARGUMENTS}/kubelet").splitlines()
    assert [line for line in lines if line.startswith("--kube-api-burst")] == ["--kube-api-burst-more=1"]


def test_a_join_that_replaced_the_kubelets_arguments_is_made_good(host: FakeHost) -> None:
    host.write(f"{ARGUMENTS}/kubelet", "--cluster-dns=10.152.183.10\n--cluster-domain=cluster.local\n")
    assert configured(host, node()) == [], "what the contacted node has is what this one is to have"
    host.write(f"{ARGUMENTS}/kubelet", "--fail-swap-on=false\n")
    assert configured(host, node()) == ["restart microk8s.daemon-kubelite"]


def test_files_that_are_no_longer_wanted_go_or_become_microk8s_own(host: FakeHost) -> None:
    registries = (*MIRROR, Registry(host="registry.example", username="u"))
    configured(host, node(registries=registry_texts(registries, {"registry.example": "p"})))
    assert "mirror.example" in host.read(f"{ARGUMENTS}/certs.d/docker.io/hosts.toml")
    assert host.root.joinpath(f"{ARGUMENTS}/certs.d/registry.example/hosts.toml").stat().st_mode & 0o777 == 0o600
    configured(host, node())
    assert host.read(f"{ARGUMENTS}/certs.d/docker.io/hosts.toml") == host.read(f"{DEFAULTS}/certs.d/docker.io/hosts.toml")
    assert not host.root.joinpath(f"{ARGUMENTS}/certs.d/registry.example/hosts.toml").exists()


@pytest.mark.parametrize(
    ("known", "text", "words"),
    [
        ("planes", "node1 True\nnode2 Unknown\nnode3 True\n", "all other control planes are Ready"),
        ("status", status(2), "the database has its voters"),
    ],
)
def test_nothing_changes_while_another_control_plane_is_down(host: FakeHost, known: str, text: str, words: str) -> None:
    host.know(known, text)
    before = host.tree()
    done = configure(host, values_of(node(further=Arguments(kubelet={"--max-pods": "250"}))))
    assert done.returncode == 1
    assert words in done.stderr
    assert restarts(host) == []
    assert host.tree() == before


def test_nothing_is_asked_when_nothing_restarts(host: FakeHost) -> None:
    host.know("planes", "node1 True\nnode2 Unknown\nnode3 True\n")
    assert configured(host, node(registries=registry_texts(MIRROR, {}))) == []


def test_two_control_planes_have_one_voter(host: FakeHost) -> None:
    host.know("planes", "node1 True\nnode2 True\n")
    host.know("status", status(1))
    assert configured(host, node(), TRUST_DIGEST="two") != []


def test_a_worker_asks_nobody_and_looks_at_its_own_node(make_host: HostMaker) -> None:
    host = make_microk8s(make_host("debian-12"))
    host.know("planes", "")
    worker = node(control_plane=False)
    assert "encryption" not in worker.file_lines()
    assert configured(host, worker) != []
    assert not [call for call in host.calls if call.startswith("microk8s ")]
    assert any("get lease node1" in call for call in host.calls)


def test_a_control_plane_that_an_argument_has_broken_is_mended_by_another(host: FakeHost) -> None:
    host.know("broken", "")
    done = configure(host, values_of(node(further=Arguments(kubelet={"--nonsense": "1"}))))
    assert done.returncode == 1
    assert "node node1 is Ready again" in done.stderr
    (host.state / "broken").unlink()
    assert configured(host, node()) == ["restart microk8s.daemon-kubelite"]


CHANGES: dict[str, Callable[[], dict[str, str]]] = {
    "argument": lambda: values_of(node(further=Arguments(kubelet={"--max-pods": "250"}))),
    "trust": lambda: values_of(node(), TRUST_DIGEST="two"),
    "channel": lambda: values_of(node(), CHANNEL="1.36/stable", FIRST="yes"),
}


@pytest.mark.parametrize(
    ("change", "everywhere"),
    [*((change, False) for change in CHANGES), *(pytest.param(change, True, marks=pytest.mark.long) for change in CHANGES)],
)
def test_a_step_killed_anywhere_is_finished_by_the_next(host: FakeHost, change: str, everywhere: bool) -> None:
    assert configure(host, CHANGES[change]()).returncode == 0
    wanted, kept, calls = set(restarts(host)), lasting(host), host.calls
    for number in range(1, len(calls) + 1):
        # all is written then and not yet read
        if not everywhere and not calls[number - 1].startswith(RESTARTS):
            continue
        restored(host)
        assert configure(host, CHANGES[change](), cut_at=number).returncode != 0
        made = restarts(host)
        if host.calls[-1].startswith(RESTARTS):  # killed before it did anything
            made = made[:-1]
        assert configure(host, CHANGES[change]()).returncode == 0
        assert wanted <= {*made, *restarts(host)}, f"cut at call {number}: a daemon runs with what it had before"
        assert lasting(host) == kept


def lasting(host: FakeHost) -> dict[str, str]:
    """What stays on the host, but for backups, whose names tell the time."""
    shutil.rmtree(host.root / "var/lib/onprem-mlops/backups", ignore_errors=True)
    return host.tree()


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("1.34/stable", ("newer than channel 1.34/stable", "an older one needs hosts without MicroK8s")),
        ("1.37/stable", ("channel 1.37/stable is 2 minor versions ahead", "set cluster.channel to the next one")),
    ],
)
def test_versions_are_neither_skipped_nor_taken_back(host: FakeHost, channel: str, words: tuple[str, ...]) -> None:
    before = host.tree()
    done = configure(host, values_of(node(), CHANNEL=channel, TRUST_DIGEST="two"))
    assert done.returncode == 1
    for word in words:
        assert word in done.stderr
    assert (restarts(host), host.tree()) == ([], before)


def test_a_new_channel_is_one_refresh_after_a_backup_and_is_held(host: FakeHost) -> None:
    backups = host.root / "var/lib/onprem-mlops/backups"
    backups.mkdir()
    for number in range(6):  # of updates before this one
        old = backups / f"dqlite-v1.{number}.tar.gz"
        old.touch()
        os.utime(old, (number, number))
    assert configured(host, node(), CHANNEL="1.36/stable", FIRST="yes") == ["refresh microk8s --channel=1.36/stable"]
    calls = [call.split(" -o")[0] for call in host.calls if "backup" in call or call.startswith("snap refresh")]
    assert calls == ["microk8s dbctl backup", "snap refresh microk8s --channel=1.36/stable", "snap refresh --hold microk8s"]
    (own,) = backups.glob("dqlite-v1.35.4-*.tar.gz")
    assert {file.name for file in backups.iterdir()} == {own.name, *(f"dqlite-v1.{number}.tar.gz" for number in range(2, 6))}
    assert host.record("configure")["snap", "microk8s"] == ["1.36/stable", "held"]


def test_another_host_than_the_first_makes_no_backup(host: FakeHost) -> None:
    configured(host, node(), CHANNEL="1.36/stable")
    assert not any("dbctl" in call for call in host.calls)


def test_a_key_that_the_others_do_not_know_is_refused(host: FakeHost) -> None:
    done = configure(host, values_of(node(), ENCRYPTION_KEY="epoch-3"))
    assert done.returncode == 1
    assert "raise cluster.secretsEncryption.epoch by one" in done.stderr
    configured(host, node(), ENCRYPTION_KEY="epoch-2")


def test_secrets_are_written_anew_once_with_a_new_key(host: FakeHost) -> None:
    configured(host, node(), ENCRYPTION_KEY="epoch-2", CONTROL_PLANES="3")
    assert (host.state / "replaced").exists()
    (host.state / "replaced").unlink()
    configured(host, node(), ENCRYPTION_KEY="epoch-2", CONTROL_PLANES="3")
    assert not (host.state / "replaced").exists()


def test_a_control_plane_that_has_not_joined_is_missed_at_the_end(host: FakeHost) -> None:
    done = configure(host, values_of(node(), CONTROL_PLANES="5"))
    assert done.returncode == 1
    assert "there are 5 control planes" in done.stderr


@pytest.mark.parametrize(
    ("present", "patched"),
    [
        ("forward .  /etc/resolv.conf", "forward . 192.0.2.53 192.0.2.54"),
        ("forward . 8.8.8.8 8.8.4.4 {", "forward . 192.0.2.53 192.0.2.54 {"),
        ("forward .  192.0.2.53 192.0.2.54", None),
    ],
)
def test_other_dns_servers_go_into_the_cluster(host: FakeHost, present: str, patched: str | None) -> None:
    host.know("corefile", f".:53 {{\n    {present}\n    reload\n}}")
    configured(host, node(), FIRST="yes", DNS_SERVERS="192.0.2.53 192.0.2.54")
    patch = host.state / "patch"
    assert (patch.read_text() if patch.exists() else None) == (
        patched and f"data:\n  Corefile: |\n    .:53 {{\n        {patched}\n        reload\n    }}\n"
    )
