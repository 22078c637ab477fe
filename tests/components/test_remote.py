"""Steps on hosts as resources: when each runs, how a host is reached, what stays secret; and what every host is given."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi_command import local

from components.hosts import PreparedHosts, PreparedHostsArgs
from components.proxy import proxy_access
from components.remote import dial_attempts, explain, remote_step, removal_step
from mlops.rehearsal.run.derive import SshKey
from mlops.settings import Site
from tests.components.recording import Registered, record
from tests.components.site_layers import KEY, build, hosts_of, site


def steps(settings: Site) -> Callable[[], object]:
    """A program with one step of each kind on the first host."""

    def program() -> None:
        hosts = hosts_of(settings)
        host = hosts.first
        access = hosts.access_of(host)
        values: dict[str, pulumi.Input[str]] = {"HOST_NAME": host.name, "TOKEN": pulumi.Output.secret("t")}
        remote_step("works", "join", host=host, access=access, values=values, secrets=("TOKEN",), opts=pulumi.ResourceOptions())
        removal_step("removes", "forget", host=host, access=access, values=values, opts=pulumi.ResourceOptions())

    return program


def prepare(settings: Site) -> Registered:
    def program() -> None:
        hosts = hosts_of(settings)
        before = {node.name: local.Command(f"before-{node.name}") for node in hosts.in_joining_order()}
        args = PreparedHostsArgs(
            hosts=hosts, trust_bundle="CERTIFICATE", proxy=proxy_access(settings), network=settings.network, after=before
        )
        PreparedHosts("hosts", args)

    return record(program)


def values_in(script: str) -> dict[str, str]:
    """The step's values, read as bash reads them."""
    text = script[script.rindex("\nSTEP=") : script.index("\nSECRETS=(", script.rindex("\nSTEP="))]
    return dict(assignment.split("=", 1) for assignment in shlex.split(text) if "=" in assignment)


def test_a_step_runs_when_it_is_made_and_a_removal_when_it_is_deleted() -> None:
    registered = record(steps(site("baremetal")))
    works, removes = registered.one("works"), registered.one("removes")
    assert works.inputs["create"] == "bash -s -- apply"
    assert "delete" not in works.inputs
    assert "create" not in removes.inputs
    assert "update" not in removes.inputs
    assert removes.inputs["delete"] == "bash -s -- reset"
    assert list(works.raw.hooks.on_error) == ["connection of works"]
    # `pulumi destroy` does not run the program: a hook of a resource with a deletion would only be missing
    assert not list(removes.raw.hooks.on_error)
    for command in (works, removes):
        assert "stdin" in command.secret_inputs
        assert command.secret_outputs >= {"stdout", "stderr"}
        assert command.inputs["logging"] == "none"
        assert command.inputs["addPreviousOutputInEnv"] is False
        assert command.inputs["connection"]["hostKey"].startswith("ssh-ed25519 ")
        assert "triggers" not in command.inputs, "they replace, and a replacement runs the deletion after the new creation"
        assert "environment" not in command.inputs


def test_the_key_comes_from_the_settings_or_a_file_and_is_a_secret(tmp_path: Path) -> None:
    other = SshKey.generate().private
    (tmp_path / "id").write_text(other)

    def from_file(values: dict[str, Any]) -> None:
        del values["hosts"]["access"]["key"]
        values["hosts"]["access"]["keyFile"] = str(tmp_path / "id")

    for settings, key in ((site("corporate"), KEY), (site("corporate", from_file), other)):
        registered = record(steps(settings))
        connection = registered.one("works").inputs["connection"]
        assert connection["privateKey"] == connection["proxy"]["privateKey"] == key
        assert "connection" in registered.one("works").secret_inputs, "the engine would store the keys in clear"


def agent(values: dict[str, Any]) -> None:
    del values["hosts"]["access"]["key"]
    values["hosts"]["access"]["agent"] = True


