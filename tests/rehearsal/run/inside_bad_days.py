"""Runs inside a frame (test_bad_days.py starts it): one site, and everything that goes wrong with it, in this order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.rehearsal.run.audit import parse, summarise
from mlops.rehearsal.run.controllers import StandInControllers
from mlops.rehearsal.run.derive import SshKey
from mlops.rehearsal.run.engine import Engine
from mlops.rehearsal.run.inside import DEPLOYER
from mlops.rehearsal.run.plan import Plan
from mlops.rehearsal.site.api import ApiError
from mlops.rehearsal.site.daemon import Fault, Reply
from mlops.rehearsal.site.journal import Record
from mlops.rehearsal.site.site import ThrowAwaySite
from mlops.rehearsal.site.spec import SiteSpec
from tests.rehearsal.run.on_a_site import given_plan
from tests.rehearsal.run.operators import Operator, until

HOSTS = ("bad1", "bad2", "bad3", "bad4", "bad5")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return given_plan()


@pytest.fixture(scope="module")
def site(plan: Plan) -> Iterator[ThrowAwaySite]:
    spec = SiteSpec.load(plan.spec_file)
    with (
        ThrowAwaySite(spec, plan.tools, plan.workdir / "site", plan.base) as started,
        StandInControllers(started, plan.workdir / "controllers.log"),
    ):
        yield started


@pytest.fixture(scope="module")
def operator(plan: Plan, site: ThrowAwaySite) -> Operator:
    engine = Engine(project=plan.checkout, home=plan.workdir / "engine", stack=plan.stack, path=plan.path, extra={})
    engine.prepare(plan.site_file, plan.secret_values)
    return Operator(engine)


@pytest.fixture(scope="module")
def may_end(site: ThrowAwaySite) -> Iterator[dict[str, threading.Event]]:
    """MicroK8s' installation on these hosts goes on until the host's event is set."""
    snapd, events = site.stand_ins.snapd, {name: threading.Event() for name in ("bad1", "bad5")}
    install = snapd._on_installed

    def slowly(host: str, version: str) -> None:
        if host in events:
            events[host].wait(300)
        install(host, version)

    snapd._on_installed = slowly
    yield events
    for event in events.values():
        event.set()


def edited(operator: Operator, name: str, edit: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the derived site file with mistakes in it; ``edit`` is given the configuration by section."""
    document = yaml.safe_load(operator.engine.config_file.read_text(encoding="utf-8"))
    sections = {key.removeprefix("onprem-mlops:"): value for key, value in document["config"].items()}
    edit(sections)
    document["config"] = {f"onprem-mlops:{key}": value for key, value in sections.items()}
    file = operator.engine.home / f"{name}.yaml"
    file.write_text(yaml.safe_dump(document, width=1000), encoding="utf-8")
    return file


def in_progress(site: ThrowAwaySite, host: str) -> bool:
    return any(status == "Doing" and "microk8s" in what for status, what in site.stand_ins.snapd.state(host).changes)


def installations(site: ThrowAwaySite, host: str) -> list[Record]:
    """Of MicroK8s: an old snapd is replaced by the snap of that name before."""
    return [call for call in site.journal(host).calls("snap", "install") if "microk8s" in call.argv]


@pytest.mark.parametrize("command", [("preview",), ("up", "--yes", "--skip-preview")])
def test_unknown_keys_are_all_told_before_any_resource(operator: Operator, command: tuple[str, ...]) -> None:
    def mistakes(config: dict[str, Any]) -> None:
        config["gitlab"] = {"enabled": True}
        config["hosts"]["nodes"][0]["adress"] = "192.168.70.11"
        config["network"]["podCIDR"] = "10.1.0.0/16"

    ended = operator.run(*command, config=edited(operator, "unknown-keys", mistakes))
    assert ended.code != 0
    assert "Traceback" not in ended.text
    report = ended.diagnostics["onprem-mlops-badday"]
    for part in ("3 problems", "unknown key `gitlab`", "hosts.nodes[0].adress", "did you mean `address`?", "network.podCIDR"):
        assert part in report, ended.text
    assert set(operator.checkpoint()["resources"]) <= {"onprem-mlops-badday"}  # the stack itself


@pytest.mark.parametrize(
    ("variables", "words"),
    [({}, "passphrase must be set"), ({"PULUMI_CONFIG_PASSPHRASE": "wrong"}, "incorrect passphrase")],
)
def test_without_the_passphrase_nothing_begins(operator: Operator, variables: dict[str, str], words: str) -> None:
    ended = operator.run("preview", environment={"PULUMI_CONFIG_PASSPHRASE_FILE": "", **variables})
    assert ended.code != 0
    assert words in ended.text
    assert "Traceback" not in ended.text


