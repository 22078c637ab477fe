"""Runs inside a frame (test_rolling.py starts it): a cluster is formed, then its settings change, and nobody notices.

A node whose kubelet is started again is not Ready for a while; all the time somebody looks how many control planes are not.
"""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
import yaml

from mlops.rehearsal.run.engine import Engine
from mlops.rehearsal.site.site import ThrowAwaySite
from mlops.rehearsal.site.snaptree import SnapTree
from mlops.rehearsal.site.spec import SiteSpec
from tests.rehearsal.run.on_a_site import given_plan
from tests.rehearsal.run.operators import Ended, Operator

PLANES = ("roll1", "roll2", "roll3")
HOSTS = (*PLANES, "roll4")
# docs/decisions/0012: the command plugin keeps every connection open until it ends
MOST_CONNECTIONS = 12
DOWN_SECONDS = 1.0
POLL_SECONDS = 0.05


@dataclass
class Watcher:
    """Looks at the nodes all the time; a context manager.

    Attributes:
        together: the most control planes that were not Ready at one time.
        seen: every node that was not Ready at some time, in that order.
    """

    site: ThrowAwaySite
    together: int = 0
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(POLL_SECONDS):
            down = [name for name in HOSTS if not self.site.control_plane.node_ready(name)]
            self.together = max(self.together, len([name for name in down if name in PLANES]))
            self.seen += [name for name in down if name not in self.seen]


@dataclass
class World:
    """The site, its operator, and its settings as they are now."""

    site: ThrowAwaySite
    operator: Operator
    config: dict[str, Any]
    runs: int = 0

    def up(self, change: Callable[[dict[str, Any]], None] = lambda _: None) -> Ended:
        change(self.config)
        self.runs += 1
        file = self.operator.engine.home / f"rolling-{self.runs}.yaml"
        document = yaml.safe_load(self.operator.engine.config_file.read_text(encoding="utf-8"))
        document["config"] = {f"onprem-mlops:{key}": value for key, value in self.config.items()}
        file.write_text(yaml.safe_dump(document, width=1000), encoding="utf-8")
        return self.operator.up(config=file)

    def rolled(self, change: Callable[[dict[str, Any]], None]) -> tuple[Watcher, list[list[str]]]:
        """Changes settings; what was seen of the nodes, and what each host's daemons were asked."""
        before = {host: len(self.site.journal(host).records) for host in HOSTS}
        with Watcher(self.site) as watcher:
            ended = self.up(change)
        assert ended.code == 0, ended.text
        return watcher, [self._daemons(host, before[host]) for host in HOSTS]

    def _daemons(self, host: str, since: int) -> list[str]:
        calls = [record.argv for record in self.site.journal(host).records[since:]]
        return [
            " ".join(argv[1:]) for argv in calls if argv[:2] == ("snap", "restart") or argv[:3] == ("snap", "refresh", "microk8s")
        ]

    def on(self, host: str, script: str) -> str:
        done = self.site.hosts[host].run(["bash", "-s"], stdin=f"set -e\n{script}")
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    plan = given_plan()
    program = plan.workdir / "program"
    shutil.copytree(plan.checkout / "tests" / "faults" / "program", program)
    (program / ".venv").symlink_to(plan.checkout / ".venv")
    engine = Engine(
        project=program, home=plan.workdir / "engine", stack=plan.stack, path=plan.path, extra={"CHECKOUT": str(plan.checkout)}
    )
    with ThrowAwaySite(SiteSpec.load(plan.spec_file), plan.tools, plan.workdir / "site", plan.base) as site:
        engine.prepare(plan.site_file, plan.secret_values)
        document = yaml.safe_load(engine.config_file.read_text(encoding="utf-8"))
        config = {key.removeprefix("onprem-mlops:"): value for key, value in document["config"].items()}
        yield World(site, Operator(engine), config)


def test_a_first_run_restarts_nothing_and_needs_few_connections(world: World) -> None:
    ended = world.up()
    assert ended.code == 0, ended.text
    for host in HOSTS:
        assert world.site.journal(host).calls("snap", "restart") == (), host
        log = (world.site.hosts[host].shared / "log" / "sshd.log").read_text()
        assert 5 <= log.count("Accepted publickey") <= MOST_CONNECTIONS, host
    members = world.site.stand_ins.microk8s.datastore.members
    assert sorted(members.values()) == ["voter"] * 3
    assert world.site.journal("roll1").calls("snap", "refresh", "--hold")


def test_the_first_host_gives_the_cluster_what_there_is_once(world: World) -> None:
    kubectl = "/snap/bin/microk8s kubectl"
    felix = world.on(
        "roll1", f"{kubectl} get felixconfigurations.crd.projectcalico.org default -o jsonpath={{.spec.featureDetectOverride}}"
    )
    assert felix == "ChecksumOffloadBroken=true"
    assert world.on("roll1", f"{kubectl} -n kube-system get service kube-dns -o jsonpath={{.spec.clusterIP}}") == "10.98.0.10"
    key = world.on("roll1", f"{kubectl} get namespace kube-system -o json")
    assert json.loads(key)["metadata"]["annotations"]["onprem-mlops/secrets-key"] == "epoch-1"


