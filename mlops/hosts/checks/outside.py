"""Checks of the way out: the proxy, the places that a host gets something from, and who signs for them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlops.hosts.checks.check import Fault, Severity, Subject, of_host
from mlops.hosts.expectations import STORE
from mlops.hosts.origins import OriginAnswer

_REDIRECTS = {"301", "302", "303", "307", "308"}
_VERIFIED = "0 (ok)"
# These never answer with a web page, whatever is asked: who gets one there talks to somebody else.
_NO_PAGES = (STORE, "registry-1.docker.io")


def _by_proxy(subject: Subject) -> list[OriginAnswer]:
    return [entry for entry in subject.facts.asked if entry.by_proxy]


def _is_down(entry: OriginAnswer) -> bool:
    return entry.by_proxy and entry.connection.startswith("failed")


def _is_login_page(entry: OriginAnswer) -> bool:
    if entry.by_proxy and not entry.origin.endswith(":80"):
        page = "content-type: text/html" in entry.connection.lower() and entry.status[:1] not in {"4", "5"}
        if entry.status in _REDIRECTS or page or entry.status == "511":
            return True
    if not entry.origin.startswith(_NO_PAGES):
        return False
    status = next((line.split()[1] for line in entry.answer if line.upper().startswith("HTTP/") and len(line.split()) > 1), "")
    return status in _REDIRECTS or (
        status[:1] == "2" and any(line.lower().startswith("content-type: text/html") for line in entry.answer)
    )


@of_host("proxy", "error", "a proxy that takes connections", "correct proxy.http and proxy.https, or open the way to it")
def proxy(subject: Subject) -> Iterator[Fault]:
    """Nobody listens there, or its name is unknown to this host."""
    down = [entry for entry in _by_proxy(subject) if _is_down(entry)]
    if down:
        yield Fault(f"{subject.wanted.proxy}: {down[0].connection.removeprefix('failed: ')}")


@of_host("proxy-credentials", "error", "a user and a password that the proxy accepts", "")
def proxy_credentials(subject: Subject) -> Iterator[Fault]:
    """407 Proxy Authentication Required."""
    refused = [entry for entry in _by_proxy(subject) if entry.status == "407"]
    if refused:
        realm = re.search(r"proxy-authenticate: ([^|]*)", refused[0].connection, re.IGNORECASE)
        way = f" ({realm[1].strip()})" if realm else ""
        has, site = subject.wanted.proxy_user, subject.wanted.site
        command = f"pulumi config set --secret --path 'onprem-mlops:proxy.password' -s {site}"
        yield Fault(
            f"{subject.wanted.proxy} answers 407{way} to {f'user {has}' if has else 'a request without a user'}",
            mend=f"correct proxy.username and its password: {command}"
            if has
            else f"set proxy.username, and its password: {command}",
        )


@of_host(
    "proxy-login-page",
    "error",
    "a proxy that lets programs through",
    "have the hosts exempted from the proxy's login page, or name a proxy in the settings that has none",
)
def proxy_login_page(subject: Subject) -> Iterator[Fault]:
    """A page for people in place of what was asked for."""
    pages = [entry for entry in subject.facts.asked if _is_login_page(entry)]
    if pages:
        first = pages[0]
        where = re.search(r"location: ([^|]*)", " | ".join((first.connection, *first.answer)), re.IGNORECASE)
        target = f", a redirect to {where[1].strip()}" if where else ""
        yield Fault(f"a web page in place of {', '.join(entry.origin for entry in pages)}{target}")


@of_host(
    "origins",
    "error",
    "an answer from each place that snaps and images come from",
    "have these names allowed at the proxy or the firewall, or name mirrors: registries, cluster.offline",
)
def origins(subject: Subject) -> Iterator[Fault]:
    """Without a proxy it is a warning: a network may open later, and what fails then says so."""
    told = {entry.origin for entry in subject.facts.asked}
    silent = [f"{name}:{port}" for name, port, _ in subject.wanted.origins if f"{name}:{port}" not in told]
    faults = [f"{name}: no answer in time" for name in silent]
    for entry in subject.facts.asked:
        if entry.by_proxy and (entry.status == "407" or _is_down(entry) or _is_login_page(entry)):
            continue
        if entry.by_proxy and (not entry.status or (entry.status[0] in "45" and not entry.origin.endswith(":80"))):
            faults.append(f"{entry.origin}: the proxy answers {entry.connection.partition(' | ')[0] or 'nothing'!r}")
        elif entry.by_proxy and entry.status in {"403", "502", "503", "504"}:
            faults.append(f"{entry.origin}: the proxy answers {entry.connection.partition(' | ')[0]!r}")
        elif not entry.by_proxy and entry.connection != "open":
            faults.append(f"{entry.origin}: {entry.connection.removeprefix('failed: ')}")
    if faults:
        severity: Severity = "error" if subject.wanted.proxy else "warning"
        yield Fault("; ".join(faults), severity=severity)


@of_host(
    "tls-interception",
    "error",
    "certificates signed by an authority that the host or trust.extraRoots knows",
    "",
)
def tls_interception(subject: Subject) -> Iterator[Fault]:
    """A proxy that opens TLS signs with an authority of its own: fine when the site trusts it, and told."""
    strange: dict[str, list[str]] = {}
    opened: dict[str, list[str]] = {}
    roots = {_common_name(name) for name in subject.wanted.extra_roots}
    for entry in subject.facts.asked:
        if entry.certificate and entry.verified and entry.verified != _VERIFIED:
            strange.setdefault(f"{entry.certificate} (OpenSSL: {entry.verified})", []).append(entry.origin)
        elif entry.certificate and _common_name(entry.certificate) in roots:
            opened.setdefault(entry.certificate, []).append(entry.origin)
    for issuer, names in strange.items():
        yield Fault(
            f"{', '.join(names)}: signed by {issuer}",
            mend="if the proxy opens TLS, put its root into trust.extraRoots (a self-signed CA certificate, PEM); "
            "if not, somebody else sits in between",
        )
    for issuer, names in opened.items():
        yield Fault(
            f"TLS to {', '.join(names)} is opened by {issuer}, which trust.extraRoots trusts", mend="nothing", severity="note"
        )


def _common_name(subject: str) -> str:
    """CN of a subject, in the words of OpenSSL or of RFC 4514."""
    found = re.search(r"(?:^|[,/+]\s*)CN\s*=\s*([^,/+]+)", subject)
    return found[1].strip() if found else subject


@of_host(
    "snap-channel",
    "error",
    "cluster.channel among those that the snap store has",
    "choose one of them, or have the store's proxy or mirror fetch this one",
)
def snap_channel(subject: Subject) -> Iterator[Fault]:
    """A store or its mirror without the pinned channel."""
    for entry in subject.facts.asked:
        if entry.origin.startswith(STORE) and entry.channels and subject.wanted.channel not in entry.channels:
            yield Fault(
                f"channels {', '.join(sorted(set(entry.channels))[-8:])}", f"{subject.wanted.channel}, as cluster.channel says"
            )


CHECKS = (proxy, proxy_credentials, proxy_login_page, origins, tls_interception, snap_channel)
