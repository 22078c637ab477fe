"""Helm charts: offline, with pinned dependencies, and a decision about every hook."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlops.bundles import Bundle, Helm, Kustomize, Places, load_bundle
from mlops.bundles.hooks import settle_hooks
from mlops.errors import UserError
from mlops.ordering import KubeObject, from_bodies
from mlops.tools import tool
from tests.bundles.source_archives import archive, make_places, make_source

JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-migrate
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: hook-succeeded}
"""
FILES = {
    "base/app/Chart.yaml": b"apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: lib, version: 1.x.x, repository: https://e.example}\n",
    "base/app/values.yaml": b"size: 1\n",
    "base/app/crds/crd.yaml": b"""\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: wides.x.io}
spec: {group: x.io, scope: Cluster, names: {kind: Wide, plural: wides}, versions: []}
""",
    "base/app/templates/all.yaml": b"""\
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-c"}
data:
  size: "{{ .Values.size }}"
  kube: "{{ .Capabilities.KubeVersion.Version }}"
  api: "{{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}"
  lib: "{{ include "lib.text" . }}"
---
apiVersion: v1
kind: ConfigMap
metadata: {name: elsewhere, namespace: kube-system}
---
apiVersion: x.io/v1
kind: Wide
metadata: {name: w}
---
apiVersion: y.io/v1
kind: Broad
metadata: {name: b}
""",
    "base/app/templates/job.yaml": JOB.encode(),
    "base/lib/Chart.yaml": b"apiVersion: v2\nname: lib\nversion: 1.2.0\ntype: library\n",
    "base/lib/templates/_lib.tpl": b'{{- define "lib.text" -}}of the library{{- end -}}\n',
}
CHART = {
    "chart": "../sources/thing/base/app",
    "release": "r",
    "namespace": "n",
    "values": ["values.yaml"],
    "dependencies": {"lib": "../sources/thing/base/lib"},
    "clusterWide": ["Broad.y.io"],
    "apis": ["monitoring.coreos.com/v1"],
    "hooks": {"Job/r-migrate": "object"},
}


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    source = make_source(tmp_path / "plain", FILES)
    archive(tmp_path / "mirror" / source.archive(), FILES)
    folder = tmp_path / "manifests"
    (folder / "b").mkdir(parents=True)
    content = {"sources": {"thing": source.model_dump(mode="json", exclude={"name"})}}
    (folder / "sources.lock.yaml").write_text(yaml.safe_dump(content))
    (folder / "b/values.yaml").write_text("size: 3\n")
    return folder


def load(manifests: Path, **changes: object) -> Bundle:
    chart = {key: value for key, value in {**CHART, **changes}.items() if value is not None}
    (manifests / "b/chart.yaml").write_text(yaml.safe_dump(chart))
    scratch = manifests.parent
    places = make_places(neighbour=scratch / "mirror")
    return load_bundle(
        "b",
        manifests=manifests,
        places=places,
        cache=scratch / "cache",
        kustomize=Kustomize("1", lambda: tool("kustomize")),
        helm=Helm("1", lambda: tool("helm")),
    )


def test_a_chart(manifests: Path) -> None:
    bundle = load(manifests)
    assert {str(item.ref) for item in bundle.objects} == {
        "CustomResourceDefinition.apiextensions.k8s.io wides.x.io",
        "ConfigMap n/r-c",
        "ConfigMap kube-system/elsewhere",
        "Wide.x.io w",
        "Broad.y.io b",
        "Job.batch n/r-migrate",
    }
    config = next(item for item in bundle.objects if item.name == "r-c")
    assert config.body["data"] == {"size": "3", "kube": "v1.35.0", "api": "true", "lib": "of the library"}
    job = next(item for item in bundle.objects if item.kind == "Job")
    assert "annotations" not in job.body["metadata"]
    assert {(str(p.first), str(p.then)) for p in bundle.order} == {
        ("Job.batch n/r-migrate", then)
        for then in ("ConfigMap n/r-c", "ConfigMap kube-system/elsewhere", "Wide.x.io w", "Broad.y.io b")
    }
    assert load(manifests).order == bundle.order


def test_a_kustomization_on_top_of_a_chart(manifests: Path) -> None:
    (manifests / "b/kustomization.yaml").write_text("""\
resources: [chart-objects.yaml]
patches:
- target: {kind: Job}
  patch: |
    $patch: delete
    kind: Job
    metadata: {name: any}
""")
    bundle = load(manifests)
    assert len(bundle.objects) == 5
    assert bundle.order == ()
    (manifests / "b/kustomization.yaml").write_text("resources: [../sources/thing/base/app/crds/crd.yaml]\n")
    with pytest.raises(UserError, match="does not use its chart"):
        load(manifests)


