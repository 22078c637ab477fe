"""The site of the fault table under the real engine: its settings as they are now, runs of the engine, and whether all is well."""

from __future__ import annotations

import copy
import hashlib
import re
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from mlops.rehearsal.run.audit import parse, summarise
from mlops.rehearsal.run.engine import Engine
from mlops.rehearsal.run.inside import DEPLOYER
from mlops.rehearsal.run.plan import Plan
from mlops.rehearsal.site.daemon import Fault
from mlops.rehearsal.site.faults import Faults
from mlops.rehearsal.site.site import ThrowAwaySite
from tests.rehearsal.run.operators import Ended, Operator, Running

PROGRAM = Path(__file__).parent / "program"
Mode = Literal["fresh", "again"]
"""How the steps of a host run: on a fresh one, on one that they have been to."""
Work = Literal["again", "add", "remove", "reinstall", "lose", "return", "roll", "upgrade"]
"""What ``up`` has to do: every step of a host again; a host more; one less; one installed anew; one that is dead; that one back,
installed anew; an argument of all kubelets changed, one host after the other; the next minor version, likewise."""
RECORDS = "/var/lib/onprem-mlops/deployed"
# what differs between two runs that come to the same, or belongs to nobody: temporary files, certificates that a join makes
_PASSING = re.compile(
    r"^/(tmp|run|var/tmp|var/log|var/cache|root|home)/|^/etc/(ssh/|sudoers\.d/faults|ssl/certs/)|/certs/|/credentials/"
)
_HALF_WRITTEN = re.compile(r"\.onprem-mlops$|/deployed/\.")


def engine_of(plan: Plan) -> Engine:
    """The engine with :data:`PROGRAM` in a folder of its own, a new stack and the plan's settings."""
    project = plan.workdir / "program"
    shutil.copytree(PROGRAM, project)
    # kubectl steps are started from the folder of the program, by the virtual environment of Pulumi.yaml
    (project / ".venv").symlink_to(plan.checkout / ".venv")
    extra = {"CHECKOUT": str(plan.checkout)}
    engine = Engine(project=project, home=plan.workdir / "engine", stack=plan.stack, path=plan.path, extra=extra)
    engine.prepare(plan.site_file, plan.secret_values)
    return engine


@dataclass(frozen=True)
class File:
    """A file of a host: its mode and the digest of what it holds."""

    mode: int
    digest: str


