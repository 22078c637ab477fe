"""The other installers' orders are theirs."""

from __future__ import annotations

import pytest

from mlops.bundles import Kustomize
from mlops.ordering import KubeObject
from mlops.rehearsal.bench.others import kustomize_order, yaml_v2_sets
from tests.ordering.objects_for_tests import crd, deployment, namespace, obj, webhook


def names(objects: tuple[KubeObject, ...]) -> list[str]:
    return [f"{item.kind}/{item.name}" for item in objects]


def test_yaml_v2_knows_namespaces_crds_and_annotations_and_nothing_else() -> None:
    needs = {"annotations": {"config.kubernetes.io/depends-on": "apps/namespaces/n/Deployment/d, g.io/Thing/cluster-wide"}}
    objects = (
        webhook("w"),
        obj("v1", "ConfigMap", "after", "n", meta=needs),
        deployment("d", "n"),
        obj("g.io/v1", "Thing", "cluster-wide"),
        crd("g.io", "Thing", scope="Cluster"),
        obj("v1", "ConfigMap", "elsewhere", "made-by-others"),
        namespace("n"),
    )
    assert [names(each) for each in yaml_v2_sets(objects)] == [
        [
            "Namespace/n",
            "CustomResourceDefinition/things.g.io",
            "ConfigMap/elsewhere",
            "ValidatingWebhookConfiguration/w",
        ],
        ["Deployment/d", "Thing/cluster-wide"],
        ["ConfigMap/after"],
    ]


def test_yaml_v2_refuses_annotations_in_a_circle() -> None:
    def needing(name: str, other: str) -> KubeObject:
        meta = {"annotations": {"config.kubernetes.io/depends-on": f"/namespaces/n/ConfigMap/{other}"}}
        return obj("v1", "ConfigMap", name, "n", meta=meta)

    with pytest.raises(ValueError, match="circle"):
        yaml_v2_sets([needing("a", "b"), needing("b", "a")])


def test_kustomize_sorts_by_kind_guards_last() -> None:
    objects = [
        webhook("w"),
        obj("g.io/v1", "Thing", "t", "n"),
        deployment("d", "n"),
        crd("g.io", "Thing"),
        namespace("n"),
    ]
    ordered = kustomize_order(objects, Kustomize.pinned())
    assert names(ordered) == [
        "Namespace/n",
        "CustomResourceDefinition/things.g.io",
        "Deployment/d",
        "Thing/t",
        "ValidatingWebhookConfiguration/w",
    ]
    # the objects themselves are the caller's, whole
    assert ordered[2].body is objects[2].body
