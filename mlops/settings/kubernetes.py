"""Types of Kubernetes' own words: labels, taints, arguments of its programs, claims of its tokens."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from mlops.settings.patterns import LABEL, matching, text_schema
from mlops.settings.section import Hint, RefusedError

# Kubernetes documentation, "Labels and Selectors", syntax and character set
_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_QUALIFIED = rf"({LABEL}(\.{LABEL})*/)?{_NAME}"

RESERVED_DOMAINS = ("kubernetes.io", "k8s.io", "microk8s.io")
"""Domains of labels that Kubernetes, the kubelet and MicroK8s set themselves, those below them included."""

FREE_LABELS = (
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "node.kubernetes.io/exclude-from-external-load-balancers",
)
"""Labels of those domains that Kubernetes leaves to the administrator where no cloud sets them."""


def _qualified(value: str) -> str:
    prefix, slash, _ = value.rpartition("/")
    if not re.fullmatch(_QUALIFIED, value) or (slash and len(prefix) > 253):
        raise RefusedError
    return prefix


def _label_key(value: str) -> str:
    prefix = _qualified(value)
    if prefix == "node-role.kubernetes.io":
        raise RefusedError("a label that Kubernetes and MicroK8s do not set themselves", "say what the host does in `roles`")
    if value not in FREE_LABELS and any(f".{prefix}".endswith(f".{domain}") for domain in RESERVED_DOMAINS):
        raise RefusedError(
            f"a label outside {', '.join(RESERVED_DOMAINS)}, which are set by Kubernetes and MicroK8s themselves; "
            f"besides {', '.join(FREE_LABELS)}",
            "take a domain of your own, e.g. example.org/rack",
        )
    return value


def _taint_key(value: str) -> str:
    prefix = _qualified(value)
    if prefix.endswith("node.kubernetes.io") or prefix == "node.cloudprovider.kubernetes.io":
        raise RefusedError(
            "a taint that Kubernetes does not set and remove by itself", "take a key of your own, e.g. example.org/gpu"
        )
    return value


LabelKey = Annotated[
    str,
    AfterValidator(_label_key),
    text_schema(_QUALIFIED, "example.org/rack"),
    Hint("a label's key: letters, digits, inner - _ . , at most 63 characters, after DOMAIN/ if wanted; e.g. example.org/rack"),
]
LabelValue = Annotated[
    str,
    matching(rf"({_NAME})?"),
    text_schema(rf"({_NAME})?", "a1"),
    Hint("a label's value: letters, digits, inner - _ . , at most 63 characters"),
]
TaintKey = Annotated[
    str,
    AfterValidator(_taint_key),
    text_schema(_QUALIFIED, "nvidia.com/gpu"),
    Hint("a taint's key: letters, digits, inner - _ . , at most 63 characters, after DOMAIN/ if wanted; e.g. nvidia.com/gpu"),
]


def _argument(value: str) -> str:
    if re.fullmatch(r"-?[a-z][a-z0-9-]*", value):
        raise RefusedError(_ARGUMENT_WORDS, mend=f"write --{value.lstrip('-')}")
    name, equals, _ = value.partition("=")
    if equals:
        raise RefusedError(_ARGUMENT_WORDS, mend=f"write the value behind a colon: `{name}: VALUE`")
    if not re.fullmatch(_ARGUMENT, value):
        raise RefusedError(_ARGUMENT_WORDS)
    return value


_ARGUMENT_WORDS = "an argument of the program, e.g. --max-pods"
_ARGUMENT = r"--[a-z][a-z0-9-]*"
# kubelite splits each line of an argument file at spaces and drops quotes (canonical/microk8s, ReadArgsFromFile).
_VALUE = r"[^\s\"']*"
ArgumentName = Annotated[str, AfterValidator(_argument), text_schema(_ARGUMENT, "--max-pods"), Hint(_ARGUMENT_WORDS)]
ArgumentValue = Annotated[
    str,
    matching(_VALUE),
    text_schema(_VALUE, "250"),
    Hint("the argument's value: text without spaces and quotes"),
]


def _prefix(value: str) -> str:
    if value.startswith("system:"):
        raise RefusedError("a prefix of one's own: names with system: are Kubernetes' own, cluster administrators among them")
    if not re.fullmatch(_PREFIX, value):
        raise RefusedError
    return value


_PREFIX = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,61}"
_CLAIM = r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,252}"
# Without a prefix a token could name any user or group, system:masters among them.
ClaimPrefix = Annotated[
    str,
    AfterValidator(_prefix),
    text_schema(_PREFIX, "oidc:"),
    Hint("what is put before each name, not empty, e.g. oidc:"),
]
Claim = Annotated[str, matching(_CLAIM), text_schema(_CLAIM, "email"), Hint("name of a claim in the tokens, e.g. email")]