@dataclass
class World:
    """Everything that a case works on.

    Attributes:
        plan: the run.
        site: its throw-away site.
        faults: halts steps there.
        operator: who runs the engine.
        config: the site file's sections, as they are now; the cases change them.
        full: the same with all hosts, as it was in the beginning.
        running: the run of the engine under way.
        second: what a second operator's run came to.
        other: the run of one with a copy of the state.
        beside: ends that.
        injected: the call that is to go wrong.
        listener: waits for words of the engine, until ``over``.
        rolled: how often an argument of the kubelets was changed.
        together: control planes that were restarted while another one was down.
        lengths: (mode, step, host) to the number of commands that the step runs there.
    """

    plan: Plan
    site: ThrowAwaySite
    faults: Faults
    operator: Operator
    config: dict[str, Any]
    full: dict[str, Any]
    lengths: dict[tuple[Mode, str, str], int] = field(default_factory=dict)
    running: Running | None = None
    second: Ended | None = None
    other: Running | None = None
    beside: ExitStack = field(default_factory=ExitStack)
    injected: Fault | None = None
    listener: threading.Thread | None = None
    over: threading.Event = field(default_factory=threading.Event)
    rolled: int = 0
    together: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, plan: Plan, site: ThrowAwaySite, faults: Faults) -> World:
        """The program's folder, the stack and the settings."""
        engine = engine_of(plan)
        document = yaml.safe_load(engine.config_file.read_text(encoding="utf-8"))
        return cls(plan, site, faults, Operator(engine), document, copy.deepcopy(document))

    def watch_voters(self) -> None:
        """Notes each control plane whose kubelite is restarted while another one is not Ready."""
        snapd = self.site.stand_ins.snapd
        restart = snapd._on_restarted
        planes = [host.name for host in self.site.spec.hosts if host.control_plane]

        def watched(host: str, daemon: str) -> None:
            if host in planes:
                others = [name for name in planes if name in self.present and name != host]
                down = [name for name in others if not self.site.control_plane.node_ready(name)]
                self.together += [f"{daemon} of {host} was restarted while {name} was down" for name in down]
            restart(host, daemon)

        snapd._on_restarted = watched

    def section(self, name: str) -> dict[str, Any]:
        """A section of the settings, to be changed."""
        found: dict[str, Any] = self.config["config"].setdefault(f"onprem-mlops:{name}", {})
        return found

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """Hosts of the site file, to be changed."""
        found: list[dict[str, Any]] = self.section("hosts")["nodes"]
        return found

    def node(self, host: str) -> dict[str, Any]:
        """One host of the site file, to be changed (StopIteration when it is not in there)."""
        return next(node for node in self.nodes if node["name"] == host)

    @property
    def present(self) -> list[str]:
        """Names of the hosts that are meant to be in the cluster."""
        return [node["name"] for node in self.nodes if not node.get("lost")]

    @property
    def first(self) -> str:
        """The first living control plane."""
        return next(str(node["name"]) for node in self.nodes if "control-plane" in node["roles"] and not node.get("lost"))

    def again(self, *hosts: str) -> None:
        """Has every step of these hosts run again."""
        for host in hosts:
            self.node(host)["epoch"] = self.node(host).get("epoch", 1) + 1

    def begin(self, work: Work, host: str) -> None:
        """Brings the site to where a case begins, by a run without trouble where it is not there yet."""
        if (host in self.present) == (work in {"add", "return"}):
            if work == "add":
                self.take_out(host)
            elif work == "return":
                self.lose(host)
            else:
                self.put_in(host)
            ended = self.converge()
            assert ended.code == 0, ended.text

    def change(self, work: Work, host: str) -> None:
        """Changes the settings so that the next ``up`` has that work to do."""
        changes: dict[Work, Callable[[str], None]] = {
            "again": self.again,
            "add": self.put_in,
            "remove": self.take_out,
            "reinstall": self.reinstall,
            "lose": self.lose,
            "return": self.bring_back,
            "roll": lambda _: self.roll(),
            "upgrade": lambda _: self.upgrade(),
        }
        changes[work](host)

    def take_out(self, host: str) -> None:
        """Takes a host out of the file."""
        self.nodes.remove(self.node(host))

    def put_in(self, host: str) -> None:
        """Puts a host into the file that is not in there, or that has been lost."""
        if any(node["name"] == host for node in self.nodes):
            self.bring_back(host)
        else:
            original = next(node for node in self.full["config"]["onprem-mlops:hosts"]["nodes"] if node["name"] == host)
            self.nodes.append(copy.deepcopy(original))

    def lose(self, host: str) -> None:
        """A host dies, and the settings say so."""
        self.site.power_off(host)
        self.node(host)["lost"] = True

    def bring_back(self, host: str) -> None:
        """A host that was lost is there again, installed anew."""
        self.reinstall(host)
        self.node(host).pop("lost")

    def reinstall(self, host: str) -> None:
        """Installs a host's operating system anew; the settings have its steps run again."""
        self.site.reinstall(host)
        self.faults.install_on(self.site.hosts[host])
        self.again(host)

    def roll(self) -> None:
        """Changes an argument of every kubelet, which restarts one after the other."""
        self.rolled += 1
        self.section("cluster")["arguments"] = {"kubelet": {"--max-pods": str(110 + self.rolled)}}

    def upgrade(self) -> None:
        """The channel of the next minor version."""
        major, minor = self.section("cluster")["channel"].partition("/")[0].split(".")
        self.section("cluster")["channel"] = f"{major}.{int(minor) + 1}/stable"

    def write(self) -> None:
        """Writes the settings for the engine."""
        self.operator.engine.config_file.write_text(yaml.safe_dump(self.config, width=1000), encoding="utf-8")

    @contextmanager
    def up(self, *arguments: str) -> Iterator[Running]:
        """A run of ``pulumi up`` with the settings as they are now."""
        self.write()
        with self.operator.running("up", "--yes", "--skip-preview", *arguments) as running:
            self.running = running
            yield running

    def converge(self) -> Ended:
        """The ``pulumi up`` after a fault."""
        with self.up() as running:
            return running.end()

    def recover(self) -> None:
        """After a case that failed: the next one finds hosts that run, and no lock."""
        self.together.clear()
        for host in self.site.hosts.values():
            if not host.running:
                self.site.power_on(host.name)
        if self.operator.locks():
            self.operator.end_leftovers()
            self.operator.run("cancel", "--yes")

    def measure(self, mode: Mode) -> None:
        """Keeps how many commands each step has run on each host since the traces were begun."""
        for host in self.site.hosts:
            for command in self.faults.trace(host):
                self.lengths[mode, command.step, host] = command.index
        self.faults.forget()

    def length(self, mode: Mode, step: str, host: str) -> int:
        """How many commands a step runs on a host; one that was not measured does what another worker does."""
        return self.lengths.get((mode, step, host)) or self.lengths[mode, step, "worker4"]

    def files(self, host: str) -> dict[str, File]:
        """Files that were written on a host since its first boot, without those that come and go."""
        changes = self.site.hosts[host].changes
        found = {}
        for path in sorted(changes.rglob("*")):
            name = f"/{path.relative_to(changes)}"
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and not _PASSING.search(name):
                found[name] = File(stat.S_IMODE(status.st_mode), hashlib.sha256(path.read_bytes()).hexdigest())
        return found

    def wrong(self, since: Mark) -> list[str]:
        """What is not as it must be after a converging ``up``: nodes, refused writes, half-written files, records, voters."""
        faults = [f"node {host} is not Ready" for host in self.present if not self.site.control_plane.node_ready(host)]
        found = {item["metadata"]["name"] for item in self.site.control_plane.client().request("GET", "/api/v1/nodes")["items"]}
        if found != set(self.present):
            faults.append(f"nodes of the cluster: {sorted(found)}; hosts of the file: {sorted(self.present)}")
        with self.site.audit_log.open(encoding="utf-8") as lines:
            lines.seek(since.audit)
            refused = summarise(parse(lines), deployer=DEPLOYER).refused
        faults += [f"refused write: {write.verb} {write.what}: {write.status} {write.message}" for write in refused]
        faults += self.together
        for host in self.present:
            faults += [f"{host}: half-written {name}" for name in self.files(host) if _HALF_WRITTEN.search(name)]
            faults += self._wrong_records(host)
        return faults

    def _wrong_records(self, host: str) -> list[str]:
        root, faults = self.site.hosts[host].root, []
        records = sorted((root / RECORDS.lstrip("/")).glob("*")) if (root / RECORDS.lstrip("/")).is_dir() else []
        for record in records:
            for line in record.read_text(encoding="utf-8").splitlines():
                kind, name, value = (*line.split("\t", 2), "", "")[:3]
                if kind == "file":
                    path = root / name.lstrip("/")
                    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != value:
                        faults.append(f"{host}: record {record.name} says otherwise than {name}")
        return faults

    def mark(self) -> Mark:
        """Where audit log and clock stand now."""
        log = self.site.audit_log
        return Mark(log.stat().st_size if log.exists() else 0, time.time())


@dataclass(frozen=True)
class Mark:
    """A moment: size of the audit log in bytes, seconds since the epoch."""

    audit: int
    time: float
