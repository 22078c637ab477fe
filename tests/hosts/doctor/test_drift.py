"""Drift: every kind of thing that a record names, changed on its own, is reported as that and as nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlops.hosts.checks.check import Finding, Survey
from mlops.hosts.checks.drift import drift
from mlops.hosts.compose import script_version
from mlops.hosts.facts import Facts
from tests.hosts.doctor import samples
from tests.hosts.doctor.samples import node, snaps

RECORDS = [
    "prepare\tfile\t/etc/modules-load.d/x.conf\taaaa",
    "prepare\tblock\t/etc/environment\tbbbb",
    "prepare\tsysctl\tfs.aio-max-nr\t1048576",
    "prepare\tmodule\tnvme_tcp",
    "prepare\tunit\tsnapd.socket\tenabled",
    "microk8s\tsnap\tmicrok8s\t1.35/stable\theld",
    "prepare\tmachine\t" + "1" * 32,
    f"prepare\tversion\t{script_version('prepare')}",
]
FOUND = {
    "file\t/etc/modules-load.d/x.conf": "aaaa",
    "block\t/etc/environment": "bbbb",
    "sysctl\tfs.aio-max-nr": "1048576",
    "module\tnvme_tcp": "loaded",
    "unit\tsnapd.socket": "enabled",
}
LABELS = {"rack": "a1"}


def findings(*, there: dict[str, str | None] | None = None, **changes: Any) -> list[tuple[str, str]]:
    found = {name: value for name, value in {**FOUND, **(there or {})}.items() if value is not None}
    usual = {
        "records": "\n".join(RECORDS),
        "found": "\n".join(f"{name}\t{value}" for name, value in found.items()),
        "snaps": snaps("1.35/stable"),
        "nodes": node("node1", plane=True, machine="1" * 32, labels=LABELS),
    }
    facts = Facts.parse(json.dumps(samples.facts("node1", **{**usual, **changes})))
    host = samples.wanted().hosts[0].model_copy(update={"labels": LABELS})
    survey = Survey(samples.wanted(hosts=(host,)), {"node1": facts})
    return [(entry.check, entry.found) for entry in drift(survey)]


def test_what_was_deployed_has_no_drift() -> None:
    assert findings() == []


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("file", {"there": {"file\t/etc/modules-load.d/x.conf": "cccc"}}, "is not what was deployed"),
        ("file", {"there": {"file\t/etc/modules-load.d/x.conf": None}}, "is gone"),
        ("block", {"there": {"block\t/etc/environment": "cccc"}}, "our lines in /etc/environment"),
        ("sysctl", {"there": {"sysctl\tfs.aio-max-nr": "65536"}}, "fs.aio-max-nr = 65536"),
        ("module", {"there": {"module\tnvme_tcp": None}}, "nvme_tcp is not loaded"),
        ("unit", {"there": {"unit\tsnapd.socket": "not-enabled"}}, "snapd.socket is not-enabled"),
        ("snap", {"snaps": snaps("1.34/stable")}, "1.34/stable, held"),
        ("snap", {"snaps": snaps("1.35/stable").replace(",held", "")}, "1.35/stable, -"),
        ("version", {"records": "\n".join([*RECORDS[:-1], "prepare\tversion\t000000000000"])}, "1 of 1 host(s)"),
        ("machine-id", {"nodes": node("node1", plane=True, machine="9" * 32, labels=LABELS)}, "1" * 32),
        ("record", {"records": ""}, "no record"),
        ("label", {"nodes": node("node1", plane=True, machine="1" * 32)}, "rack = nothing"),
        ("node", {"nodes": node("node1", plane=True, ready=False, machine="1" * 32, labels=LABELS)}, "not Ready"),
        ("node", {"nodes": node("other")}, "no node in the cluster"),
        ("node", {"nodes": node("node1", plane=True, machine="1" * 32, labels=LABELS, cordoned=True)}, "node1 is cordoned"),
    ],
)
def test_a_change_is_reported_as_what_it_is(kind: str, changes: dict[str, Any], words: str) -> None:
    found = findings(**changes)
    assert [name for name, _ in found] == [kind]
    assert words in found[0][1]


def versions(**records: tuple[str, ...]) -> list[Finding]:
    """Findings on hosts that have these records of versions."""
    hosts = tuple(samples.wanted().hosts[0].model_copy(update={"name": name, "labels": {}}) for name in records)
    facts = {name: Facts.parse(json.dumps(samples.facts(name, records="\n".join(lines)))) for name, lines in records.items()}
    return drift(Survey(samples.wanted(hosts=hosts), facts))


def test_hosts_of_another_version_are_one_warning_of_the_site() -> None:
    old, new = "prepare\tversion\t000000000000", f"prepare\tversion\t{script_version('prepare')}"
    found = versions(node1=(old, "join\tversion\t111111111111"), node2=(new,), node3=(old,))
    assert [(entry.check, entry.host, entry.severity) for entry in found] == [("version", "", "warning")]
    said = "2 of 3 host(s) were last set up by other versions of these scripts (join, prepare): node1, node3"
    assert (found[0].found, found[0].mend) == (said, "run pulumi up, which sets them up again")
    assert versions(node1=(new,), node2=(new, "step-of-old\tversion\t0")) == []


def test_a_reinstalled_host_is_told_from_its_record() -> None:
    assert [name for name, _ in findings(machine_id="7" * 32, nodes="")] == ["machine-id"]


def test_a_taint_that_is_gone_is_reported() -> None:
    facts = Facts.parse(json.dumps(samples.facts("node1", records=RECORDS[6], nodes=node("node1", plane=True))))
    host = samples.wanted().hosts[0].model_copy(update={"taints": ("gpu=true:NoSchedule",)})
    found = drift(Survey(samples.wanted(hosts=(host,)), {"node1": facts}))
    assert [entry.check for entry in found] == ["taint"]