MISTAKES: dict[str, tuple[dict[str, object], list[str]]] = {
    "a dependency that nobody pinned": (
        {"dependencies": None},
        ["lib 1.x.x of https://e.example", "dependencies that are pinned", "    lib: ../sources/SOURCE/FOLDER"],
    ),
    "a hook that nobody decided about": (
        {"hooks": None},
        ["Job/r-migrate (pre-install, pre-upgrade)", "Job/r-migrate: object, or: leave out"],
    ),
    "a decision about nothing": (
        {"hooks": {"Job/x": "leave out", "Job/r-migrate": "object"}},
        ["Job/x", "hooks of the chart: Job/r-migrate"],
    ),
    "no such chart": ({"chart": "../sources/thing/base/nothing"}, ["../sources/thing/base/nothing", "a folder with Chart.yaml"]),
    "not pinned": ({"chart": "https://charts.example/x"}, ["a folder of a pinned source"]),
    "leads out": ({"chart": "../sources/thing/../../x"}, ["a folder of a pinned source"]),
    "a word that is not known": ({"hook": {}}, ["chart.yaml hook\n", "an unknown entry", "clusterWide, hooks"]),
    "a word of another kind": ({"hooks": {"Job/x": "leave"}}, ["the text 'leave'", "'object' or 'leave out'"]),
    "a list that is none": ({"values": "x"}, ["the text 'x'", "allowed: a list"]),
    "a name that is none": ({"release": "A b"}, ["chart.yaml release\n", "lower-case letters, digits and dashes, at most 53"]),
    "values that are not there": ({"values": ["no.yaml"]}, ["no.yaml"]),
    "a template that fails": ({"dependencies": {"lib": "leave out"}}, ["lib.text"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(manifests: Path, case: str) -> None:
    changes, texts = MISTAKES[case]
    with pytest.raises(UserError) as caught:
        load(manifests, **changes)
    for text in texts:
        assert text in str(caught.value)
    assert "mlops-render" not in str(caught.value)


def test_a_chart_file_that_is_no_yaml(manifests: Path) -> None:
    load(manifests)
    (manifests / "b/chart.yaml").write_text("a: [")
    with pytest.raises(UserError, match="cannot be rendered"):
        load_bundle("b", manifests=manifests, places=make_places(), cache=manifests.parent / "cache", kustomize=Kustomize.pinned())


def hook(name: str, phases: str, weight: str = "", kind: str = "Job") -> KubeObject:
    annotations = {"helm.sh/hook": phases, **({"helm.sh/hook-weight": weight} if weight else {}), "kept": "yes"}
    return plain(name, kind, annotations=annotations)


def plain(name: str, kind: str = "ConfigMap", **metadata: object) -> KubeObject:
    return from_bodies([{"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **metadata}}], origin="")[0]


def test_order_of_hooks_by_phase_and_weight() -> None:
    items = [
        plain("ns", "Namespace"),
        plain("c"),
        hook("first", "pre-install", "-5"),
        hook("second", "post-install, pre-install", "2"),
        hook("also", "pre-install", "2"),
        hook("last", "post-install", "nonsense"),
        hook("check", "test"),
    ]
    objects, order = settle_hooks(items, {f"Job/{name}": "object" for name in ("first", "second", "also", "last")}, "b")
    assert [item.name for item in objects] == ["ns", "c", "first", "last", "also", "second"]
    assert objects[2].annotations == {"kept": "yes"}
    assert [(p.first.name, p.then.name) for p in order] == [
        ("first", "also"),
        ("first", "second"),
        ("also", "c"),
        ("second", "c"),
        ("c", "last"),
    ]


def test_only_hooks_of_an_installation_can_become_objects() -> None:
    with pytest.raises(UserError, match="nobody decided") as caught:
        settle_hooks([hook("a", "pre-delete"), hook("b", "post-upgrade"), hook("c", "post-install")], {"Job/a": "object"}, "x")
    first, second = caught.value.problems
    assert first.found == "Job/b (post-upgrade)\nJob/c (post-install)"
    assert first.mend == "enter them:\nhooks:\n  Job/b: leave out\n  Job/c: object, or: leave out"
    assert second.found == "Job/a (pre-delete): object"
    objects, order = settle_hooks([hook("a", "pre-delete")], {"Job/a": "leave out"}, "x")
    assert not objects
    assert not order


@pytest.mark.site
def test_a_chart_of_the_field(tmp_path: Path) -> None:
    """MinIO's chart, whose only hook makes buckets after the installation."""
    repository = Path(__file__).resolve().parents[2]
    (tmp_path / "manifests/minio").mkdir(parents=True)
    (tmp_path / "manifests/sources.lock.yaml").write_text("""\
sources:
  minio:
    repository: github.com/minio/minio
    tag: RELEASE.2025-10-15T17-29-55Z
    commit: 9e49d5e7a648f00e26f2246f4dc28e6b07f8c84a
    paths: [helm/minio]
    dirhash: h1:nLwcyrPjLjJ7VHIg0+VQr7H1IBwndgw5rVpPs8NJM04=
    licence: AGPL-3.0-only
""")
    (tmp_path / "manifests/minio/values.yaml").write_text("mode: standalone\nrootUser: a\nrootPassword: b2345678\n")
    (tmp_path / "manifests/minio/chart.yaml").write_text("""\
chart: ../sources/minio/helm/minio
release: minio
namespace: storage
values: [values.yaml]
hooks: {Job/minio-post-job: object}
""")
    bundle = load_bundle(
        "minio",
        manifests=tmp_path / "manifests",
        places=Places.from_environment(checkout=repository),
        cache=tmp_path / "cache",
        kustomize=Kustomize.pinned(),
    )
    assert {item.namespace for item in bundle.objects} == {"storage"}
    assert ("Deployment", "Job") in {(p.first.kind, p.then.kind) for p in bundle.order}