def test_with_the_agent_no_key_and_no_socket_stand_in_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent.1")
    registered = record(steps(site("corporate", agent)))
    connection = registered.one("works").inputs["connection"]
    assert not {"privateKey", "agentSocketPath"} & set(connection), "the socket is another one at each log-in: every step would run"
    assert not {"privateKey", "agentSocketPath"} & set(connection["proxy"])


def test_an_agent_that_is_not_there_is_told_by_up_and_not_by_a_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    program = steps(site("baremetal", agent))
    assert len(record(program, preview=True).of_type("command:remote:Command")) == 2
    with pytest.raises(Exception, match=r"(?s)hosts\.access\.agent.*no SSH_AUTH_SOCK"):
        record(program)


def test_a_key_file_that_is_not_there_is_told_with_its_path(tmp_path: Path) -> None:
    def missing(values: dict[str, Any]) -> None:
        del values["hosts"]["access"]["key"]
        values["hosts"]["access"]["keyFile"] = str(tmp_path / "nothing")

    with pytest.raises(Exception, match="nothing: No such file"):
        record(steps(site("baremetal", missing)))


@pytest.mark.parametrize("address", ["2001:db8::11", "metal1.ops.example.org", "198.51.100.7"])
def test_a_host_is_reached_by_its_ssh_address(address: str) -> None:
    def elsewhere(values: dict[str, Any]) -> None:
        values["hosts"]["nodes"][0]["sshAddress"] = address

    settings = site("baremetal", elsewhere)
    assert record(steps(settings)).one("works").inputs["connection"]["host"] == address
    hosts = hosts_of(settings)
    problem = explain("after 9 failed attempts: dial tcp: i/o timeout", hosts.first, hosts.access_of(hosts.first))
    assert problem is not None
    assert f"@{address} port 22" in problem.where


def test_the_password_of_sudo_stands_in_the_head_and_the_step_does_not_learn_it() -> None:
    def with_password(values: dict[str, Any]) -> None:
        values["hosts"]["access"]["sudoPassword"] = "pass word"

    for name in ("works", "removes"):
        command = record(steps(site("baremetal", with_password))).one(name)
        head, step = command.inputs["stdin"].split("SCRIPT_VERSION=", 1)
        assert "SUDO_PASSWORD='pass word'\n" in head
        assert "pass word" not in step
        assert "stdin" in command.secret_inputs
    assert "SUDO_PASSWORD=''\n" in record(steps(site("baremetal"))).one("works").inputs["stdin"]


def test_the_epoch_of_a_host_runs_its_steps_again_and_nobody_elses() -> None:
    def raised(values: dict[str, Any]) -> None:
        values["hosts"]["nodes"][1]["epoch"] = 2

    before, after = prepare(site("baremetal")), prepare(site("baremetal", raised))
    names = [command.name for command in before.of_type("command:remote:Command")]
    assert len(names) > 2
    changed = [name for name in names if before.one(name).inputs["stdin"] != after.one(name).inputs["stdin"]]
    assert changed == [f"hosts-{hosts_of(site('baremetal')).nodes[1].name}-prepare"]


def test_every_living_host_is_prepared_after_what_it_waits_for() -> None:
    def one_lost(values: dict[str, Any]) -> None:
        next(node for node in values["hosts"]["nodes"] if "storage" not in node["roles"])["lost"] = True

    settings = site("corporate", one_lost)
    registered = prepare(settings)
    hosts = hosts_of(settings)
    assert len(hosts.lost) == 1
    commands = {command.name: command for command in registered.of_type("command:remote:Command")}
    assert set(commands) == {f"hosts-{host.name}-prepare" for host in hosts.in_joining_order()}
    for host in hosts.in_joining_order():
        name = f"hosts-{host.name}-prepare"
        assert registered.before(name) == {f"before-{host.name}"}
        values = values_in(commands[name].inputs["stdin"])
        assert values["HOST_NAME"] == host.name
        assert values["ADDRESS"] == str(host.address)
        assert values["STORAGE"] == ("yes" if "storage" in host.roles else "no")
        assert (values["FIREWALL"], values["SELINUX"], values["OFFLINE"]) == ("open", "leave", "no")
        sources = values["FIREWALL_SOURCES"].split()
        assert sources[:2] == [str(settings.network.pod_cidr), str(settings.network.service_cidr)]
        assert sources[2:] == [str(other.address) for other in hosts.in_joining_order()]


