"""What is on the hosts against what the deployment has left there: by the records of its steps, and by the nodes of the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from mlops.hosts.checks.check import Finding, Subject, Survey
from mlops.hosts.compose import STEPS, script_version
from mlops.hosts.expectations import Wanted
from mlops.hosts.facts import Facts, Node, Record

AGAIN = "raise this host's epoch in the settings and run pulumi up: it puts things right on this host alone"
_NOT_THERE = "nothing"


def drift(survey: Survey) -> list[Finding]:
    """Everything that is no longer as it was deployed; each finding bears the kind of thing as its name.

    Other scripts than those that set the hosts up are a warning for the site: the hosts are as they were left.
    """
    members = {node.name: node for facts in survey.facts.values() for node in facts.members}
    found: list[Finding] = []
    for host in survey.wanted.hosts:
        facts = survey.facts.get(host.name)
        if facts is None:
            continue
        subject = Subject(host, facts, survey)
        if not facts.recorded:
            found.append(_finding("record", host, "no record of a deployment", "a host that was deployed", AGAIN))
            continue
        found += _machine(subject, members.get(host.name))
        for record in facts.recorded:
            found += _record(subject, record)
        if members:
            found += _node(host, members.get(host.name))
    return [*_versions(survey), *found]


def _finding(kind: str, host: Wanted, found: str, needed: str, mend: str = AGAIN) -> Finding:
    return Finding(kind, "error", host.name, found, needed, mend)


def _machine(subject: Subject, node: Node | None) -> Iterator[Finding]:
    """A reinstalled host has another machine id, and no record."""
    mend = "it was reinstalled or copied: raise its epoch and run pulumi up, which takes its old node out first"
    there = subject.facts.machine_id
    recorded = {record.name for record in subject.facts.recorded if record.kind == "machine"}
    for other in sorted(recorded - {there}):
        yield _finding("machine-id", subject.host, there or _NOT_THERE, f"{other}, on which it was deployed", mend)
    if node is not None and there and node.machine_id not in {"", there}:
        yield _finding("machine-id", subject.host, there, f"{node.machine_id}, that of its node", mend)


def _record(subject: Subject, record: Record) -> Iterator[Finding]:
    host, facts = subject.host, subject.facts
    there = facts.present.get((record.kind, record.name), "")
    match record.kind:
        case "file" | "block" if there != record.value:
            what = record.name if record.kind == "file" else f"our lines in {record.name}"
            change = "is gone" if not there else "is not what was deployed"
            yield _finding(record.kind, host, f"{what} {change}", f"as step {record.step} left it: SHA-256 {record.value[:12]}...")
        case "sysctl" if there.split() != record.value.split():
            yield _finding("sysctl", host, f"{record.name} = {there or _NOT_THERE}", f"{record.name} = {record.value}")
        case "module" if not there:
            yield _finding("module", host, f"module {record.name} is not loaded", f"module {record.name} loaded")
        case "unit" if there != record.value:
            yield _finding("unit", host, f"unit {record.name} is {there or 'unknown'}", f"unit {record.name} {record.value}")
        case "snap" if facts.snaps and facts.snap_state.get(record.name) != record.value:
            has = facts.snap_state.get(record.name, _NOT_THERE).replace("\t", ", ")
            yield _finding("snap", host, f"snap {record.name}: {has}", f"snap {record.name}: {record.value.replace(chr(9), ', ')}")


def _versions(survey: Survey) -> Iterator[Finding]:
    """One finding for all hosts: after an upgrade of the project it is all of them."""
    asked = {
        host.name: _steps_of_other_versions(survey.facts[host.name]) for host in survey.wanted.hosts if host.name in survey.facts
    }
    names = [name for name, steps in asked.items() if steps]
    if names:
        steps = ", ".join(sorted(set().union(*asked.values())))
        count = f"{len(names)} of {len(asked)} host(s)"
        found = f"{count} were last set up by other versions of these scripts ({steps}): {', '.join(names)}"
        yield Finding(
            "version", "warning", "", found, "hosts that these scripts have set up", "run pulumi up, which sets them up again"
        )


def _steps_of_other_versions(facts: Facts) -> set[str]:
    versions = [record for record in facts.recorded if record.kind == "version" and record.step in STEPS]
    return {record.step for record in versions if record.name != script_version(record.step)}


def _node(host: Wanted, node: Node | None) -> Iterator[Finding]:
    if node is None:
        yield _finding("node", host, "no node in the cluster", f"node {host.name}")
        return
    if not node.ready:
        yield _finding("node", host, f"node {host.name} is not Ready", "a node that is Ready", "`microk8s inspect` there tells why")
    if node.cordoned:
        mend = f"`kubectl uncordon {host.name}`; where an update of it was cut, pulumi up does that when it is done"
        yield _finding("node", host, f"node {host.name} is cordoned: it takes no new pods", "a node that takes pods", mend)
    for key, value in host.labels.items():
        if node.labels.get(key) != value:
            yield _finding("label", host, f"label {key} = {node.labels.get(key, _NOT_THERE)}", f"{key} = {value}")
    for taint in host.taints:
        if taint not in node.taints:
            yield _finding("taint", host, f"taints {', '.join(node.taints) or 'none'}", taint)
