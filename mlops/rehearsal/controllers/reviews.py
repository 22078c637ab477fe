"""Answers of webhooks: what matters to the order of writes. cert-manager's checks and defaults are given with its own words."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

Body = Mapping[str, Any]
Review = Callable[[Body], dict[str, Any]]

_ISSUER_TYPES = ("acme", "ca", "selfSigned", "vault", "venafi")


def answer(review: Body, decide: Review) -> dict[str, Any]:
    """The AdmissionReview or ConversionReview that answers another one.

    Args:
        review: AdmissionReview or ConversionReview, of any version, with a request; the API server wants the same back.
        decide: gives the response to the request, without uid.

    Raises:
        KeyError: it has no request.
    """
    request = review["request"]
    response = {"uid": request["uid"], **decide(request)}
    version, kind = review.get("apiVersion", "admission.k8s.io/v1"), review.get("kind", "AdmissionReview")
    return {"apiVersion": version, "kind": kind, "response": response}


def allow(_: Body) -> dict[str, Any]:
    """Let everything pass unchanged."""
    return {"allowed": True}


def convert(request: Body) -> dict[str, Any]:
    """Convert objects between versions whose fields are the same."""
    converted = [{**item, "apiVersion": request["desiredAPIVersion"]} for item in request["objects"]]
    return {"result": {"status": "Success"}, "convertedObjects": converted}


def validate(request: Body) -> dict[str, Any]:
    """Refuse what cert-manager refuses; every problem in one message."""
    item = request.get("object") or {}
    checks = {"Certificate": _certificate, "Issuer": _issuer, "ClusterIssuer": _issuer}
    check = checks.get(request["kind"]["kind"])
    problems = check(item.get("spec") or {}) if check and not request.get("subResource") else []
    if not problems:
        return {"allowed": True}
    message = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
    return {"allowed": False, "status": {"code": 403, "reason": "Forbidden", "message": message}}


def mutate(request: Body) -> dict[str, Any]:
    """Write the requesting user into a CertificateRequest; everything else passes unchanged."""
    if request["kind"]["kind"] != "CertificateRequest" or request.get("operation") != "CREATE":
        return {"allowed": True}
    user = request.get("userInfo") or {}
    patch = [
        {"op": "add", "path": f"/spec/{key}", "value": user[key]} for key in ("username", "uid", "groups", "extra") if user.get(key)
    ]
    return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}


def _certificate(spec: Body) -> list[str]:
    problems = []
    if not spec.get("secretName"):
        problems.append("spec.secretName: Required value: must be specified")
    if not (spec.get("issuerRef") or {}).get("name"):
        problems.append("spec.issuerRef.name: Required value: must be specified")
    subjects = ("commonName", "literalSubject", "dnsNames", "uris", "emailAddresses", "ipAddresses", "otherNames")
    if not any(spec.get(key) for key in subjects):
        problems.append(f"spec: Invalid value: at least one of {', '.join(subjects)} must be set")
    return problems


def _issuer(spec: Body) -> list[str]:
    given = [kind for kind in _ISSUER_TYPES if spec.get(kind) is not None]
    if not given:
        return ["spec: Required value: at least one issuer must be configured"]
    problems = [f"spec.{kind}: Forbidden: may not specify more than one issuer type" for kind in given[1:]]
    if "ca" in given and not spec["ca"].get("secretName"):
        problems.append("spec.ca.secretName: Required value")
    return problems
