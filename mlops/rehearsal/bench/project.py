"""Copies of the program's folder that differ in data only: fewer objects, or edges taken away. The program itself is the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from mlops.bundles import Bundle
from mlops.bundles.bundle import LOCK_FILE
from mlops.bundles.order import ORDER_FILE
from mlops.ordering import Graph, ObjectRef
from mlops.ordering.overrides import named
from mlops.rehearsal.bench.mutation import LATE, LATE_SECONDS, Mutation, closure
from mlops.rehearsal.site.kwok import DELAY_ANNOTATION

_LINKED = (".venv", "components", "mlops")
_CONFIGURATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_COPIED = ("Pulumi.yaml", "__main__.py")


def make_project(
    folder: Path, checkout: Path, bundles: Iterable[Bundle], *, keep: Collection[ObjectRef], without: Collection[Mutation] = ()
) -> Path:
    """A folder in which the program installs some of the objects.

    Args:
        folder: where to make it.
        checkout: the program's own folder.
        bundles: all bundles.
        keep: the objects that are kept; at least one of each bundle.
        without: edges that are taken away.

    Returns:
        The folder.
    """
    manifests = folder / "manifests"
    manifests.mkdir(parents=True)
    for name in _LINKED:
        (folder / name).symlink_to(checkout / name)
    for name in _COPIED:
        shutil.copyfile(checkout / name, folder / name)
    shutil.copyfile(checkout / "manifests" / LOCK_FILE, manifests / LOCK_FILE)
    # one file is enough: overrides of all bundles count for all objects
    changes = {} if not without else _merged(mutation.overrides() for mutation in without)
    for bundle in bundles:
        target = manifests / bundle.name
        target.mkdir()
        bodies = [dict(item.body) for item in bundle.objects if item.ref in keep] + ([_late()] if changes else [])
        objects = "\n---\n".join(json.dumps(body) for body in bodies)  # JSON is YAML
        (target / "objects.yaml").write_text(objects, encoding="utf-8")
        (target / "kustomization.yaml").write_text("resources: [objects.yaml]\n", encoding="utf-8")
        order = _order(checkout / "manifests" / bundle.name / ORDER_FILE, keep)
        order, changes = _merged([order, changes]), {}
        if order:
            (target / ORDER_FILE).write_text(yaml.safe_dump(order), encoding="utf-8")
    return folder


def _order(file: Path, keep: Collection[ObjectRef]) -> dict[str, Any]:
    """What a bundle's ``order.yaml`` says of the objects that are kept: entries without objects are refused."""
    content: Mapping[str, Any] = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}) if file.exists() else {}
    kept = {}
    for section, entries in content.items():
        found = [entry for entry in entries if _says_something(entry, keep)]
        if found:
            kept[section] = found
    return kept


def _merged(parts: Iterable[Mapping[str, Iterable[Mapping[str, Any]]]]) -> dict[str, Any]:
    """Sections of several files together, each entry once."""
    merged: dict[str, Any] = {}
    for part in parts:
        for section, entries in part.items():
            known = merged.setdefault(section, [])
            known += [dict(entry) for entry in entries if dict(entry) not in known]
    return merged


def _late() -> dict[str, Any]:
    pod = {
        "metadata": {"annotations": {DELAY_ANNOTATION: f"{LATE_SECONDS * 1000}ms"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "late", "image": "late.example/late:1"}]},
    }
    metadata = {"namespace": LATE.namespace, "name": LATE.name}
    return {"apiVersion": "batch/v1", "kind": LATE.kind, "metadata": metadata, "spec": {"template": pod}}


def _says_something(entry: Mapping[str, Any], keep: Collection[ObjectRef]) -> bool:
    pattern = entry.get("from") or entry.get("configuration")
    return pattern is None or bool(named(str(pattern), keep))


def small_set(graph: Graph, bundles: Iterable[Bundle], roots: Iterable[ObjectRef]) -> frozenset[ObjectRef]:
    """Some objects with all that they wait for, and of each bundle that has none among them its cheapest one.

    A backend comes with all its webhook configurations: one that makes its own certificate waits for them. The program installs all
    bundles, and refuses an empty one.

    Args:
        graph: the objects.
        bundles: all bundles.
        roots: the objects that are wanted.
    """
    kept = _with_configurations(graph, closure(graph, roots))
    for bundle in bundles:
        refs = [item.ref for item in bundle.objects]
        if kept.isdisjoint(refs):
            choices = [_with_configurations(graph, kept | closure(graph, [ref])) for ref in sorted(refs)]
            kept = min(choices, key=len)
    return kept


def _with_configurations(graph: Graph, refs: frozenset[ObjectRef]) -> frozenset[ObjectRef]:
    gates = {
        edge.source
        for edge in graph.edges
        if edge.rule == "R6" and edge.target in refs and edge.target.kind not in {*_CONFIGURATIONS, "Service"}
    }
    grown = refs | closure(graph, gates)
    return refs if grown == refs else _with_configurations(graph, grown)