def test_one_up_tells_of_every_host_that_cannot_be_asked_and_a_second_operator_is_locked_out(
    operator: Operator, site: ThrowAwaySite
) -> None:
    def mistakes(config: dict[str, Any]) -> None:
        config["hosts"]["nodes"][1]["hostKey"] = SshKey.generate().public
        config["hosts"]["nodes"][3]["user"] = "operations"

    sudoers = "/etc/sudoers.d/site"
    site.hosts["bad1"].run(["mv", sudoers, "/root/sudoers"])
    site.power_off("bad3")
    # these do not keep it from answering: they are told when all hosts have
    site.hosts["bad5"].set_fact(var_used_percent=98)
    site.hosts["bad5"].set_clock_offset(-86400)

    # without this option the engine begins nothing more once the first host has been refused
    options = ("--yes", "--skip-preview", "--continue-on-error")
    with operator.running("up", *options, config=edited(operator, "wrong-hosts", mistakes)) as first:
        until(lambda: operator.locks() != [], "the first operator's lock")
        second = operator.up()
        assert second.code != 0
        assert "the stack is currently locked by 1 lock(s)" in second.text
        assert "pulumi cancel" in second.text
        assert "created by" in second.text
        ended = first.end()

    assert ended.code != 0
    assert "Traceback" not in ended.text
    expected = {
        "bad1": ("user ubuntu, who may not use sudo", "mend: in /etc/sudoers.d/ubuntu on the host: ubuntu ALL=(ALL) NOPASSWD: ALL"),
        "bad2": (
            "ubuntu@192.168.70.12 port 22",
            "host key mismatch",
            "ssh-ed25519 ",
            "`ssh-keyscan -p 22 -t ed25519 192.168.70.12`",
        ),
        "bad3": ("ubuntu@192.168.70.13 port 22", "dial tcp", "switch the host on"),
        "bad4": ("operations@192.168.70.14", "unable to authenticate", "~operations/.ssh/authorized_keys"),
    }
    for host, parts in expected.items():
        told = ended.diagnostics[f"hosts-{host}-probe"]
        for part in ("found:", "allowed:", "mend:", f"host {host} ", *parts):
            assert part in told, ended.text
        assert "PRIVATE KEY" not in told
    assert [name for name in operator.checkpoint()["resources"] if name.startswith("hosts-")] == ["hosts-bad5-probe"]
    site.hosts["bad1"].run(["mv", "/root/sudoers", sudoers])


def test_hosts_are_judged_when_all_have_answered_and_before_anything_changes(operator: Operator, site: ThrowAwaySite) -> None:
    with operator.running("up", "--yes", "--skip-preview") as running:
        # bad3 is off still: the connection is tried again until it has booted
        until(lambda: "hosts-bad3-probe creating" in running.text and "Dial 1/" in running.text, "a first try to reach bad3")
        site.power_on("bad3")
        ended = running.end()
    assert ended.code != 0
    told = ended.diagnostics["hosts-preflight"]
    for part in ("2 error(s). Nothing has been changed.", "bad5", "/var is 98 % full", "behind that of the machine that deploys"):
        assert part in told, ended.text
    assert "Traceback" not in ended.text
    assert set(ended.diagnostics) == {"hosts-preflight", "onprem-mlops-badday"}
    changed = [name for name in operator.checkpoint()["resources"] if name.startswith(("hosts-", "cluster-bad"))]
    assert set(changed) == {f"hosts-{host}-probe" for host in HOSTS}

    # the facts in the state still say otherwise: before any host is refused all are asked again
    site.hosts["bad5"].set_fact(var_used_percent=10)
    site.hosts["bad5"].set_clock_offset(0)


def test_a_killed_engine_leaves_a_lock_a_pending_create_and_a_step_that_goes_on(
    operator: Operator, site: ThrowAwaySite, may_end: dict[str, threading.Event]
) -> None:
    targets = ("--target=**preflight", "--target=**prepare", "--target=**cluster-bad1-microk8s")
    with operator.running("up", "--yes", "--skip-preview", *targets) as running:
        prepared = {f"hosts-{host}-prepare" for host in HOSTS}
        until(lambda: prepared <= set(operator.checkpoint()["resources"]), "all hosts are prepared", 180)
        until(lambda: in_progress(site, "bad1"), "snapd installs MicroK8s on bad1")
        running.kill()
    operator.end_leftovers()
    assert in_progress(site, "bad1")
    assert operator.checkpoint()["pending"] == ["cluster-bad1-microk8s"]

    locked = operator.up()
    assert locked.code != 0
    assert "the stack is currently locked by 1 lock(s)" in locked.text
    assert operator.run("cancel", "--yes").code == 0
    assert operator.locks() == []


