"""In which order the real engine takes hosts out, and when it does not: the program's own resources, with acts that only note."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops.rehearsal.standins import install

pytestmark = pytest.mark.engine
ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import json, os
from functools import partial
from types import SimpleNamespace
import pulumi
from pulumi_command import local
from components.cluster import membership

site = json.loads(open(os.environ["SITE"]).read())
recorder = (os.environ["RECORDER"],)

def removal_step(name, step, *, host, access, values, opts):
    # stands in for a command over SSH
    environment = {"NODE": values.get("DEPARTED", values["HOST_NAME"])}
    return local.Command(name, interpreter=list(recorder), delete=step, environment=environment, opts=opts)

membership._step, membership.removal_step = partial(membership.kubectl_step, interpreter=recorder), removal_step

def host(name, lost):
    plane = name.startswith("c")
    roles = ("control-plane",) if plane else ("worker",)
    return SimpleNamespace(name=name, lost=lost, is_control_plane=plane, roles=roles, labels={}, taints=(), epoch=1)

living, lost = [host(name, False) for name in site["living"]], tuple(host(name, True) for name in site["lost"])
planes = tuple(entry for entry in living if entry.is_control_plane)
hosts = SimpleNamespace(
    in_joining_order=lambda: tuple(living),
    lost=lost,
    control_planes=planes,
    on_destroy=site["on_destroy"],
    access_of=lambda host: None,
)
kubeconfig = pulumi.Output.secret("kubeconfig")
options = pulumi.ResourceOptions()
def step(name, node, act, after):
    return local.Command(
        name,
        interpreter=list(recorder),
        create=act,
        environment={"NODE": node},
        opts=pulumi.ResourceOptions(depends_on=after),
    )

members = last = step("cluster-members", "", "members", [])
joined = {}
for entry in living:
    joined[entry.name] = last = step(f"cluster-{entry.name}-join", entry.name, "join", [last])
membership.departures("cluster", hosts, kubeconfig, members, joined, opts=options)
"""
RECORDER = """#!/bin/sh
if [ -e "$(dirname "$0")/fails-$NODE-$1" ]; then echo "$NODE cannot $1" >&2; exit 1; fi
echo "$NODE $1" >>"$(dirname "$0")/log"
"""


@dataclass
class Stack:
    directory: Path
    environment: dict[str, str]

    def site(self, living: str, *, lost: str = "", on_destroy: str = "keep") -> None:
        text = json.dumps({"living": living.split(), "lost": lost.split(), "on_destroy": on_destroy})
        (self.directory / "site.json").write_text(text)

    def run(self, *arguments: str, fails: bool = False) -> list[str]:
        """Acts that a run of the engine has done, without those of creation."""
        log = self.directory / "log"
        log.unlink(missing_ok=True)
        argv = ["pulumi", "--non-interactive", *arguments]
        done = subprocess.run(
            argv, cwd=self.directory, env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert bool(done.returncode) is fails, done.stdout + done.stderr
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if not line.endswith((" members", " join"))]

    def up(self, *, fails: bool = False) -> list[str]:
        return self.run("up", "--yes", "--skip-preview", fails=fails)

    def destroy(self, *, fails: bool = False) -> list[str]:
        return self.run("destroy", "--yes", "--skip-preview", fails=fails)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        pytest.skip("no pulumi on PATH")
    directory, home = tmp_path / "project", tmp_path / "home"
    for folder in (directory, home, tmp_path / "state"):
        folder.mkdir()
    python = f"{{name: python, options: {{toolchain: pip, virtualenv: {sys.prefix}}}}}"
    (directory / "Pulumi.yaml").write_text(f"name: membership\nruntime: {python}\n")
    (directory / "__main__.py").write_text(PROGRAM)
    recorder = directory / "recorder"
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}/bin:{Path(pulumi).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "SITE": str(directory / "site.json"),
        "RECORDER": str(recorder),
    }
    install(tmp_path / "bin", plugins=home / "plugins", environment=environment)
    made = Stack(directory, environment)
    made.run("stack", "init", "dev")
    return made


def taken_out(*names: str) -> list[str]:
    return [f"{name} {act}" for name in names for act in ("withdraw", "depart", "forget")]


def test_hosts_go_one_after_the_other_each_checked_first(stack: Stack) -> None:
    stack.site("c1 c2 c3 w1 w2 w3")
    assert stack.up() == []
    stack.site("c1 c2 w2")
    assert stack.up() == taken_out("w3", "w1", "c3"), "hosts with one in between that stays"
    stack.site("c1 c2")
    (stack.directory / "fails-w2-withdraw").touch()
    assert stack.up(fails=True) == [], "nothing of a host that may not go is touched"
    (stack.directory / "fails-w2-withdraw").unlink()
    (stack.directory / "fails-w2-depart").touch()
    assert stack.up(fails=True) == ["w2 withdraw"]
    (stack.directory / "fails-w2-depart").unlink()
    assert stack.up() == ["w2 depart", "w2 forget"], "a run that was cut goes on"
    stack.site("c2")
    assert stack.up() == taken_out("c1"), "the first one, by another one"


def test_nothing_is_taken_from_a_host_that_was_not_let_in(stack: Stack) -> None:
    """It may belong to another cluster, which is why its join was refused."""
    (stack.directory / "fails-w1-join").touch()
    stack.site("c1 c2 w1", on_destroy="reset")
    assert stack.up(fails=True) == []
    stack.site("c1 c2", on_destroy="reset")
    assert "w1 depart" not in stack.up()
    assert "w1 depart" not in stack.destroy()


def test_a_lost_host_is_only_forgotten_and_a_destroy_keeps_hosts(stack: Stack) -> None:
    stack.site("c1 w1 w2")
    stack.up()
    stack.site("c1 w1", lost="w2")
    assert stack.up() == []
    stack.site("c1 w1")
    assert stack.up() == []
    assert stack.destroy() == []


def test_a_destroy_with_reset_takes_whole_hosts_down_and_nobody_out(stack: Stack) -> None:
    stack.site("c1 c2 c3 w1", on_destroy="reset")
    stack.up()
    (stack.directory / "fails-c2-depart").touch()
    assert stack.destroy(fails=True) == ["w1 depart", "c3 depart"]
    (stack.directory / "fails-c2-depart").unlink()
    assert stack.destroy() == ["c2 depart", "c1 depart"], "a destroy that was cut is still one"


def test_a_host_is_still_taken_out_when_destroys_reset(stack: Stack) -> None:
    stack.site("c1 w1", on_destroy="reset")
    stack.up()
    stack.site("c1", on_destroy="reset")
    assert stack.up() == taken_out("w1")
    stack.site("c1", on_destroy="keep")
    stack.up()
    assert stack.destroy() == [], "the last word counts"
