"""Reads the API server's replies: does a dry-run prove that the webhooks answer, and if not, would asking again help?

The order of admission matters (kubernetes, pkg/kubeapiserver/options/plugins.go): NamespaceLifecycle, ServiceAccount, Priority and
others come before the mutating webhooks, so a refusal of theirs proves nothing. Then the object is validated, then PodSecurity
and the validating webhooks are asked, last ResourceQuota; what the storage says comes after all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from components.gates.api import NOT_REACHED, Reply

_CALL_FAILED = re.compile(r"failed calling webhook|failed to call webhook")
_CALLS = (
    ("x509", re.compile(r"x509|certificate signed by unknown authority|tls: ")),
    ("no service", re.compile(r'service "[^"]+" not found')),
    ("no endpoint", re.compile(r"no endpoints available")),
    ("refused", re.compile(r"connection refused|connection reset|EOF|no route to host")),
    ("no answer", re.compile(r"deadline exceeded|timeout|timed out")),
    ("failed", re.compile("")),
)
_DENIED = re.compile("denied the request")
_POD_SECURITY = re.compile("violates PodSecurity")
# What other admission plugins want first; it may still come.
_EARLIER = (
    ("no service account", re.compile(r"error looking up service account|no API token found for service account")),
    ("no priority class", re.compile(r"no PriorityClass with name")),
    ("no runtime class", re.compile(r"pod rejected: RuntimeClass")),
    ("namespace ends", re.compile(r"because it is being terminated")),
    ("no namespace", re.compile(r'namespaces "[^"]+" not found')),
)
_LATER = {429, 500, 502, 503, 504}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one question told.

    Attributes:
        passed: what was asked for holds.
        final: asking again would not help: the object itself is refused.
        cause: class of the cause, e.g. ``no endpoint`` or ``denied``; empty when passed.
        text: what the API server said.
    """

    passed: bool
    final: bool = False
    cause: str = ""
    text: str = ""


PASSED = Answer(passed=True)


def judge(reply: Reply) -> Answer:
    """Reads the reply to a dry-run."""
    # what the storage and the quota say comes after all webhooks
    if reply.ok or reply.reason == "AlreadyExists" or "exceeded quota" in reply.message:
        return PASSED
    cause, final = _class_of(reply)
    return Answer(passed=False, final=final, cause=cause, text=reply.message)


def _class_of(reply: Reply) -> tuple[str, bool]:
    """Class of a refusal, and whether it would be the same the next time."""
    message = reply.message
    if reply.reason == NOT_REACHED:
        return "API server not reached", False
    if _CALL_FAILED.search(message):
        return next(cause for cause, pattern in _CALLS if pattern.search(message)), False
    if _DENIED.search(message):
        # a status of 500 and above is the webhook's own trouble, not its verdict
        return "denied", reply.status < 500
    earlier = next((cause for cause, pattern in _EARLIER if pattern.search(message)), None)
    if earlier or reply.status == 404:
        return earlier or "no CRD", False
    if _POD_SECURITY.search(message):
        return "PodSecurity", True
    # Too many requests and server errors may pass; anything else is about the object or the rights of the one who asks.
    return reply.reason or str(reply.status), reply.status not in _LATER
