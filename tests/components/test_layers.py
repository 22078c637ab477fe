"""The layers through a recording monitor: who waits for whom, what is secret, what a host is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.cluster import ExistingCluster, ExistingClusterArgs, MicroK8s, MicroK8sArgs
from components.hosts import PreparedHosts, PreparedHostsArgs
from components.proxy import proxy_access
from components.remote import dial_attempts, explain
from components.trust import CaChain, CaChainArgs
from mlops.rehearsal.run.derive import SshKey
from mlops.settings import ExistingCluster as ExistingClusterSettings
from mlops.settings import MicroK8sCluster, Origin, Site, parse_site
from tests.components.recording import Registered, record

ROOT = Path(__file__).parents[2]
KEY = SshKey.generate().private

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://192.0.2.7:6443"}}]
users: [{name: u, user: {token: not-a-real-token}}]
"""


def site(name: str, change: Callable[[dict[str, Any]], None] = lambda _: None, *, key: str | None = KEY) -> Site:
    """A shipped site with an SSH key, as the engine hands it over."""
    config = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text(encoding="utf-8"))["config"]
    values = {path.removeprefix("onprem-mlops:"): value for path, value in config.items() if path.startswith("onprem-mlops:")}
    if key is not None:
        values["hosts"]["access"]["key"] = key
    change(values)
    return parse_site(values, origin=Origin(stack=name, from_engine=True))


def build(settings: Site) -> None:
    """Layers trust, hosts and cluster."""
    assert settings.hosts is not None
    assert isinstance(settings.cluster, MicroK8sCluster)
    trust = CaChain(
        "trust", CaChainArgs(site=settings.name, authority=settings.trust.authority, extra_roots=settings.trust.extra_roots)
    )
    proxy = proxy_access(settings)
    hosts = PreparedHosts("hosts", PreparedHostsArgs(hosts=settings.hosts, trust_bundle=trust.bundle, proxy=proxy))
    MicroK8s(
        "cluster",
        MicroK8sArgs(hosts=settings.hosts, settings=settings.cluster, network=settings.network, proxy=proxy, after=hosts.prepared),
    )


@pytest.fixture(scope="module")
def corporate() -> Registered:
    settings = site("corporate")
    return record(lambda: build(settings))


def names_of(settings: Site) -> list[str]:
    assert settings.hosts is not None
    return [host.name for host in settings.hosts.in_joining_order()]


def test_each_host_goes_through_its_own_chain_only(corporate: Registered) -> None:
    for name in names_of(site("corporate")):
        assert f"hosts-{name}-prepare" in corporate.before(f"cluster-{name}-microk8s")
        others = {f"hosts-{other}-prepare" for other in names_of(site("corporate")) if other != name}
        assert not others & corporate.before(f"cluster-{name}-microk8s"), "installations must not wait for other hosts"


def test_hosts_join_one_after_the_other_and_the_provider_comes_last(corporate: Registered) -> None:
    first, *others = names_of(site("corporate"))
    before = f"cluster-{first}-describe"
    for name in others:
        assert before in corporate.before(f"cluster-{name}-join")
        assert f"cluster-{name}-microk8s" in corporate.before(f"cluster-{name}-join")
        before = f"cluster-{name}-join"
    assert {f"cluster-{name}-join" for name in others} <= corporate.before("cluster-kubernetes")


def test_one_command_at_a_time_on_a_host(corporate: Registered) -> None:
    for name in names_of(site("corporate")):
        steps = [item for item in corporate.of_type("command:remote:Command") if f"-{name}-" in item.name]
        assert len(steps) >= 3
        for one in steps:
            for other in steps:
                if one is not other:
                    assert one.name in corporate.before(other.name) or other.name in corporate.before(one.name)


