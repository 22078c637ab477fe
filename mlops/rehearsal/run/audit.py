"""What the API server's audit log tells of writes: refused ones are the number that this project is measured by."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

_WRITES = {"create", "update", "patch", "delete", "deletecollection"}


@dataclass(frozen=True, slots=True)
class Write:
    """One write request.

    Attributes:
        user: who asked.
        agent: User-Agent.
        verb: e.g. ``create``.
        what: e.g. ``clusterissuers.cert-manager.io site-ca``.
        status: HTTP status of the answer.
        message: the API server's reason, empty where it gave none.
        dry_run: nothing was to be stored.
    """

    user: str
    agent: str
    verb: str
    what: str
    status: int
    message: str
    dry_run: bool

    @property
    def refused(self) -> bool:
        """The API server did not do it."""
        return self.status >= 400


def parse(lines: Iterable[str]) -> Iterable[Write]:
    """Reads the writes from an audit log, one JSON event a line (audit.k8s.io/v1); only completed requests count."""
    for line in lines:
        if not line.strip():
            continue
        event = json.loads(line)
        if event.get("stage") != "ResponseComplete" or event.get("verb") not in _WRITES:
            continue
        target = event.get("objectRef") or {}
        resource = ".".join(filter(None, [target.get("resource", "?"), target.get("apiGroup", "")]))
        if target.get("subresource"):
            resource += f"/{target['subresource']}"
        status = event.get("responseStatus") or {}
        query = parse_qs(urlsplit(event.get("requestURI", "")).query)
        yield Write(
            user=(event.get("impersonatedUser") or event.get("user") or {}).get("username", ""),
            agent=event.get("userAgent", ""),
            verb=event["verb"],
            what=" ".join(filter(None, [resource, "/".join(filter(None, [target.get("namespace"), target.get("name")]))])),
            status=int(status.get("code", 0)),
            message=status.get("message", ""),
            dry_run="dryRun" in query,
        )


@dataclass
class AuditSummary:
    """Writes, told apart.

    Attributes:
        deployer_writes: writes of the deployer that stored something.
        refused: writes of the deployer that were refused: each one is a fault in the order.
        gate_refusals: dry-runs of the deployer that were refused: a gate that still waited, by its question.
        controller_refusals: refused writes of anybody else, conflicts mostly: controllers repeat them, as they are made to.
    """

    deployer_writes: int = 0
    refused: list[Write] = field(default_factory=list)
    gate_refusals: Counter[str] = field(default_factory=Counter)
    controller_refusals: Counter[str] = field(default_factory=Counter)


def summarise(writes: Iterable[Write], *, deployer: str) -> AuditSummary:
    """Tells the deployer's writes from its dry-runs and from what others did.

    Args:
        writes: from :func:`parse`.
        deployer: user name that the engine's Kubernetes provider has at the API server.
    """
    summary = AuditSummary()
    for write in writes:
        if write.user != deployer:
            if write.refused:
                summary.controller_refusals[f"{write.user} {write.status}"] += 1
        elif write.dry_run:
            if write.refused:
                summary.gate_refusals[f"{write.verb} {write.what}"] += 1
        elif write.refused:
            summary.refused.append(write)
        else:
            summary.deployer_writes += 1
    return summary
