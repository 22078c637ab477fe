"""Judges what probes have found, before anything changes: `python -m mlops.hosts.preflight`, run by the resource `hosts-preflight`.

Reads JSON on standard input (:class:`Order`), prints the findings, and ends with 1 when one of them is an error. A probe runs once,
so facts in the state may be older than what was mended since, or than a clock that went wrong: such are asked of the hosts again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from mlops.errors import UserError
from mlops.hosts import compose
from mlops.hosts.checks import CHECKS, Finding, Report, Survey, judge, report
from mlops.hosts.checks.site import MOST_SECONDS_APART
from mlops.hosts.expectations import Expectations
from mlops.hosts.facts import Facts, FactsError
from mlops.hosts.ssh import Answer, Target, ask, failure

PROBE_SECRETS = ("PROXY_PASSWORD",)


class Order(BaseModel):
    """What is judged.

    Attributes:
        wanted: what the settings ask for.
        facts: host name -> what its probe printed.
        targets: how hosts are reached.
        values: host name -> values of its probe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    wanted: Expectations
    facts: dict[str, str]
    targets: tuple[Target, ...] = Field(repr=False)
    values: dict[str, dict[str, str]] = Field(repr=False)


def scripts(targets: tuple[Target, ...], values: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The probe of each host."""
    return {
        target.name: compose("probe", values=values[target.name], secrets=PROBE_SECRETS, sudo_password=target.sudo_password)
        for target in targets
    }


def survey(wanted: Expectations, targets: tuple[Target, ...], answers: Mapping[str, Answer]) -> tuple[Survey, list[Finding]]:
    """What hosts answered just now, and the findings of those that did not."""
    facts: dict[str, Facts] = {}
    offsets: dict[str, float] = {}
    findings: list[Finding] = []
    for target in targets:
        answer = answers[target.name]
        finding = failure(target, answer)
        if finding is None:
            try:
                facts[target.name] = Facts.parse(answer.stdout)
            except FactsError as error:
                finding = unreadable(target.name, error)
            else:
                offsets[target.name] = facts[target.name].time - answer.at
        if finding is not None:
            findings.append(finding)
    silent = frozenset(target.name for target in targets if target.name not in facts)
    return Survey(wanted, facts, offsets, silent), findings


def unreadable(host: str, error: FactsError) -> Finding:
    """Facts that are none: of a host whose login prints a greeting, for instance."""
    return Finding(
        "reachable",
        "error",
        host,
        f"an answer that cannot be read: {error}",
        "a login that prints nothing of its own",
        "take what prints out of the login user's ~/.bashrc and out of /etc/bash.bashrc",
    )


def judged(order: Order, now: float) -> Report:
    """Findings on the facts of the state; what is old, wrong, or of another time than now is asked of the hosts again."""
    try:
        facts = {host: Facts.parse(text) for host, text in order.facts.items()}
    except FactsError:
        facts = {}
    # a clock that is slow and a probe that ran long ago look the same
    if facts and all(abs(entry.time - now) <= MOST_SECONDS_APART for entry in facts.values()):
        first = report(judge(Survey(order.wanted, facts)), order.wanted)
        if not first.errors:
            return first
    found, silent = survey(order.wanted, order.targets, ask(order.targets, scripts(order.targets, order.values)))
    return report([*silent, *judge(found)], order.wanted)


def words(result: Report) -> str:
    """A report as plain text: errors first."""
    order = {"error": 0, "warning": 1, "note": 2}
    lines = []
    for finding in sorted(result.findings, key=lambda entry: order[entry.severity]):
        if finding.severity == "note":
            lines.append(f"note: {finding.host or 'site'}: {finding.check}: {finding.found}")
        else:
            lines.append(f"{finding.severity}: {finding.problem}")
    lines += [f"skipped: {entry.host or 'site'}: {entry.check}: {entry.found} ({reason})" for entry, reason in result.skipped]
    return "\n".join(lines)


def main() -> int:
    """Judges what stands on standard input; the exit code."""
    order = Order.model_validate_json(sys.stdin.read())
    try:
        result = judged(order, time.time())
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    text = words(result)
    if result.errors:
        print(
            f"The hosts are not as they must be: {len(result.errors)} error(s). Nothing has been changed.\n{text}\n"
            "`mlops doctor` shows the same; hosts.preflight.skip lets a check pass, with a reason.",
            file=sys.stderr,
        )
        return 1
    if text:
        print(text, file=sys.stderr)
    print(f"{len(order.facts)} host(s) passed {len(CHECKS)} checks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
