"""The shipped site behind a proxy that opens TLS, rehearsed: every download of its hosts goes through it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlops.errors import UserError
from mlops.rehearsal.run import outside
from mlops.rehearsal.site import interception
from tests.rehearsal.command import Rehearsal

ROOT = Path(__file__).parents[2]


@pytest.mark.engine
@pytest.mark.site
def test_the_corporate_site_goes_in_through_its_proxy(program: Path, rehearsal_cache: Path, tmp_path: Path) -> None:
    problems = list(interception.find_problems((), credentials=False))
    if problems:
        pytest.skip("; ".join(f"{problem.found}: {problem.mend}" for problem in problems))
    rehearsal = Rehearsal("corporate", checkout=program, cache=rehearsal_cache, log=tmp_path / "log")
    try:
        code = rehearsal.end(600)
    finally:
        rehearsal.stop()
    text = rehearsal.text
    assert code == 0, text
    assert "trust.extraRoots[0]" in text.partition("\nhosts: ")[0]
    requests, hosts, passed_on = re.findall(r"^proxy: (\d+) requests of (\d+) hosts, (\d+) passed on", text, re.MULTILINE)[0]
    assert hosts == "4", text
    # each host: snapd, core22 and MicroK8s by a question and a file each, and what is tried of every configuration
    assert int(requests) > int(passed_on) >= 4 * 10
    verdict = "passed: nothing refused, nothing changed by the second up, nothing left by destroy"
    assert text.rstrip().endswith(verdict), text


def test_without_squid_it_says_what_to_install_before_any_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def too_early(*_: object, **__: object) -> None:
        pytest.fail("a program was looked for before the machine was checked")

    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setattr(interception, "search_path", lambda: str(tmp_path))
    monkeypatch.setattr(outside, "resolve", too_early)
    with pytest.raises(UserError) as refused:
        outside.rehearse("corporate", checkout=ROOT, keep=False, delay_scale=0)
    assert "squid is not installed" in str(refused.value)
    assert "apt-get install squid-openssl" in str(refused.value)
