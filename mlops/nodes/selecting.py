"""Whether labels fit a selector: those of a volume's node affinity and of a disruption budget."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any


def fits(labels: Mapping[str, str], requirements: Iterable[Mapping[str, Any]]) -> bool:
    """Whether labels fulfil all requirements, each ``{key, operator, values}`` (Kubernetes documentation, "Labels and Selectors").

    Raises:
        ValueError: an operator that Kubernetes does not have.
    """
    return all(_fulfils(labels.get(one["key"]), one["operator"], one.get("values") or ()) for one in requirements)


def _fulfils(value: str | None, operator: str, values: Collection[str]) -> bool:
    if operator in {"Exists", "DoesNotExist"}:
        return (value is not None) is (operator == "Exists")
    if operator in {"In", "NotIn"}:
        # a key that is not there is in no set
        return (value in values) is (operator == "In")
    if operator in {"Gt", "Lt"}:
        (limit,) = values
        if value is None or not value.lstrip("-").isdigit():
            return False
        return int(value) > int(limit) if operator == "Gt" else int(value) < int(limit)
    message = f"no operator of a selector: {operator}"
    raise ValueError(message)


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector (``matchLabels``, ``matchExpressions``) selects labels; None selects nothing, an empty one all."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    return wanted.items() <= labels.items() and fits(labels, selector.get("matchExpressions") or ())


def may_be_used_on(volume: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Whether a PersistentVolume can be used on a node: one of the terms of its ``nodeAffinity`` fits; without any, everywhere."""
    affinity = (volume["spec"].get("nodeAffinity") or {}).get("required")
    if affinity is None:
        return True
    labels, fields = node["metadata"].get("labels") or {}, {"metadata.name": node["metadata"]["name"]}
    return any(
        # a term without requirements fits nothing (Kubernetes API, NodeSelectorTerm)
        (term.get("matchExpressions") or term.get("matchFields"))
        and fits(labels, term.get("matchExpressions") or ())
        and fits(fields, term.get("matchFields") or ())
        for term in affinity["nodeSelectorTerms"]
    )
