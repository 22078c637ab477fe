"""The examination of a site before a deployment, or against the last one: what `mlops doctor` does, without its words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops.bundles.requests import Demand
from mlops.errors import Problem, UserError
from mlops.hosts.checks import Finding, Report, judge, report
from mlops.hosts.checks.check import Check, Fault
from mlops.hosts.checks.deployer import (
    backend_faults,
    certificate_faults,
    offline,
    offline_faults,
    passphrase,
    passphrase_faults,
    settings,
    state_backend,
    trust,
)
from mlops.hosts.checks.drift import drift
from mlops.hosts.expectations import Expectations, expectations, probe_values
from mlops.hosts.preflight import scripts, survey
from mlops.hosts.ssh import Answer, Target, ask
from mlops.settings import MicroK8sCluster, Secret, SecretState, Site, read_site_file, unseal

Told = Callable[[str, Answer], None]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        file: the site file.
        stack: the engine's stack.
        demand: what the enabled layers ask for; None leaves the sums out.
        against_records: compare with what was deployed, in place of the checks before a deployment.
        hosts: names of the hosts that are asked; all when empty.
    """

    file: Path
    stack: str
    demand: Callable[[Site], Demand | None]
    against_records: bool
    hosts: Sequence[str]


def examine(question: Question, told: Told) -> Report:
    """Asks the hosts, all at the same time, and judges.

    Args:
        question: what is asked.
        told: called for each host as soon as it has answered.
    """
    try:
        site = read_site_file(question.file)
    except UserError as error:
        return report([_of_settings(problem) for problem in error.problems] or [settings.finding(Fault(error.summary))], None)
    findings = [] if question.against_records else _of_deployer(site, question.file)
    if unknown := _unknown(question.hosts, site):
        return report([*findings, *(_told_by(settings, problem) for problem in unknown)], None)
    if site.hosts is None or not isinstance(site.cluster, MicroK8sCluster):
        return report(findings, None)
    wanted = expectations(site, None if question.against_records else question.demand(site))
    if any(secret.state is SecretState.SEALED for secret in _needed(site)):
        try:
            site = unseal(question.file, question.stack)
        except UserError as error:
            known = {entry.check for entry in findings}
            findings += [entry for problem in error.problems if (entry := _of_engine(problem)).check not in known]
            return report(findings, wanted)
    try:
        targets = _targets(site, question.hosts)
        values = _values(site, wanted, against_records=question.against_records)
    except UserError as error:
        return report([*findings, *(_told_by(settings, problem) for problem in error.problems)], wanted)
    found, silent = survey(wanted, targets, ask(targets, scripts(targets, values), told))
    judged = drift(found) if question.against_records else judge(found)
    return report([*findings, *silent, *judged], wanted)


def _needed(site: Site) -> list[Secret]:
    """Secrets without which no host can be asked."""
    access = site.hosts.access if site.hosts else None
    found = [access.key, access.sudo_password, access.bastion.key if access.bastion else None] if access else []
    found.append(site.proxy.password if site.proxy else None)
    return [secret for secret in found if secret is not None]


def _unknown(named: Sequence[str], site: Site) -> list[Problem]:
    """What is wrong with the hosts that the command line names."""
    living = [host.name for host in site.hosts.in_joining_order()] if site.hosts else []
    lost = [host.name for host in site.hosts.lost] if site.hosts else []
    allowed = f"a living host of the site: {', '.join(living)}" if living else "no --host: this site has no hosts of its own"
    found = {name: f"{name}, which the settings declare lost: nobody connects to it" for name in lost}
    mend = "name another; of a host that lives take `lost: true` away"
    return [
        Problem("--host", found.get(name, name), allowed, mend if name in found else "name another host")
        for name in named
        if name not in living
    ]


def _targets(site: Site, only: Sequence[str]) -> tuple[Target, ...]:
    hosts = site.hosts
    if hosts is None:
        return ()
    return tuple(Target.of(host, hosts.access_of(host)) for host in hosts.in_joining_order() if not only or host.name in only)


def _values(site: Site, wanted: Expectations, *, against_records: bool) -> dict[str, dict[str, str]]:
    password = site.proxy.password.reveal() if site.proxy and site.proxy.password else ""
    return {
        host.name: {
            **probe_values(site, wanted, host, cluster=True, records=against_records),
            "PROXY_PASSWORD": password,
        }
        for host in wanted.hosts
    }


def _of_deployer(site: Site, file: Path) -> list[Finding]:
    sources = (
        (trust, certificate_faults(site)),
        (offline, offline_faults(site)),
        (passphrase, passphrase_faults(file.read_text(encoding="utf-8"))),
        (state_backend, backend_faults()),
    )
    found = [check.finding(fault) for check, faults in sources for fault in faults]
    return found + [settings.finding(Fault(remark, severity="note")) for remark in site.remarks()]


def _of_settings(problem: Problem) -> Finding:
    check = trust if " trust." in f" {problem.where}" and "CERTIFICATE" in problem.allowed.upper() else settings
    return _told_by(check, problem)


def _of_engine(problem: Problem) -> Finding:
    return _told_by(passphrase if "passphrase" in problem.allowed else state_backend, problem)


def _told_by(check: Check, problem: Problem) -> Finding:
    return check.finding(Fault(f"{problem.where}: {problem.found or 'nothing'}", problem.allowed, problem.mend))
