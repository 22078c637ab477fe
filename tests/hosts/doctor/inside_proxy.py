"""Runs inside a frame (test_doctor_behind_a_proxy.py starts it): what the proxy does, told by the checks' names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlops.hosts.checks import Finding
from mlops.hosts.examination import Question, examine
from mlops.rehearsal.site.interception import Interception
from mlops.rehearsal.site.site import ThrowAwaySite
from tests.hosts.doctor.inside_doctor import FOLDER

# Found on the machine that runs the tests, which has no engine, and in a root that lives as long as the throw-away site.
ELSEWHERE = {"passphrase", "state-backend", "trust"}
HOSTS = {"node1", "node2", "node3"}


@pytest.fixture
def proxy(inside_site: ThrowAwaySite) -> Iterator[Interception]:
    """The proxy, which is made the usual one again afterwards."""
    assert inside_site.proxy is not None
    yield inside_site.proxy
    inside_site.proxy.set_mode("intercept")
    inside_site.proxy.origins.closed.discard("1.35/stable")


def findings(name: str = "test") -> list[Finding]:
    question = Question(FOLDER / f"Pulumi.{name}.yaml", name, lambda _: None, against_records=False, hosts=())
    return [entry for entry in examine(question, lambda *_: None).findings if entry.check not in ELSEWHERE]


def told(found: list[Finding]) -> set[tuple[str, str]]:
    return {(entry.check, entry.host) for entry in found if entry.severity != "note"}


def of_all(check: str) -> set[tuple[str, str]]:
    return {(check, host) for host in HOSTS}


def test_a_proxy_that_the_site_trusts_is_explained_and_no_fault(proxy: Interception) -> None:
    found = findings()
    assert told(found) == set(), [entry.found for entry in found]
    assert {(entry.check, entry.host) for entry in found} == of_all("tls-interception")
    assert "Example Proxy Root" in found[0].found


def test_a_proxy_that_nobody_knows_is_named_with_its_issuer(proxy: Interception) -> None:
    found = findings("strange")
    assert told(found) == of_all("tls-interception")
    assert "Example Proxy Root" in found[0].found
    assert "trust.extraRoots" in found[0].mend


def test_a_proxy_that_wants_credentials(proxy: Interception) -> None:
    proxy.set_mode("refuse")
    found = findings()
    assert told(found) == of_all("proxy-credentials")
    assert "proxy.username" in found[0].mend


def test_a_proxy_with_a_login_page(proxy: Interception) -> None:
    proxy.set_mode("login-page")
    assert told(findings()) == of_all("proxy-login-page")


def test_a_proxy_that_is_down(proxy: Interception) -> None:
    assert told(findings("wrong")) == of_all("proxy")


def test_a_mirror_without_the_pinned_snap(proxy: Interception) -> None:
    proxy.origins.closed.add("1.35/stable")
    assert told(findings()) == of_all("snap-channel")
