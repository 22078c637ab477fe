"""The orders of the other installers: kustomize's, and that of Pulumi's own ``yaml/v2``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from mlops.bundles import Kustomize
from mlops.ordering import KubeObject, ObjectRef, parse_documents

DEPENDS_ON = "config.kubernetes.io/depends-on"

# https://github.com/kubernetes-sigs/cli-utils/blob/v0.37.2/pkg/ordering/sort.go: kinds that come first, in this order ...
_FIRST = (
    ("", "Namespace"),
    ("", "ResourceQuota"),
    ("storage.k8s.io", "StorageClass"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("", "ServiceAccount"),
    ("extensions", "PodSecurityPolicy"),
    ("policy", "PodSecurityPolicy"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "Service"),
    ("", "LimitRange"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("extensions", "Deployment"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("policy", "PodDisruptionBudget"),
)
# ... and the one that comes last.
_LAST = ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration")
_RANK = {kind: place - len(_FIRST) for place, kind in enumerate(_FIRST)} | {_LAST: 1}


def kustomize_order(objects: Iterable[KubeObject], kustomize: Kustomize) -> tuple[KubeObject, ...]:
    """The objects as ``kustomize build example`` of the community distribution gives them, by kustomize itself.

    Its ``example/kustomization.yaml`` says ``sortOptions: {order: legacy}``.

    Args:
        objects: objects of all bundles.
        kustomize: the program.

    Raises:
        UserError: kustomize fails, with its own text.
    """
    known = {item.ref: item for item in objects}
    with TemporaryDirectory(prefix="bench-") as scratch:
        folder, home = Path(scratch) / "example", Path(scratch) / "home"
        folder.mkdir()
        home.mkdir()
        # the order depends on identities alone, and kustomize takes a minute over the whole objects
        bodies = [{"apiVersion": item.api_version, "kind": item.kind, "metadata": _identity(item)} for item in known.values()]
        (folder / "objects.yaml").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies}), encoding="utf-8")
        kustomization = {"resources": ["objects.yaml"], "sortOptions": {"order": "legacy"}}
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
        text = kustomize.run(["build", folder], scratch=home, bundle="example", hide=folder)
    return tuple(known[item.ref] for item in parse_documents(text, origin="kustomize build example"))


def _identity(item: KubeObject) -> dict[str, str]:
    return {"name": item.name, **({"namespace": item.namespace} if item.namespace else {})}


def yaml_v2_sets(objects: Sequence[KubeObject]) -> tuple[tuple[KubeObject, ...], ...]:
    """The objects in the sets of ``kubernetes:yaml/v2:ConfigGroup``: within a set none waits for another.

    It takes the graph of kubernetes-sigs/cli-utils: an object waits for its Namespace, for the CRD of its kind, and for what its
    annotation config.kubernetes.io/depends-on names; sets are sorted by kind. Sources: pulumi-kubernetes 4.25.0,
    provider/pkg/provider/yaml/v2/yaml.go; cli-utils v0.37.2, pkg/object/graph/{depends,graph}.go.

    Args:
        objects: objects of all bundles.
    """
    known = {item.ref: item for item in objects}
    crds = {kind: item.ref for item in objects if (kind := _defined_kind(item))}
    waits: dict[ObjectRef, set[ObjectRef]] = {}
    for item in objects:
        before = {ObjectRef("", "Namespace", "", item.namespace)} if item.namespace else set()
        if crd := crds.get((item.group, item.kind)):
            before.add(crd)
        before |= set(_named(item))
        waits[item.ref] = before & known.keys()
    sets = []
    while waits:
        free = [ref for ref, before in waits.items() if not before]
        if not free:
            raise ValueError("the annotations depends-on make a circle")
        sets.append(tuple(sorted((known[ref] for ref in free), key=_place)))
        waits = {ref: before.difference(free) for ref, before in waits.items() if before}
    return tuple(sets)


def _defined_kind(item: KubeObject) -> tuple[str, str] | None:
    if item.kind != "CustomResourceDefinition":
        return None
    return str(item.spec.get("group", "")), str((item.spec.get("names") or {}).get("kind", ""))


def _named(item: KubeObject) -> Iterable[ObjectRef]:
    """``group/kind/name`` or ``group/namespaces/namespace/kind/name``, several with commas between them."""
    for text in item.annotations.get(DEPENDS_ON, "").split(","):
        match text.strip().split("/"):
            case [group, kind, name]:
                yield ObjectRef(group, kind, "", name)
            case [group, "namespaces", namespace, kind, name]:
                yield ObjectRef(group, kind, namespace, name)


def _place(item: KubeObject) -> tuple[int, str, str, str, str]:
    return _RANK.get((item.group, item.kind), 0), item.group, item.kind, item.namespace or "", item.name