def test_everything_that_goes_outside_is_told_the_same_list_of_what_goes_without_the_proxy() -> None:
    settings = site("corporate")
    wanted = ",".join(settings.no_proxy)
    assert {"127.0.0.1", ".svc", ".cluster.local", f".{settings.domain}"} <= set(settings.no_proxy)
    told: list[str] = []
    for command in record(lambda: build(settings)).of_type("command:remote:Command"):
        values = values_in(command.inputs["stdin"])
        # the package manager's on the host, and what the probe tries
        lists = {values[name] for name in ("DIRECT", "NO_PROXY") if name in values}
        # the host's own, of which snapd has its own; containerd's
        for name in {"PROXY_ENVIRONMENT", "CONTAINERD_ENVIRONMENT"} & set(values):
            environment = dict(shlex.split(line)[0].split("=", 1) for line in values[name].splitlines())
            assert set(environment) == {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
            lists |= {environment["NO_PROXY"], environment["no_proxy"]}
        assert lists <= {wanted}, command.name
        told += [command.name.rsplit("-", 1)[1]] if lists else []
    assert {"probe", "prepare", "configure"} <= set(told)


def test_a_password_of_the_proxy_is_masked_in_both_forms() -> None:
    def with_password(values: dict[str, Any]) -> None:
        values["proxy"] |= {"username": "svc", "password": "p@ss/one"}

    script = prepare(site("corporate", with_password)).of_type("command:remote:Command")[0].inputs["stdin"]
    assert "SECRETS=(PROXY_PASSWORD PROXY_PASSWORD_IN_URL)" in script
    assert values_in(script)["PROXY_PASSWORD_IN_URL"] == "p%40ss%2Fone"
    assert "svc:p%40ss%2Fone@" in values_in(script)["TLS_PROXY"]


@pytest.mark.parametrize(
    ("error", "change", "parts"),
    [
        (
            "dial unix /tmp/ssh-X/agent.7: connect: no such file or directory",
            agent,
            ("no SSH agent at /tmp/ssh-X/agent.7", "unset SSH_AUTH_SOCK", "ssh-add"),
        ),
        (
            "after 9 failed attempts: ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey]",
            agent,
            ("a key of the SSH agent", "authorized_keys"),
        ),
    ],
)
def test_what_the_agent_lacks_is_explained(error: str, change: Callable[[dict[str, Any]], None], parts: tuple[str, ...]) -> None:
    hosts = hosts_of(site("baremetal", change))
    problem = str(explain(error, hosts.first, hosts.access_of(hosts.first)))
    for part in (f"host {hosts.first.name} (", "found:", "allowed:", "mend:", *parts):
        assert part in problem


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
    hosts = hosts_of(site("baremetal"))
    problem = str(explain(error, hosts.nodes[0], hosts.access_of(hosts.nodes[0])))
    for part in ("host metal1 (ubuntu@192.168.40.11 port 22)", "found:", "allowed:", "mend:", *parts):
        assert part in problem
    assert "PRIVATE KEY" not in problem


def test_what_a_step_tells_itself_is_left_as_it_is() -> None:
    hosts = hosts_of(site("baremetal"))
    error = (
        'Process exited with status 1: running "bash -s -- apply":\nonprem-mlops: host metal1 (step prepare) is not as it must be:'
    )
    assert explain(error, hosts.nodes[0], hosts.access_of(hosts.nodes[0])) is None


def test_a_failure_behind_a_bastion_names_both() -> None:
    hosts = hosts_of(site("corporate"))
    access = hosts.access_of(hosts.nodes[0])
    assert access.bastion is not None
    error = "proxy: after 9 failed attempts: ssh: handshake failed: ssh: host key mismatch"
    problem = explain(error, hosts.nodes[0], access)
    assert problem is not None
    assert str(access.bastion.address) in problem.where
    assert "the provider does not say which" in problem.found
