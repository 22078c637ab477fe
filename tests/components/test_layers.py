"""The layers below Kubernetes through a recording monitor: who waits for whom, what is secret, what runs when."""

from __future__ import annotations

from typing import Any

import pytest

from components.cluster import ExistingCluster, ExistingClusterArgs
from components.trust import CaChain, CaChainArgs
from mlops.settings import ExistingCluster as ExistingClusterSettings
from tests.components.recording import Registered, record
from tests.components.site_layers import KEY, build, hosts_of, names_of, site

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://192.0.2.7:6443"}}]
users: [{name: u, user: {token: not-a-real-token}}]
"""
# sshd's default, and what a first run may take of it (docs/decisions/0012)
MOST_CONNECTIONS = 12


@pytest.fixture(scope="module")
def corporate() -> Registered:
    settings = site("corporate")
    return record(lambda: build(settings))


def steps_of(registered: Registered, host: str) -> list[str]:
    """Names of the steps that connect to a host in a first run."""
    address = str(next(node.address for node in hosts_of(site("corporate")).nodes if node.name == host))
    commands = registered.of_type("command:remote:Command")
    return [item.name for item in commands if item.inputs["connection"]["host"] == address and item.inputs.get("create")]


def test_nothing_on_a_host_changes_before_all_hosts_have_passed_the_preflight(corporate: Registered) -> None:
    for name in names_of(site("corporate")):
        before = corporate.before(f"hosts-{name}-prepare")
        assert {"hosts-preflight", *(f"hosts-{other}-probe" for other in names_of(site("corporate")))} <= before


def test_hosts_are_prepared_and_installed_at_the_same_time(corporate: Registered) -> None:
    for name in names_of(site("corporate")):
        before = corporate.before(f"cluster-{name}-microk8s")
        assert f"hosts-{name}-prepare" in before
        others = {f"hosts-{other}-prepare" for other in names_of(site("corporate")) if other != name}
        assert not others & before, "installations must not wait for other hosts"


def test_one_command_at_a_time_on_a_host_and_few_of_them(corporate: Registered) -> None:
    for name in names_of(site("corporate")):
        steps = steps_of(corporate, name)
        assert 5 <= len(steps) <= MOST_CONNECTIONS
        for one in steps:
            for other in steps:
                if one != other:
                    assert one in corporate.before(other) or other in corporate.before(one)


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
    assert len({item.inputs["create"] for item in commands if "create" in item.inputs}) == 1, "the command line is a constant"


def test_the_private_key_is_a_secret_in_every_connection(corporate: Registered) -> None:
    for command in corporate.of_type("command:remote:Command"):
        raw = command.raw.object.fields["connection"].struct_value
        nested = str(raw)
        assert KEY.splitlines()[1] in nested
        signature = "4dabf18193072939515e22adb298388d"
        assert signature in nested, "the engine would store the key in clear"


def test_a_step_either_works_or_removes_and_never_both(corporate: Registered) -> None:
    for command in corporate.of_type("command:remote:Command"):
        assert ("create" in command.inputs) != ("delete" in command.inputs), command.name


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