def test_every_remote_command_pins_the_host_key_and_shows_no_value(corporate: Registered) -> None:
    commands = corporate.of_type("command:remote:Command")
    assert commands
    for command in commands:
        connection = command.inputs["connection"]
        assert connection["hostKey"].startswith("ssh-ed25519 ")
        assert connection["proxy"]["hostKey"].startswith("ssh-ed25519 ")
        assert command.secret_outputs >= {"stdout", "stderr"}
        assert command.inputs["logging"] == "none"
        assert command.inputs["addPreviousOutputInEnv"] is False
        assert "triggers" not in command.inputs, "a replacement would run the delete command after the new create"
        assert "stdin" in command.secret_inputs
        assert len({item.inputs["create"] for item in commands}) == 1, "the command line is a constant"


def test_the_private_key_is_a_secret_in_every_connection(corporate: Registered) -> None:
    for command in corporate.of_type("command:remote:Command"):
        raw = command.raw.object.fields["connection"].struct_value
        nested = str(raw)
        assert KEY.splitlines()[1] in nested
        signature = "4dabf18193072939515e22adb298388d"
        assert signature in nested, "the engine would store the key in clear"


@pytest.mark.parametrize(("setting", "runs_reset"), [("keep", False), ("reset", True)])
def test_destroy_touches_hosts_only_when_the_settings_say_so(setting: str, runs_reset: bool) -> None:
    settings = site("baremetal", lambda values: values["hosts"].update(onDestroy=setting))
    for command in record(lambda: build(settings)).of_type("command:remote:Command"):
        assert ("delete" in command.inputs) is runs_reset


def test_only_the_first_host_gets_the_join_token_in_its_launch_configuration(corporate: Registered) -> None:
    first, *others = names_of(site("corporate"))
    assert "persistentClusterToken" in corporate.one(f"cluster-{first}-microk8s").inputs["stdin"]
    for name in others:
        assert "persistentClusterToken" not in corporate.one(f"cluster-{name}-microk8s").inputs["stdin"]


def test_hosts_get_the_roots_the_extra_roots_and_the_proxy(corporate: Registered) -> None:
    script = corporate.one("hosts-corp1-prepare").inputs["stdin"]
    assert "CERTIFICATE trust-root-1" in script
    assert site("corporate").trust.extra_roots[0].splitlines()[1] in script
    assert "HTTPS_PROXY=" in script
    assert "Acquire::http::Proxy" in script


@pytest.mark.parametrize(
    ("epoch", "roots", "bundled"),
    [(1, {"trust-root-1"}, ["trust-root-1"]), (3, {"trust-root-2", "trust-root-3"}, ["trust-root-3", "trust-root-2"])],
)
def test_the_root_before_stays_trusted_for_one_epoch(epoch: int, roots: set[str], bundled: list[str]) -> None:
    settings = site("baremetal", lambda values: values["trust"]["authority"].update(epoch=epoch))
    bundle: list[str] = []

    def program() -> None:
        chain = CaChain("trust", CaChainArgs(site="s", authority=settings.trust.authority, extra_roots=[]))
        chain.bundle.apply(bundle.append)

    registered = record(program)
    assert {item.name for item in registered.of_type("SelfSignedCert")} == roots
    assert registered.one(f"trust-intermediate-{epoch}").inputs["caCertPem"] == f"CERTIFICATE trust-root-{epoch}"
    assert bundle == ["".join(f"CERTIFICATE {name}\n" for name in bundled)]


def test_an_existing_cluster_installs_nothing() -> None:
    def existing(values: dict[str, Any]) -> None:
        values.pop("hosts")
        values["cluster"] = {"kind": "existing", "kubeconfig": KUBECONFIG}
        values["network"].pop("nodeSubnet", None)

    settings = site("cloud", existing)
    assert isinstance(settings.cluster, ExistingClusterSettings)
    cluster = settings.cluster
    registered = record(lambda: ExistingCluster("cluster", ExistingClusterArgs(settings=cluster)))
    assert [item.type for item in registered.all if item.custom] == ["pulumi:providers:kubernetes"]
    assert "kubeconfig" in registered.one("cluster-kubernetes").secret_inputs


