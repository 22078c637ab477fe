"""Stands in for cert-manager's controller: issuers get their condition, Certificates real certificates from a CA issuer.

Left out: renewal, keystores, subjects beyond common name, DNS names and addresses, issuers other than ``ca`` and ``selfSigned``.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
from dataclasses import dataclass
from functools import partial

from cryptography import x509

from mlops.rehearsal.controllers.client import Api, Body, each
from mlops.rehearsal.controllers.signing import DEFAULT_LIFE, Authority, UnusableAuthorityError, new_key

_ROOT = "/apis/cert-manager.io/v1"
# The flag --cluster-resource-namespace of the Deployment says its own namespace.
_CLUSTER_RESOURCES = "cert-manager"
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_ISSUER_NAME = "cert-manager.io/issuer-name"


@dataclass(frozen=True, slots=True)
class _Ready:
    status: bool
    reason: str
    message: str


def act(api: Api) -> None:
    """One look at all issuers, then at all Certificates."""
    for plural in ("clusterissuers", "issuers"):
        each(api.items(f"{_ROOT}/{plural}"), partial(_issuer, api, plural))
    each(api.items(f"{_ROOT}/certificates"), partial(_certificate, api))


def _issuer(api: Api, plural: str, issuer: Body) -> None:
    _report(api, _path(issuer, plural), issuer, _issuer_ready(api, issuer), {})


def _issuer_ready(api: Api, issuer: Body) -> _Ready:
    spec = issuer.get("spec") or {}
    if "selfSigned" in spec:
        return _Ready(status=True, reason="IsReady", message="")
    if "ca" not in spec:
        return _Ready(status=False, reason="NotPlayed", message="this stand-in plays issuers of type ca and selfSigned only")
    secret = _authority_secret(api, issuer)
    if secret is None:
        text = f'Error getting keypair for CA issuer: secrets "{spec["ca"]["secretName"]}" not found'
        return _Ready(status=False, reason="ErrGetKeyPair", message=text)
    try:
        Authority.from_secret(secret)
    except UnusableAuthorityError as error:
        not_an_authority = "not a CA" in str(error)
        reason = "ErrInvalidKeyPair" if not_an_authority else "ErrGetKeyPair"
        return _Ready(status=False, reason=reason, message=f"Error getting keypair for CA issuer: {error}")
    return _Ready(status=True, reason="KeyPairVerified", message="Signing CA verified")


def _authority_secret(api: Api, issuer: Body) -> Body | None:
    namespace = issuer["metadata"].get("namespace") or _CLUSTER_RESOURCES
    return api.get(f"/api/v1/namespaces/{namespace}/secrets/{issuer['spec']['ca']['secretName']}")


def _certificate(api: Api, certificate: Body) -> None:
    spec, metadata = certificate["spec"], certificate["metadata"]
    reference = spec["issuerRef"]
    kind = reference.get("kind") or "Issuer"
    where = "clusterissuers" if kind == "ClusterIssuer" else f"namespaces/{metadata['namespace']}/issuers"
    issuer = api.get(f"{_ROOT}/{where}/{reference['name']}")
    path = _path(certificate, "certificates")
    if issuer is None or not _issuer_ready(api, issuer).status:
        text = f"Issuing certificate as Secret does not exist; {kind} {reference['name']} is not ready"
        _report(api, path, certificate, _Ready(status=False, reason="DoesNotExist", message=text), {})
        return
    secret_path = f"/api/v1/namespaces/{metadata['namespace']}/secrets"
    secret = api.get(f"{secret_path}/{spec['secretName']}")
    authority = _authority_of(api, issuer)
    leaf = _usable(secret, spec, authority)
    if leaf is None:
        leaf = _issue(api, certificate, authority, secret_path, exists=secret is not None)
    ready = _Ready(status=True, reason="Ready", message="Certificate is up to date and has not expired")
    after = leaf.not_valid_after_utc
    dates = {"notBefore": _time(leaf.not_valid_before_utc), "notAfter": _time(after), "renewalTime": _time(after - _life(spec) / 3)}
    _report(api, path, certificate, ready, {**dates, "revision": 1})


def _authority_of(api: Api, issuer: Body) -> Authority | None:
    """The CA of an issuer, None for one that lets certificates sign themselves."""
    secret = _authority_secret(api, issuer) if "ca" in issuer["spec"] else None
    return Authority.from_secret(secret) if secret else None


def _usable(secret: Body | None, spec: Body, authority: Authority | None) -> x509.Certificate | None:
    """The certificate in the Secret, if it is what is asked for; None when one has to be issued."""
    try:
        data = (secret or {}).get("data") or {}
        leaf = x509.load_pem_x509_certificates(base64.b64decode(data["tls.crt"]))[0]
    except (KeyError, ValueError):
        return None
    annotations = (secret or {})["metadata"].get("annotations") or {}
    as_asked = annotations.get(_ISSUER_NAME) == spec["issuerRef"]["name"] and _names_in(leaf) == set(_names(spec))
    return leaf if as_asked and (authority is None or authority.signed(leaf)) else None


def _issue(api: Api, certificate: Body, authority: Authority | None, secrets: str, *, exists: bool) -> x509.Certificate:
    spec, metadata = certificate["spec"], certificate["metadata"]
    wanted = spec.get("privateKey") or {}
    key = new_key(wanted.get("algorithm") or "RSA", wanted.get("size"))
    signer = authority or Authority.new(spec.get("commonName") or "", key)
    issued = signer.issue(
        common_name=spec.get("commonName") or "",
        names=_names(spec),
        life=_life(spec),
        authority=bool(spec.get("isCA")),
        key=key,
        pkcs8=wanted.get("encoding") == "PKCS8",
    )
    root = issued.root if authority else issued.chain
    template = spec.get("secretTemplate") or {}
    annotations = {
        **(template.get("annotations") or {}),
        "cert-manager.io/certificate-name": metadata["name"],
        "cert-manager.io/common-name": spec.get("commonName") or "",
        "cert-manager.io/alt-names": ",".join(spec.get("dnsNames") or ()),
        _ISSUER_NAME: spec["issuerRef"]["name"],
        "cert-manager.io/issuer-kind": spec["issuerRef"].get("kind") or "Issuer",
    }
    labels = {**(template.get("labels") or {}), "controller.cert-manager.io/fao": "true"}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": spec["secretName"], "annotations": annotations, "labels": labels},
        "stringData": {"tls.crt": issued.chain, "tls.key": issued.key, "ca.crt": root},
    }
    if exists:
        api.merge(f"{secrets}/{spec['secretName']}", {key: value for key, value in body.items() if key != "type"})
    else:
        api.create(secrets, body)
    return issued.leaf


def _names(spec: Body) -> list[str]:
    return [*(spec.get("dnsNames") or ()), *(spec.get("ipAddresses") or ())]


def _names_in(leaf: x509.Certificate) -> set[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def _life(spec: Body) -> dt.timedelta:
    match = _DURATION.fullmatch(spec.get("duration") or "")
    if not match or not any(match.groups()):
        return DEFAULT_LIFE
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return dt.timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _report(api: Api, path: str, item: Body, ready: _Ready, status: Body) -> None:
    """Write the condition Ready, if it says something new."""
    generation = item["metadata"].get("generation", 0)
    now = _time(dt.datetime.now(dt.UTC))
    new: Body = {
        "type": "Ready",
        "status": "True" if ready.status else "False",
        "reason": ready.reason,
        "message": ready.message,
        "observedGeneration": generation,
    }
    conditions = (item.get("status") or {}).get("conditions") or []
    old: Body = next((c for c in conditions if c["type"] == "Ready"), {})
    if {**old, "lastTransitionTime": ""} == {**new, "lastTransitionTime": ""}:
        return
    new["lastTransitionTime"] = old.get("lastTransitionTime", now) if old.get("status") == new["status"] else now
    others = [c for c in conditions if c["type"] != "Ready"]
    api.merge(f"{path}/status", {"status": {**status, "conditions": [*others, new]}})


def _path(item: Body, plural: str) -> str:
    namespace = item["metadata"].get("namespace")
    where = f"{_ROOT}/namespaces/{namespace}/{plural}" if namespace else f"{_ROOT}/{plural}"
    return f"{where}/{item['metadata']['name']}"


def _time(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
