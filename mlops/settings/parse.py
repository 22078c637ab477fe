"""From raw values to a site: every mistake is found in one go, and no site with a mistake leaves."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlops.errors import Problem
from mlops.settings.checks import CHECKS, run
from mlops.settings.credentials import credential_checks
from mlops.settings.report import Finding, Origin, SettingsError, problem_of, translate
from mlops.settings.secret import Secret, SecretState, set_command
from mlops.settings.section import UNUSABLE
from mlops.settings.shape import holds_section_keys, secret_spots
from mlops.settings.site import Site
from mlops.settings.stackfile import KeyPath, Sealed, dotted, lookup, read_stack_file, site_name_of


def read_site_file(path: Path) -> Site:
    """Read and check a site file without the engine: encrypted values stay sealed.

    Raises:
        SettingsError: the file or a setting in it is wrong; holds all problems.
    """
    file = read_stack_file(path)
    origin = Origin(stack=site_name_of(path), file=path, lines=file.lines)
    return _build(file.values, origin, file.problems, datetime.now(UTC))


def parse_site(values: Mapping[str, object], *, origin: Origin, now: datetime | None = None) -> Site:
    """Check values, e.g. ``{"name": ..., "hosts": {...}}``, and make the site of them.

    Args:
        values: section -> value, as the engine hands them over or as a file holds them.
        origin: where they come from; with a file and no lines, the lines are looked up there.
        now: moment at which certificates must be valid; the present one by default.

    Raises:
        SettingsError: a setting is wrong; holds all problems.
    """
    if origin.file and not origin.lines:
        # The values are here already: a file that cannot be read costs their line numbers only.
        with suppress(SettingsError):
            origin = replace(origin, lines=read_stack_file(origin.file).lines)
    return _build(values, origin, (), now or datetime.now(UTC))


def _build(values: Mapping[str, object], origin: Origin, problems: Iterable[Problem], now: datetime) -> Site:
    raw = _with_secrets(values, origin)
    findings: list[Finding] = []
    site: Site | None = None
    try:
        site = Site.model_validate(raw)
    except ValidationError as error:
        # Only items without a mistake are counted: a list of wrong ones is told of by its items.
        errors = [each for each in error.errors(include_url=False) if not (each["type"] == "too_short" and each["input"])]
        findings = [translate(each, Site, raw, origin) for each in errors]
        site = _draft(raw, findings)
    if site:
        findings += run(site, (*CHECKS, *credential_checks(now)))
    if findings or problems:
        raise _report(findings, problems, origin)
    if site is None:  # cannot be: without a site there is a finding
        raise RuntimeError("settings were refused without a reason")
    return site


def _with_secrets(values: Mapping[str, object], origin: Origin) -> dict[str, Any]:
    """A copy of the values in which each secret's place holds a :class:`Secret`; clear text in a file stays, to be refused."""
    raw: dict[str, Any] = copy.deepcopy(dict(values))
    for spot, needed in secret_spots(Site, raw):
        section = lookup(raw, spot.path[:-1])
        key = spot.path[-1]
        if not isinstance(section, dict):
            continue
        value = section.get(key)
        command = set_command(dotted(spot.path), origin.stack, spot.file)
        path = dotted(spot.path)
        if isinstance(value, Sealed):
            section[key] = Secret(SecretState.SEALED, path=path, command=command)
        elif isinstance(value, str) and value and origin.from_engine:
            section[key] = Secret(SecretState.GIVEN, value, path=path, command=command)
        elif needed and (value is None or value == ""):
            section[key] = Secret(SecretState.MISSING, path=path, command=command)
    return raw


def _draft(raw: dict[str, Any], findings: list[Finding]) -> Site | None:
    """The site with an unusable value in place of each wrong one, for the checks across settings."""
    for finding in findings:
        path: KeyPath = finding.path
        # Only keys of a section can be left unusable: a wrong item spoils its list, a wrong entry its mapping.
        while path and not holds_section_keys(Site, raw, path[:-1]):
            path = path[:-1]
        if not path:
            continue
        section: Any = lookup(raw, path[:-1])
        if finding.unknown_key:
            section.pop(path[-1], None)
        elif path[-1] == "kind":  # without it nothing is known of the section
            outer: Any = lookup(raw, path[:-2])
            outer[path[-2]] = UNUSABLE
        else:
            section[path[-1]] = UNUSABLE
    try:
        return Site.model_validate(raw)
    except ValidationError:
        return None


def _report(findings: list[Finding], problems: Iterable[Problem], origin: Origin) -> SettingsError:
    ordered = sorted(findings, key=lambda finding: (origin.line(finding.path) or 0, list(map(str, finding.path))))
    everything = [*problems, *dict.fromkeys(problem_of(finding, origin) for finding in ordered)]
    count = "1 problem" if len(everything) == 1 else f"{len(everything)} problems"
    place = str(origin.file) if origin.file else f"stack {origin.stack}" if origin.stack else "the settings"
    return SettingsError(f"{place}: {count} in the site's settings; nothing has been done.", everything)