def test_a_second_run_changes_nothing(world: World) -> None:
    watcher, daemons = world.rolled(lambda _: None)
    assert (watcher.seen, daemons) == ([], [[], [], [], []])


def test_an_argument_rolls_through_the_hosts_one_at_a_time(world: World) -> None:
    world.site.stand_ins.microk8s.restart_seconds = DOWN_SECONDS
    watcher, daemons = world.rolled(lambda config: config["cluster"].update(arguments={"kubelet": {"--max-pods": "250"}}))
    assert daemons == [["restart microk8s.daemon-kubelite"]] * 4
    assert watcher.seen == list(HOSTS), "control planes first, each of them once"
    assert watcher.together == 1
    for host in HOSTS:
        assert SnapTree(world.site.hosts[host].root).arguments("kubelet")["--max-pods"] == "250"


def test_a_new_authority_and_a_proxy_restart_what_reads_them_when_it_starts(world: World) -> None:
    def change(config: dict[str, Any]) -> None:
        config["trust"]["authority"]["epoch"] = 2
        config["proxy"] = {"http": "http://proxy.rolling.example:3128"}
        skipped = ("proxy", "proxy-credentials", "proxy-login-page", "origins", "tls-interception", "snap-channel")
        # there is none: what is written is looked at
        config["hosts"]["preflight"] = {"skip": [{"check": name, "reason": "no such proxy"} for name in skipped]}

    watcher, daemons = world.rolled(change)
    assert daemons == [["restart microk8s.daemon-containerd", "restart microk8s.daemon-kubelite"]] * 4
    assert watcher.together == 1
    text = (SnapTree(world.site.hosts["roll4"].root).data / "args/containerd-env").read_text()
    assert 'HTTPS_PROXY="http://proxy.rolling.example:3128"' in text
    assert "ulimit -n 65536" in text


def test_a_mirror_reaches_containerd_and_a_new_key_for_secrets_the_control_planes(world: World) -> None:
    def change(config: dict[str, Any]) -> None:
        config["registries"] = [{"host": "docker.io", "mirrors": [{"url": "https://mirror.rolling.example"}]}]
        config["cluster"]["secretsEncryption"] = {"epoch": 2}

    kubectl = "/snap/bin/microk8s kubectl"
    world.on("roll1", f"{kubectl} create secret generic kept --from-literal=key=value")
    watcher, daemons = world.rolled(change)
    # registries are read at each pull; that the mirror is reached without the proxy is told containerd when it starts
    containerd, kubelite = "restart microk8s.daemon-containerd", "restart microk8s.daemon-kubelite"
    assert daemons == [[containerd, kubelite]] * 3 + [[containerd]]
    assert watcher.together == 1
    text = (SnapTree(world.site.hosts["roll2"].root).data / "args/certs.d/docker.io/hosts.toml").read_text()
    assert "mirror.rolling.example" in text
    text = (SnapTree(world.site.hosts["roll3"].root).data / "args/encryption.yaml").read_text()
    names = [key["name"] for key in yaml.safe_load(text)["resources"][0]["providers"][0]["secretbox"]["keys"]]
    assert names == ["epoch-2", "epoch-3", "epoch-1"]
    assert not (SnapTree(world.site.hosts["roll4"].root).data / "args/encryption.yaml").exists()
    secret = json.loads(world.on("roll1", f"{kubectl} get secret kept -o json"))
    assert base64.b64decode(secret["data"]["key"]) == b"value"
    system = json.loads(world.on("roll1", f"{kubectl} get namespace kube-system -o json"))
    assert system["metadata"]["annotations"]["onprem-mlops/secrets-key"] == "epoch-2"


def test_a_channel_more_is_refreshed_one_host_after_the_other_after_a_backup(world: World) -> None:
    watcher, daemons = world.rolled(lambda config: config["cluster"].update(channel="1.35/stable"))
    assert daemons == [["refresh microk8s --channel=1.35/stable"]] * 4
    assert watcher.together == 1
    assert watcher.seen == list(HOSTS)
    backups = world.on("roll1", "cd /var/lib/onprem-mlops/backups; stat -c '%a %U' .; ls").split()
    assert backups[:2] == ["700", "root"]
    assert [name.startswith("dqlite-v1.34") for name in backups[2:]] == [True]
    assert "1.35/stable" in world.on("roll4", "snap list | grep held")
    versions = world.on("roll1", "/snap/bin/microk8s kubectl get nodes -o jsonpath='{.items[*].status.nodeInfo.kubeletVersion}'")
    assert {version[:6] for version in versions.split()} == {"v1.35."}
    unschedulable = world.on("roll1", "/snap/bin/microk8s kubectl get nodes -o jsonpath='{.items[*].spec.unschedulable}'")
    assert unschedulable == ""


def test_a_channel_less_is_refused_before_anything_changes(world: World) -> None:
    before = {host: len(world.site.journal(host).records) for host in HOSTS}
    ended = world.up(lambda config: config["cluster"].update(channel="1.34/stable"))
    world.config["cluster"]["channel"] = "1.35/stable"
    assert ended.code != 0
    assert "MicroK8s from channel 1.35/stable; the settings say 1.34/stable" in ended.text
    assert "Traceback" not in ended.text
    assert [world._daemons(host, before[host]) for host in HOSTS] == [[], [], [], []]
