"""Files that the API server of each control plane reads, and the arguments that name them.

Sources: kubernetes.io, "Auditing", "Encrypting Confidential Data at Rest" and "Authenticating" (structured authentication
configuration, stable in 1.34); flags of kube-apiserver 1.35.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from mlops.settings import Audit, Authentication

ARGUMENTS_FOLDER = "/var/snap/microk8s/current/args"
AUDIT_POLICY = "audit-policy.yaml"
ENCRYPTION = "encryption.yaml"
AUTHENTICATION = "authentication.yaml"
# kubelite puts the snap's own variables in (canonical/microk8s patch Kubelite-integration, ReadArgsFromFile)
_FOLDER = "${SNAP_DATA}/args"
_AUDIT_LOG = "${SNAP_COMMON}/var/log/kube-apiserver/audit.log"
_STABLE_AUTHENTICATION = (1, 34)
KEY_BYTES = 32
"""Length of a key of the provider secretbox."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """What the settings ask of an API server.

    Attributes:
        arguments: argument to value.
        restarting: name of a file in the folder of arguments to its text; read when the API server starts.
        reloaded: the same; read again by the API server when it changes.
    """

    arguments: Mapping[str, str] = field(default_factory=dict)
    restarting: Mapping[str, str] = field(default_factory=dict)
    reloaded: Mapping[str, str] = field(default_factory=dict)


def api_server(
    *,
    audit: Audit,
    authentication: Authentication | None,
    trusted: str,
    encryption_keys: Mapping[int, str],
    minor: tuple[int, int],
) -> ApiServer:
    """The API server's files and the arguments that name them.

    Args:
        audit: what is written of requests.
        authentication: OpenID Connect; None for none.
        trusted: certificates that the issuer's is checked against when the settings name none, PEM.
        encryption_keys: see :func:`encryption_configuration`.
        minor: minor version of Kubernetes, e.g. ``(1, 35)``.
    """
    arguments = {"--encryption-provider-config": f"{_FOLDER}/{ENCRYPTION}"}
    restarting = {ENCRYPTION: encryption_configuration(encryption_keys)}
    reloaded = {}
    if audit.level != "None":
        restarting[AUDIT_POLICY] = audit_policy(audit.level)
        arguments |= {
            "--audit-policy-file": f"{_FOLDER}/{AUDIT_POLICY}",
            "--audit-log-path": _AUDIT_LOG,
            "--audit-log-maxage": str(audit.max_age_days),
            "--audit-log-maxbackup": str(audit.max_backups),
            "--audit-log-maxsize": str(audit.max_size_megabytes),
        }
    if authentication is not None:
        reloaded[AUTHENTICATION] = authentication_configuration(authentication, trusted, minor)
        arguments["--authentication-config"] = f"{_FOLDER}/{AUTHENTICATION}"
    return ApiServer(arguments, restarting, reloaded)


def audit_policy(level: str) -> str:
    """The audit policy: who did what to which object; bodies only at level ``Request``, and never of what holds secrets."""
    rules: list[dict[str, object]] = [
        # hundreds of requests a minute by which nothing changes
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi*"]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "None", "resources": [{"group": group, "resources": ["events"]} for group in ("", "events.k8s.io")]},
    ]
    if level != "Metadata":
        secret = {"group": "", "resources": ["secrets", "configmaps", "serviceaccounts/token"]}
        reviews = {"group": "authentication.k8s.io", "resources": ["tokenreviews"]}
        rules.append({"level": "Metadata", "resources": [secret, reviews]})
        rules.append({"level": level, "verbs": ["create", "update", "patch", "delete", "deletecollection"]})
    rules.append({"level": "Metadata"})
    return _text({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules})


def encryption_configuration(keys: Mapping[int, str]) -> str:
    """How Secrets are stored: written with the present key, read with every key there has been, and with the next one.

    The next one is there because control planes change one after the other: those that have not changed yet must read what those
    that have write already. Old ones stay, since a Secret that nobody has written since is stored with them.

    Args:
        keys: epoch to key, base64 of :data:`KEY_BYTES` bytes; from 1 to the one after the present epoch, none left out.

    Raises:
        ValueError: a key is missing.
    """
    following = max(keys, default=0)
    if following < 2 or set(keys) != set(range(1, following + 1)):
        message = f"keys of epochs {sorted(keys)}"
        raise ValueError(message)
    order = [following - 1, following, *range(following - 2, 0, -1)]
    secretbox = {"keys": [{"name": key_name(number), "secret": keys[number]} for number in order]}
    # identity: what a cluster had stored before it had a key
    resource = {"resources": ["secrets"], "providers": [{"secretbox": secretbox}, {"identity": {}}]}
    return _text({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration", "resources": [resource]})


def key_name(epoch: int) -> str:
    """Name of a key, which stands in front of each Secret that is stored with it."""
    return f"epoch-{epoch}"


def authentication_configuration(settings: Authentication, trusted: str, minor: tuple[int, int]) -> str:
    """Who may log in by tokens of an issuer, and what such a user is called.

    Args:
        settings: the issuer.
        trusted: certificates for its TLS when the settings name none, PEM.
        minor: minor version of Kubernetes.
    """
    issuer: dict[str, object] = {
        "url": settings.issuer_url,
        "audiences": list(settings.audiences),
        "certificateAuthority": settings.certificate_authority or trusted,
    }
    if len(settings.audiences) > 1:
        issuer["audienceMatchPolicy"] = "MatchAny"  # required then, and forbidden to be another
    mappings = {
        "username": {"claim": settings.username_claim, "prefix": settings.username_prefix},
        "groups": {"claim": settings.groups_claim, "prefix": settings.groups_prefix},
    }
    version = "v1" if minor >= _STABLE_AUTHENTICATION else "v1beta1"
    return _text(
        {
            "apiVersion": f"apiserver.config.k8s.io/{version}",
            "kind": "AuthenticationConfiguration",
            "jwt": [{"issuer": issuer, "claimMappings": mappings}],
        }
    )


def _text(document: Mapping[str, object]) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=1000)
