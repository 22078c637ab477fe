"""Checks of certificates, and of secrets where they are known: keys fit, kubeconfigs can be read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from urllib.parse import urlsplit

from mlops.settings.checks import Check
from mlops.settings.cluster import ExistingCluster, MicroK8sCluster
from mlops.settings.kubeconfig import server_of
from mlops.settings.report import Finding
from mlops.settings.secret import MASK, Secret
from mlops.settings.section import RefusedError, usable
from mlops.settings.site import Site
from mlops.settings.stackfile import KeyPath
from mlops.settings.trust import CorporateAuthority

# `certificates` is imported where it is needed: cryptography takes 0.1 s, and most sites hold neither certificate nor clear secret.


def credential_checks(now: datetime) -> tuple[Check, ...]:
    """The checks, for a moment in time."""

    def roots(site: Site) -> Iterator[Finding]:
        return _extra_roots(site, now)

    def authority(site: Site) -> Iterator[Finding]:
        return _authority(site, now)

    def servers(site: Site) -> Iterator[Finding]:
        return _server_authorities(site, now)

    return roots, authority, servers, _authority_key, _ssh_keys, _kubeconfig


def _extra_roots(site: Site, now: datetime) -> Iterator[Finding]:
    if not site.trust.extra_roots:
        return
    from mlops.settings import certificates  # noqa: PLC0415  (see above)

    for index, pem in enumerate(site.trust.extra_roots):
        path: KeyPath = ("trust", "extraRoots", index)
        root = certificates.load(pem)[1][0]
        if pem in site.trust.extra_roots[:index]:
            yield Finding(path, certificates.title(root), "each root once")
        for found, allowed in certificates.faults(root, now):
            yield Finding(path, found, allowed)
        if not certificates.is_root(root):
            found = f"{certificates.title(root)}, issued by {root.issuer.rfc4514_string()}"
            yield Finding(path, found, "a self-signed root: OpenSSL trusts no other", "take the certificate of that issuer's root")


def _server_authorities(site: Site, now: datetime) -> Iterator[Finding]:
    """What the certificates of the site's own servers are checked against."""
    given: list[tuple[KeyPath, str | None]] = []
    if isinstance(site.cluster, MicroK8sCluster) and usable(site.cluster.authentication) and site.cluster.authentication:
        given.append((("cluster", "authentication", "certificateAuthority"), site.cluster.authentication.certificate_authority))
    for index, registry in enumerate(site.registries) if usable(site.registries) else ():
        for place, mirror in enumerate(registry.mirrors) if usable(registry.mirrors) else ():
            given.append((("registries", index, "mirrors", place, "certificateAuthority"), mirror.certificate_authority))
    for path, pem in given:
        if not usable(pem) or pem is None:
            continue
        from mlops.settings import certificates  # noqa: PLC0415  (see above)

        for certificate in certificates.load(pem)[1]:
            for found, allowed in certificates.faults(certificate, now):
                yield Finding(path, found, allowed)


def _authority(site: Site, now: datetime) -> Iterator[Finding]:
    authority = site.trust.authority
    if not isinstance(authority, CorporateAuthority):
        return
    from mlops.settings import certificates  # noqa: PLC0415  (see above)

    path: KeyPath = ("trust", "authority")
    own = certificates.load(authority.certificate)[1] if usable(authority.certificate) else ()
    upper = certificates.load(authority.chain)[1] if usable(authority.chain) else ()
    for certificate in own:
        for found, allowed in certificates.faults(certificate, now):
            yield Finding((*path, "certificate"), found, allowed)
        domain = site.domain if usable(site.domain) else ""
        if domain and (excluded := certificates.excludes(certificate, domain)):
            found = f"{certificates.title(certificate)}, which {excluded}"
            yield Finding((*path, "certificate"), found, f"an intermediate that may sign for {domain}")
    for certificate in upper:
        for found, allowed in certificates.faults(certificate, now):
            yield Finding((*path, "chain"), found, allowed)
    if own and upper and (fault := certificates.chain_fault((*own, *upper))):
        allowed = "the certificate's issuer first, then each one's issuer, the self-signed root last"
        yield Finding((*path, "chain"), fault, allowed)


def _authority_key(site: Site) -> Iterator[Finding]:
    authority = site.trust.authority
    if not isinstance(authority, CorporateAuthority) or not usable(authority.key) or not authority.key.given:
        return
    from mlops.settings import certificates  # noqa: PLC0415  (see above)

    path: KeyPath = ("trust", "authority", "key")
    try:
        key = certificates.private_key(authority.key.reveal())
    except RefusedError as refused:
        yield Finding(path, MASK, refused.allowed, authority.key.command)
        return
    if not certificates.matches(key, certificates.load(authority.certificate)[1][0]):
        allowed = "the private key that belongs to trust.authority.certificate"
        yield Finding(path, f"{MASK}, the key of another certificate", allowed, authority.key.command)


def _ssh_keys(site: Site) -> Iterator[Finding]:
    if site.hosts is None:
        return
    access = site.hosts.access
    keys: list[tuple[KeyPath, Secret | None]] = [(("hosts", "access", "key"), access.key)]
    if usable(access.bastion) and access.bastion is not None:
        keys.append((("hosts", "access", "bastion", "key"), access.bastion.key))
    for path, key in keys:
        if not usable(key) or key is None or not key.given:
            continue
        from mlops.settings import certificates  # noqa: PLC0415  (see above)

        try:
            certificates.private_key(key.reveal())
        except RefusedError as refused:
            yield Finding(path, MASK, refused.allowed, key.command)


def _kubeconfig(site: Site) -> Iterator[Finding]:
    cluster = site.cluster
    if not isinstance(cluster, ExistingCluster) or not usable(cluster.kubeconfig) or not cluster.kubeconfig.given:
        return
    try:
        server = server_of(cluster.kubeconfig.reveal(), cluster.context if usable(cluster.context) else None)
    except RefusedError as refused:
        yield Finding(("cluster", "kubeconfig"), MASK, refused.allowed, cluster.kubeconfig.command)
        return
    host = urlsplit(server).hostname or ""
    if site.proxy is not None and not _spared(host, site.no_proxy):
        allowed = f"{host}, the cluster's API server, which the proxy must not serve"
        yield Finding(("proxy", "noProxy"), f"no entry for {host}", allowed, f"add `- {host}`")


def _spared(host: str, entries: tuple[str, ...]) -> bool:
    """Whether an entry of NO_PROXY covers a host."""
    try:
        address = IPv4Address(host)
    except ValueError:
        return any(host == entry or (entry.startswith(".") and host.endswith(entry)) for entry in entries)
    return any(address in IPv4Network(entry) for entry in entries if entry[0].isdigit() and not entry.endswith("."))
