"""The checks before the first change, as data: :data:`CHECKS` has them by name, :func:`judge` runs them on facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlops.hosts.checks import cluster, deployer, hardware, network, outside, site, system
from mlops.hosts.checks.check import Check, Fault, Finding, Severity, Subject, Survey
from mlops.hosts.expectations import Expectations, Skipped
from mlops.settings import CHECK_NAMES

__all__ = ["CHECKS", "Check", "Fault", "Finding", "Report", "Severity", "Survey", "judge", "report", "table"]

_ALL: tuple[Check, ...] = (
    *hardware.CHECKS,
    *system.CHECKS,
    *network.CHECKS,
    *outside.CHECKS,
    *cluster.CHECKS,
    *site.CHECKS,
    *deployer.CHECKS,
)

CHECKS: dict[str, Check] = {name: check for name in CHECK_NAMES for check in _ALL if check.name == name}
"""Every check by its name, in the order of the report; the settings know the same names."""


@dataclass(frozen=True, slots=True)
class Report:
    """What has come of all checks.

    Attributes:
        findings: what is to be mended or told.
        skipped: findings that the settings let pass, each with the reason.
    """

    findings: tuple[Finding, ...]
    skipped: tuple[tuple[Finding, str], ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What has to be mended before anything changes."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


def judge(survey: Survey) -> list[Finding]:
    """Findings of all checks that judge facts."""
    found: list[Finding] = []
    for check in CHECKS.values():
        if check.judge_site is not None:
            found += [check.finding(fault) for fault in check.judge_site(survey)]
        if check.judge_host is None:
            continue
        for host in survey.wanted.hosts:
            if host.name in survey.facts:
                subject = Subject(host, survey.facts[host.name], survey)
                found += [check.finding(fault, host.name) for fault in check.judge_host(subject)]
    return found


def report(findings: Iterable[Finding], wanted: Expectations | None) -> Report:
    """Sorts out what the settings let pass."""
    skips = wanted.skipped if wanted else ()
    kept: list[Finding] = []
    skipped: list[tuple[Finding, str]] = []
    for finding in findings:
        skip = next((entry for entry in skips if _lets_pass(entry, finding)), None)
        if skip is None:
            kept.append(finding)
        else:
            skipped.append((finding, skip.reason))
    return Report(tuple(kept), tuple(skipped))


def _lets_pass(skip: Skipped, finding: Finding) -> bool:
    return skip.check == finding.check and skip.host in {None, finding.host}


def table() -> str:
    """All checks as a Markdown table, for docs/doctor.md."""
    where = {"host": "each host", "site": "all hosts", "deployer": "the machine that deploys"}
    rows = [f"| `{check.name}` | {where[check.scope]} | {check.severity} | {check.needed} |" for check in CHECKS.values()]
    return "\n".join(["| Check | Judges | Severity | What is needed |", "|---|---|---|---|", *rows])