def test_faults_on_hosts_in_the_middle_of_an_installation(
    operator: Operator, site: ThrowAwaySite, may_end: dict[str, threading.Event]
) -> None:
    site.inject(Fault(("snap", "install"), host="bad3", action="reboot"))
    site.hosts["bad4"].run(["snap", "install", "microk8s", "--classic", "--channel=1.33/stable"])

    with operator.running("up", "--yes", "--skip-preview", "--continue-on-error") as running:
        until(lambda: "cluster-bad1-microk8s creating" in running.text, "the step of the killed run is made again")
        may_end["bad1"].set()
        until(lambda: in_progress(site, "bad5"), "snapd installs MicroK8s on bad5")
        assert site.hosts["bad5"].run(["pkill", "-KILL", "-u", "root", "-x", "bash"]).returncode == 0
        ended = running.end()

    assert ended.code != 0
    assert "1 pending operations from previous deployment" in ended.text
    expected = {
        "cluster-bad3-microk8s": ("the connection was lost while the step ran", "pulumi up again"),
        "cluster-bad4-microk8s": (
            "MicroK8s v1.33",
            "channel 1.35/stable is 2 minor versions ahead",
            "the next minor version, one at a time",
        ),
        "cluster-bad5-microk8s": ("its process was killed", "pulumi up again"),
    }
    for name, parts in expected.items():
        for part in ("found:", "allowed:", "mend:", f"host {name.split('-')[1]} ", *parts):
            assert part in ended.diagnostics[name], ended.text
    assert set(ended.diagnostics) == {*expected, "onprem-mlops-badday"}, "nothing else fails"
    # bad1's step of the killed run was waited for, not run a second time; bad3's was not repeated after the reboot
    assert [len(installations(site, host)) for host in ("bad1", "bad3")] == [1, 1]
    (installation,) = installations(site, "bad1")
    *_, looked = site.journal("bad1").calls("snap", "changes")
    assert looked.started > installation.started + installation.seconds, "the host's lock holds until the first step has ended"
    assert "cluster-bad1-describe" not in operator.checkpoint()["resources"], "no cluster begins before all hosts are installed"

    # nothing of it is needed
    site.hosts["bad4"].run(["snap", "remove", "--purge", "microk8s"])


def test_a_join_that_ends_half_way_and_tells_much(
    operator: Operator, site: ThrowAwaySite, may_end: dict[str, threading.Event]
) -> None:
    # done, but told as a failure, in one line of 200 kB
    site.inject(Fault(("microk8s", "join"), host="bad2", action="fail-after", reply=Reply(1, err="x" * 200_000)))
    assert in_progress(site, "bad5"), "it outlives the step that began it"
    looked = len(site.journal("bad5").calls("snap", "changes"))
    with operator.running("up", "--yes", "--skip-preview") as running:
        until(lambda: len(site.journal("bad5").calls("snap", "changes")) > looked, "bad5's step sees what is in progress")
        may_end["bad5"].set()
        ended = running.end()
    assert ended.code != 0
    assert set(ended.diagnostics) == {"cluster-bad2-join", "onprem-mlops-badday"}, ended.text
    told = ended.diagnostics["cluster-bad2-join"]
    for part in ("found:", "allowed:", "mend:", "host bad2 ", "xxx", "did not end in a membership (see above)", "pulumi up again"):
        assert part in told, ended.text
    assert max(map(len, ended.text.splitlines())) < 64 * 1024
    assert "cluster-bad1-configure" in operator.checkpoint()["resources"]
    assert [len(installations(site, "bad5")), len(site.journal("bad5").calls("snap", "watch"))] == [1, 1]


def test_an_engine_killed_among_kubernetes_objects(operator: Operator, site: ThrowAwaySite) -> None:
    def exists(path: str) -> bool:
        try:
            site.control_plane.client().request("GET", path)
        except ApiError:
            return False
        return True

    with operator.running("up", "--yes", "--skip-preview") as running:
        webhook = "/apis/apps/v1/namespaces/cert-manager/deployments/cert-manager-webhook"
        until(lambda: exists(webhook) or running.process.poll() is not None, "cert-manager's webhook is created", 180)
        running.kill()
        killed = running.text
    operator.end_leftovers()
    assert "failed" not in killed, killed
    assert "cert-manager/Deployment/cert-manager/cert-manager-webhook" in operator.checkpoint()["pending"], killed
    assert len(site.journal("bad2").calls("microk8s", "join")) == 1, "what the failed join has done is found, and not done again"
    assert operator.run("cancel", "--yes").code == 0


def test_up_alone_converges(operator: Operator, site: ThrowAwaySite) -> None:
    ended = operator.up()
    assert ended.code == 0, ended.text
    assert "pending operations from previous deployment" in ended.text
    with site.audit_log.open(encoding="utf-8") as lines:
        assert summarise(parse(lines), deployer=DEPLOYER).refused == []
    assert all(site.control_plane.node_ready(host) for host in HOSTS)


def test_the_command_of_the_readme_forgets_the_pending_creates(operator: Operator) -> None:
    ended = operator.run("refresh", "--clear-pending-creates", "--yes", "--skip-preview")
    assert ended.code == 0, ended.text
    assert operator.checkpoint()["pending"] == []
    ended = operator.nothing_to_do()
    assert ended.code == 0, ended.text
    assert "pending operations" not in ended.text
    assert operator.locks() == []
