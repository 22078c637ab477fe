"""members.sh by the real bash, with a cluster of two tables in place of MicroK8s: whom it takes out, and what it refuses."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from importlib import resources

import pytest

SCRIPTS = resources.files("mlops.hosts").joinpath("scripts")
LIBRARIES = "\n".join(
    SCRIPTS.joinpath(f"{name}.sh").read_text(encoding="utf-8") for name in ("lib", "cluster", "registered", "members")
)
# name -> machine id, control plane, address
HOSTS = {
    "c1": ("m1", True, "10.0.0.1"),
    "c2": ("m2", True, "10.0.0.2"),
    "c3": ("m3", True, "10.0.0.3"),
    "w1": ("m4", False, "10.0.0.4"),
}
VOTERS = "c1 c2 c3"


@dataclass(frozen=True)
class Case:
    """``registered`` is what differs in the cluster, name to a machine id; ``reported`` in the hosts themselves."""

    name: str
    lost: str = ""
    dead: str = ""
    registered: tuple[tuple[str, str], ...] = ()
    missing: str = ""
    members: str = VOTERS
    roles: tuple[tuple[str, str], ...] = ()
    answering: str = ""
    out: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


CASES = (
    Case("nobody is a stranger"),
    Case("a lost worker", lost="w1", dead="w1", out=("w1 10.0.0.4",), told=("host w1 is declared lost",)),
    Case("a lost voter", lost="c2", dead="c2", out=("c2 10.0.0.2",)),
    Case("a lost host that lives", lost="c2", told=("declared lost in the settings, but its node is Ready",)),
    Case("a lost host that is gone already", lost="w1", missing="w1"),
    Case(
        "a reinstalled worker",
        dead="w1",
        registered=(("w1", "old"),),
        out=("w1 10.0.0.4",),
        told=("machine id is m4 and no longer old",),
    ),
    Case(
        "another machine id on a living host",
        registered=(("w1", "old"),),
        told=("host w1 has machine id m4, but its node is Ready with old",),
    ),
    Case("a node that has not told its machine id yet", dead="w1", registered=(("w1", ""),)),
    Case("the host itself", registered=(("c1", "old"),), told=("this host's machine id is m1",)),
    Case(
        "a worker that is to be a control plane",
        roles=(("w1", "control-plane"),),
        told=("host w1 is a worker of the cluster", "take the host out"),
    ),
    Case("a control plane that is to be a worker", roles=(("c3", "worker"),), told=("host c3 is a control-plane of the cluster",)),
    Case(
        "too many at once", lost="c2 c3", dead="c2 c3", told=("without c2 1 of 3 voters", "without c3 1 of 3 voters", "2 or more")
    ),
    Case("one of two voters", lost="c2", dead="c2", missing="c3", members="c1 c2", told=("without c2 1 of 2 voters",)),
    Case("a dead one beside a lost one", lost="c2", dead="c2 c3", told=("without c2 1 of 3 voters",)),
    Case("a lost standby beside a dead voter", lost="c2", dead="c2 c3", members="c1 c3", out=("c2 10.0.0.2",)),
    Case("a standby is no voter", lost="c2", dead="c2", members="c1 c2 c3:standby", told=("without c2 1 of 2 voters",)),
    Case("an address without a node", missing="c3", out=("c3 10.0.0.3",), told=("where nothing answers",)),
    Case(
        "a living member without a node",
        missing="c3",
        answering="10.0.0.3",
        told=("has no node", "snap restart microk8s.daemon-kubelite"),
    ),
    Case("a host that has not joined yet", missing="c3", members="c1 c2"),
    Case(
        "all at once, and nothing changed",
        lost="c2",
        registered=(("w1", "old"),),
        roles=(("c3", "worker"),),
        told=("host c2 is declared lost", "host w1 has machine id m4", "host c3 is a control-plane"),
    ),
)


def run(case: Case) -> subprocess.CompletedProcess[str]:
    registered, roles = dict(case.registered), dict(case.roles)
    ready = {name: "Unknown" if name in case.dead.split() else "True" for name in HOSTS}
    nodes = [
        f"{name}|{registered.get(name, machine)}|{ready[name]}|{'plane' if plane else ''}|{address}"
        for name, (machine, plane, address) in HOSTS.items()
        if name not in case.missing.split()
    ]
    machines = [
        f"{name} {machine} {roles.get(name, 'control-plane' if plane else 'worker')} {address}"
        for name, (machine, plane, address) in HOSTS.items()
        if name not in case.lost.split()
    ]
    entries = [entry.partition(":") for entry in case.members.split()]
    members = "\n".join(f"{HOSTS[name][2]} {role or 'voter'}" for name, _, role in entries)
    text = f"""{LIBRARIES}
STEP=members HOST_NAME=c1
LOST='{chr(10).join(case.lost.split())}'
MACHINES='{chr(10).join(machines)}'
wait_until_ready() {{ :; }}
registered_nodes() {{ printf '%s\\n' '{chr(10).join(nodes)}'; }}
datastore_members() {{ printf '%s\\n' '{members}'; }}
datastore_answers() {{ [ "$1" = '{case.answering}' ]; }}
remove_node() {{ printf 'removed %s %s\\n' "$1" "$2"; }}
trap 'unforeseen "$LINENO" "$BASH_COMMAND"' ERR
apply
"""
    return subprocess.run(["bash", "-s"], input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_whom_it_takes_out(case: Case) -> None:
    done = run(case)
    assert "ended with exit code" not in done.stderr
    removed = tuple(line.removeprefix("removed ") for line in done.stdout.splitlines() if line.startswith("removed "))
    assert removed == case.out
    for words in case.told:
        assert words in done.stdout + done.stderr
    refused = bool(case.told) and not case.out and "this host's machine id" not in case.told[0]
    assert (done.returncode != 0) is refused, done.stderr
    if refused:
        assert done.stderr.count("mend:") >= len({entry for entry in case.told if entry.startswith(("host", "without"))} or {1})
