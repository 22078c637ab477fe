"""What a new CRD changes in the one that a cluster has, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def differences(live: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What applying a CRD would change: versions, fields and their types; defaults and descriptions are left out.

    Args:
        live: the CRD as the cluster has it.
        new: the CRD that is about to be applied.

    Returns:
        One line for each difference, e.g. ``v1: field spec.foo (string) is new``; none when nothing that objects can show changes.
    """
    old_spec, new_spec = live["spec"], new["spec"]
    lines = []
    if old_spec.get("scope") != new_spec.get("scope"):
        lines.append(f"scope {old_spec.get('scope')} becomes {new_spec.get('scope')}, which the API server refuses")
    old_versions, new_versions = _versions(old_spec), _versions(new_spec)
    lines += [f"version {name} is new" for name in new_versions if name not in old_versions]
    lines += [f"version {name} is gone" for name in old_versions if name not in new_versions]
    for name in sorted(old_versions.keys() & new_versions.keys()):
        lines += [f"{name}: {text}" for text in _version_differences(old_versions[name], new_versions[name])]
    return lines


def _versions(spec: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {version["name"]: version for version in spec["versions"]}


def _version_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for flag in ("served", "storage", "deprecated"):
        if bool(old.get(flag)) != bool(new.get(flag)):
            yield f"{'no longer ' if old.get(flag) else ''}{flag}"
    before, after = _fields(old), _fields(new)
    for path in sorted(before.keys() | after.keys()):
        if path not in before:
            yield f"field {path} ({after[path]}) is new"
        elif path not in after:
            yield f"field {path} ({before[path]}) is gone"
        elif before[path] != after[path]:
            yield f"field {path} ({before[path]}) becomes {after[path]}"


def _fields(version: Mapping[str, Any]) -> dict[str, str]:
    """Path to type. Of a field that is new or gone as a whole the fields below it are listed as well: there are few such."""
    found: dict[str, str] = {}
    pending = [("", (version.get("schema") or {}).get("openAPIV3Schema") or {})]
    while pending:
        path, schema = pending.pop()
        if path:
            found[path] = str(schema.get("type") or "any")
        pending += [(f"{path}.{name}" if path else name, child) for name, child in (schema.get("properties") or {}).items()]
        for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
            child = schema.get(key)
            if isinstance(child, Mapping):
                pending.append((f"{path}{mark}", child))
    return found
