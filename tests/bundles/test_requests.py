"""What objects ask of a cluster: sums as the scheduler counts them."""

from __future__ import annotations

from typing import Any

import pytest

from mlops.bundles import bundles_in
from mlops.bundles.requests import Demand, demand, registry_of
from mlops.cli.places import MANIFESTS
from mlops.hosts.expectations import enabled_bundles
from mlops.ordering import from_bodies
from tests.components.site_layers import site


def container(cpu: str, memory: str, image: str = "quay.io/a/b:1") -> dict[str, Any]:
    return {"name": "c", "image": image, "resources": {"requests": {"cpu": cpu, "memory": memory}}}


def workload(kind: str, pod: dict[str, Any], **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": kind.lower(), "namespace": "n"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec},
    }


def test_replicas_count_each_and_what_runs_on_every_node_counts_apart() -> None:
    bodies = [
        workload("Deployment", {"containers": [container("500m", "1Gi"), container("250m", "512Mi", "nginx:1")]}, replicas=3),
        workload("StatefulSet", {"containers": [container("1", "1Gi")], "initContainers": [container("2", "64Mi")]}),
        workload("DaemonSet", {"containers": [container("100m", "100Mi")]}),
    ]
    assert demand(from_bodies(bodies, origin="test")) == Demand(
        cpu=0.75 * 3 + 2,
        memory=3 * 1536 * 2**20 + 2**30,
        pods=4,
        node_cpu=0.1,
        node_memory=100 * 2**20,
        node_pods=1,
        registries=("docker.io", "quay.io"),
    )


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("nginx", "docker.io"),
        ("library/nginx:1", "docker.io"),
        ("registry.example:5000/a/b@sha256:0", "registry.example:5000"),
        ("localhost/a", "localhost"),
        ("ghcr.io/a/b", "ghcr.io"),
    ],
)
def test_the_registry_of_an_image(image: str, registry: str) -> None:
    assert registry_of(image) == registry


def test_the_bundles_of_a_site_are_those_that_its_layers_install() -> None:
    from components.certificates.cert_manager import BUNDLE  # noqa: PLC0415 - imports Pulumi
    from components.kubeflow.kubeflow import ALWAYS  # noqa: PLC0415

    some = site("corporate", lambda values: values.update(kubeflow={"parts": ["katib"]}))
    assert set(enabled_bundles(some, bundles_in(MANIFESTS))) == {BUNDLE, *ALWAYS, "katib"}
    none = site("corporate", lambda values: values.pop("kubeflow"))
    assert enabled_bundles(none, bundles_in(MANIFESTS)) == (BUNDLE,)
