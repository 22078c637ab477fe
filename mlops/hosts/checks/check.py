"""What a check is: a name, how bad its finding is, what is needed, how to mend it, and how facts are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlops.errors import Problem
from mlops.hosts.expectations import Expectations, Wanted
from mlops.hosts.facts import Facts

Severity = Literal["error", "warning", "note"]
Scope = Literal["host", "site", "deployer"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What a check has found; where a field is empty, the words of the check stand.

    Attributes:
        found: what is there.
        needed: what would be right.
        mend: what to do.
        severity: in place of the check's own.
        host: for a check of the whole site, the host that is to be mended.
    """

    found: str
    needed: str = ""
    mend: str = ""
    severity: Severity | None = None
    host: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be, or is told.

    Attributes:
        check: name of the check.
        severity: an error ends the run, a warning does not, a note explains.
        host: where; empty for the whole site.
        found: what is there.
        needed: what would be right.
        mend: what to do.
    """

    check: str
    severity: Severity
    host: str
    found: str
    needed: str
    mend: str

    @property
    def problem(self) -> Problem:
        """The same, as errors are told."""
        return Problem(f"{f'host {self.host}' if self.host else 'site'}: {self.check}", self.found, self.needed, self.mend)


@dataclass(frozen=True, slots=True)
class Survey:
    """All that is known when facts are judged.

    Attributes:
        wanted: what the settings ask for.
        facts: host name -> its facts; of hosts that could be asked.
        clock_offsets: host name -> seconds by which its clock is ahead of that of the machine that deploys, where that is known.
        silent: hosts that could not be asked, which is told elsewhere.
    """

    wanted: Expectations
    facts: Mapping[str, Facts]
    clock_offsets: Mapping[str, float] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Subject:
    """One host as a check sees it."""

    host: Wanted
    facts: Facts
    survey: Survey

    @property
    def wanted(self) -> Expectations:
        """What the settings ask of the site."""
        return self.survey.wanted


HostJudge = Callable[[Subject], Iterator[Fault]]
SiteJudge = Callable[[Survey], Iterator[Fault]]


@dataclass(frozen=True, slots=True)
class Check:
    """A check.

    Attributes:
        name: as settings and reports name it.
        severity: of its findings, unless one says otherwise.
        scope: ``host``: judges the facts of one host, ``site``: of all; ``deployer``: finds out on the machine that deploys.
        needed: what has to be there.
        mend: what to do when it is not.
        judge_host: judges one host.
        judge_site: judges the site.
    """

    name: str
    severity: Severity
    scope: Scope
    needed: str
    mend: str
    judge_host: HostJudge | None = None
    judge_site: SiteJudge | None = None

    def finding(self, fault: Fault, host: str = "") -> Finding:
        """A fault in the words of this check."""
        return Finding(
            self.name,
            fault.severity or self.severity,
            fault.host or host,
            fault.found,
            fault.needed or self.needed,
            fault.mend or self.mend,
        )


def of_host(name: str, severity: Severity, needed: str, mend: str) -> Callable[[HostJudge], Check]:
    """Makes a check of a function that judges one host."""
    return lambda judge: Check(name, severity, "host", needed, mend, judge_host=judge)


def of_site(name: str, severity: Severity, needed: str, mend: str) -> Callable[[SiteJudge], Check]:
    """Makes a check of a function that judges all hosts together."""
    return lambda judge: Check(name, severity, "site", needed, mend, judge_site=judge)
