"""All of Kubeflow as bundles, from the real sources: what is in them, and that it is what upstream's example has.

Rendering everything takes half a minute of two cores once, and as long again for upstream's example; then it comes from the cache.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.bundles import (
    Bundle,
    Kustomize,
    Places,
    bundles_in,
    images,
    images_in_texts,
    load_bundle,
    load_bundles,
    read_lock,
)
from mlops.bundles.changes import compare
from mlops.folders import cache_folder
from mlops.ordering import KubeObject, from_bodies
from mlops.ordering.kinds import Kinds

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFESTS = REPOSITORY / "manifests"
GOLDEN = Path(__file__).with_name("kubeflow.golden.txt")
PLACES = Places.from_environment(checkout=REPOSITORY)
NOT_KUBEFLOW: set[str] = set()
"""Bundles of other layers."""
MADE_BY_PROFILE = "kubeflow-user-example-com"
EXISTING = {"kube-system"}

# Where a bundle differs from upstream's example, and why.
DIFFERENCES = {
    # our patches: cluster-wide kinds carry no namespace
    **dict.fromkeys(
        [
            "ClusterStorageContainer default",
            "DecoratorController kubeflow-pipelines-profile-controller",
            "ClusterRole spark-operator-controller",
            "ClusterRole spark-operator-webhook",
            "ClusterRoleBinding spark-operator-controller",
            "ClusterRoleBinding spark-operator-webhook",
            *(
                f"ClusterTrainingRuntime {name}"
                for name in (
                    "deepspeed-distributed", "jax-distributed", "mlx-distributed", "torch-distributed", "torchtune-llama3.2-1b",
                    "torchtune-llama3.2-3b", "torchtune-qwen2.5-1.5b", "xgboost-distributed",
                )
            ),
        ],
        ("metadata.namespace",),
    ),
    # In one build, variables and Service names of one part leak into another: JobSet's CRD gets the PVC viewer's certificate, and
    # the conversion webhooks of both lose the prefix of their Services. In bundles of their own the names are right; the
    # annotation, which then has variables that nobody fills in, is dropped.
    "CustomResourceDefinition jobsets.jobset.x-k8s.io": (
        "metadata.annotations.cert-manager.io/inject-ca-from",
        "spec.conversion.webhook.clientConfig.service.name",
    ),
    "CustomResourceDefinition pvcviewers.kubeflow.org": ("spec.conversion.webhook.clientConfig.service.name",),
    # our patches: databases have a password, and it is the one of the Secret also when their files are older than it
    "Deployment mysql": (
        "spec.template.spec.containers[0].command",
        "spec.template.spec.containers[0].env[0].name",
        "spec.template.spec.containers[0].env[0].value",
        "spec.template.spec.containers[0].env[0].valueFrom",
    ),
    "Deployment katib-mysql": ("spec.template.spec.containers[0].command", "spec.template.spec.containers[0].env"),
    "Deployment model-registry-db": ("spec.template.spec.containers[0].command",),
    "StatefulSet model-catalog-postgres": ("spec.template.spec.containers[0].command",),
}  # fmt: skip

pytestmark = pytest.mark.site


def load() -> tuple[Bundle, ...]:
    names = [name for name in bundles_in(MANIFESTS) if name not in NOT_KUBEFLOW]
    return load_bundles(names, manifests=MANIFESTS, places=PLACES, cache=cache_folder(), kustomize=Kustomize.pinned())


@pytest.fixture(scope="module")
def bundles() -> tuple[Bundle, ...]:
    return load()


@pytest.fixture(scope="module")
def objects(bundles: tuple[Bundle, ...]) -> list[KubeObject]:
    return [item for bundle in bundles for item in bundle.objects]


def summary(bundles: tuple[Bundle, ...]) -> Iterator[str]:
    for bundle in bundles:
        kinds = sorted(Counter(item.kind for item in bundle.objects).items())
        yield f"{bundle.name} {len(bundle.objects)}: {', '.join(f'{kind} {count}' for kind, count in kinds)}"
    yield f"all {sum(len(bundle.objects) for bundle in bundles)}"


def test_objects_by_bundle_and_kind(bundles: tuple[Bundle, ...]) -> None:
    assert list(summary(bundles)) == GOLDEN.read_text().splitlines()


def test_every_object_of_upstreams_example_is_in_exactly_one_bundle(objects: list[KubeObject], tmp_path: Path) -> None:
    (tmp_path / "example").mkdir()
    (tmp_path / "example/kustomization.yaml").write_text("resources: [../sources/kubeflow/example]\n")
    (tmp_path / "sources.lock.yaml").write_text((MANIFESTS / "sources.lock.yaml").read_text())
    example = load_bundle("example", manifests=tmp_path, places=PLACES, cache=cache_folder(), kustomize=Kustomize.pinned())
    changes = compare(placed(example.objects, objects), placed(objects, objects))
    assert changes.added == changes.removed == ()
    found = {f"{ref.kind} {ref.name}": fields for ref, fields in changes.changed.items()}
    strayed = {
        f"{item.kind} {item.name}": ("metadata.namespace",)
        for item in example.objects
        if item.namespace and not namespaced(item, objects)
    }
    assert found | strayed == DIFFERENCES


def placed(items: Any, objects: list[KubeObject]) -> list[KubeObject]:
    """Objects without the namespace that kinds without one cannot have: it is no part of their identity."""
    kinds = Kinds(objects)
    bodies = []
    for item in items:
        kind = kinds.get(item.group, item.kind)
        metadata = dict(item.body["metadata"])
        if kind and not kind.namespaced:
            metadata.pop("namespace", None)
        bodies.append({**item.body, "metadata": metadata})
    return list(from_bodies(bodies, origin="placed"))


def namespaced(item: KubeObject, objects: list[KubeObject]) -> bool:
    kind = Kinds(objects).get(item.group, item.kind)
    return kind is None or kind.namespaced


def test_each_object_is_where_its_kind_belongs(objects: list[KubeObject]) -> None:
    kinds = Kinds(objects)
    spaces = {item.name for item in objects if item.kind == "Namespace"} | {MADE_BY_PROFILE} | EXISTING
    for item in objects:
        kind = kinds.get(item.group, item.kind)
        assert kind, f"{item.ref} has no CRD"
        assert (item.namespace in spaces) if kind.namespaced else item.namespace is None, item.ref


def test_nothing_is_left_to_be_filled_in(objects: list[KubeObject]) -> None:
    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for inner in value.values():
                yield from texts(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from texts(inner)
        elif isinstance(value, str):
            yield value

    # Kubernetes itself fills in $(NAME) in commands, arguments and environment; in metadata nobody does.
    assert [item.ref for item in objects for text in texts(item.body["metadata"]) if "$(" in text] == []


def test_images(objects: list[KubeObject]) -> None:
    found = images(objects)
    assert len(found) == 80
    assert "registry.istio.io/release/pilot:1.30.1" in found
    assert "kserve/kserve-controller:v0.18.0" in found
    assert not any(image.endswith(":latest") or " " in image for image in found)
    later = images_in_texts(objects)
    assert "ghcr.io/kubeflow/kfp-launcher:2.16.1" in later
    assert len(later) == 25


def test_remote_bases_are_pinned_at_the_versions_that_kubeflow_asks_for() -> None:
    lock = read_lock(MANIFESTS / "sources.lock.yaml")
    assert {name: lock[name].tag for name in lock["kubeflow"].bases} == {
        "argo-workflows": "v3.7.3", "jobset": "v0.11.0", "kserve": "v0.18.0", "lws": "v0.8.0",
    }  # fmt: skip


def test_everything_warm_takes_less_than_a_second(bundles: tuple[Bundle, ...]) -> None:
    began = time.process_time()
    warm = load()
    assert time.process_time() - began < 1
    assert [bundle.digest for bundle in warm] == [bundle.digest for bundle in bundles]


def test_every_kustomization_says_what_it_is_for() -> None:
    for file in MANIFESTS.glob("*/kustomization.yaml"):
        assert file.read_text().startswith("# "), file
        assert yaml.safe_load(file.read_text())["resources"], file