def test_a_preview_needs_no_secret_and_up_tells_which_is_missing() -> None:
    settings = site("corporate", key=None)
    assert record(lambda: build(settings), preview=True).of_type("command:remote:Command")
    with pytest.raises(Exception, match=r"hosts\.access\.key"):
        record(lambda: build(settings))


@pytest.mark.parametrize("patience", [1, 30, 300])
def test_refused_connections_are_retried_as_long_as_the_settings_say(patience: int) -> None:
    attempts = dial_attempts(patience)
    waits = [min(0.1 * 1.5**n, 5.0) for n in range(1, attempts)]
    assert sum(waits) >= patience > sum(waits[:-1])


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        ("after 9 failed attempts: ssh: handshake failed: ssh: host key mismatch", ("ssh-ed25519 ", "ssh-keyscan -p 22")),
        (
            (
                "after 9 failed attempts: ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey], "
                "no supported methods remain"
            ),
            ("user ubuntu may log in with hosts.access.key", "~ubuntu/.ssh/authorized_keys"),
        ),
        (
            "after 9 failed attempts: dial tcp 192.168.40.11:22: connect: no route to host",
            ("(hosts.access.waitSeconds)", "switch the host on"),
        ),
        ("after 9 failed attempts: dial tcp 192.168.40.11:22: i/o timeout", ("hosts.access.waitSeconds",)),
        ('wait: remote command exited without exit status or exit signal: running "bash -s -- apply":\n', ("run pulumi up again",)),
    ],
)
def test_a_failed_connection_is_explained(error: str, parts: tuple[str, ...]) -> None:
    hosts = site("baremetal").hosts
    assert hosts is not None
    problem = str(explain(error, hosts.nodes[0], hosts.access_of(hosts.nodes[0])))
    for part in ("host metal1 (ubuntu@192.168.40.11 port 22)", "found:", "allowed:", "mend:", *parts):
        assert part in problem
    assert "PRIVATE KEY" not in problem


def test_what_a_step_tells_itself_is_left_as_it_is() -> None:
    hosts = site("baremetal").hosts
    assert hosts is not None
    error = (
        'Process exited with status 1: running "bash -s -- apply":\nonprem-mlops: host metal1 (step prepare) is not as it must be:'
    )
    assert explain(error, hosts.nodes[0], hosts.access_of(hosts.nodes[0])) is None


def test_a_failure_behind_a_bastion_names_both() -> None:
    hosts = site("corporate").hosts
    assert hosts is not None
    access = hosts.access_of(hosts.nodes[0])
    assert access.bastion is not None
    error = "proxy: after 9 failed attempts: ssh: handshake failed: ssh: host key mismatch"
    problem = explain(error, hosts.nodes[0], access)
    assert problem is not None
    assert str(access.bastion.address) in problem.where
    assert "the provider does not say which" in problem.found


def test_growing_the_cluster_changes_nothing_on_hosts_that_are_there() -> None:
    def fewer(values: dict[str, Any]) -> None:
        values["hosts"]["nodes"] = values["hosts"]["nodes"][:1]

    small, large = site("baremetal", fewer), site("baremetal")
    before, after = record(lambda: build(small)), record(lambda: build(large))
    name = f"cluster-{names_of(small)[0]}-microk8s"
    assert before.one(name).inputs["stdin"] == after.one(name).inputs["stdin"]


def test_a_new_proxy_password_leaves_the_launch_configuration_alone_and_is_masked_in_both_forms() -> None:
    def proxy(password: str) -> str:
        def change(values: dict[str, Any]) -> None:
            values["proxy"] |= {"username": "svc", "password": password}

        settings = site("corporate", change)
        return str(record(lambda: build(settings)).one("cluster-corp1-microk8s").inputs["stdin"])

    one, other = proxy("p@ss/one"), proxy("p@ss/two")
    line = next(line for line in one.splitlines() if line.startswith("LAUNCH_CONFIGURATION="))
    assert line in other.splitlines()
    assert "PROXY_PASSWORD_IN_URL=p%40ss%2Fone" in one
    assert "SECRETS=(PROXY_PASSWORD PROXY_PASSWORD_IN_URL TOKEN)" in one
