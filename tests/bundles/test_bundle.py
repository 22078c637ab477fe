"""Rendering and loading, with the pinned kustomize and the real cert-manager base."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from mlops.bundles import (
    Bundle,
    Kustomize,
    Places,
    images,
    images_in_texts,
    load_bundle,
    load_bundles,
    read_lock,
)
from mlops.bundles.bundle import bundles_using
from mlops.errors import UserError
from mlops.folders import cache_folder
from mlops.ordering import OrderingError, build_graph, from_bodies
from mlops.tools import tool
from tests.bundles.source_archives import archive, make_places, make_source

REPOSITORY = Path(__file__).resolve().parents[2]


def cert_manager(cache: Path) -> Bundle:
    return load_bundle(
        "cert-manager",
        manifests=REPOSITORY / "manifests",
        places=Places.from_environment(checkout=REPOSITORY),
        cache=cache,
        kustomize=Kustomize.pinned(),
    )


def test_cert_manager_golden(tmp_path: Path) -> None:
    bundle = cert_manager(cache_folder())
    assert Counter(item.kind for item in bundle.objects) == {
        "ClusterRole": 13, "ClusterRoleBinding": 10, "CustomResourceDefinition": 6, "Deployment": 3,
        "MutatingWebhookConfiguration": 1, "Namespace": 1, "Role": 4, "RoleBinding": 4, "Service": 3, "ServiceAccount": 3,
        "ValidatingWebhookConfiguration": 1,
    }  # fmt: skip
    images = {
        c["image"] for item in bundle.objects if item.kind == "Deployment" for c in item.spec["template"]["spec"]["containers"]
    }
    assert images == {f"quay.io/jetstack/cert-manager-{part}:v1.20.2" for part in ("controller", "cainjector", "webhook")}
    assert Counter(edge.rule for edge in build_graph(bundle.objects).edges) == {
        "R1": 13,
        "R6": 6,
        "R7": 4,
        "R10": 3,
        "R11": 28,
        "R22": 6,
    }


def test_a_warm_load_is_quick() -> None:
    cold = cert_manager(cache_folder())
    began = time.perf_counter()
    warm = cert_manager(cache_folder())
    assert time.perf_counter() - began < 0.2
    assert [item.body for item in warm.objects] == [item.body for item in cold.objects]


CONFIG_MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: n}\ndata: {on: 'yes', day: '2026-01-01'}\n"
FILES = {"base/kustomization.yaml": b"resources: [a.yaml]\n", "base/a.yaml": CONFIG_MAP}


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """A lock with the source ``thing``, a bundle ``b`` on it, and a mirror that has it."""
    source = make_source(tmp_path / "plain", FILES)
    archive(tmp_path / "mirror" / source.archive(), FILES)
    folder = tmp_path / "manifests"
    (folder / "b").mkdir(parents=True)
    content = {"sources": {"thing": source.model_dump(mode="json", exclude={"name"})}}
    (folder / "sources.lock.yaml").write_text(yaml.safe_dump(content))
    (folder / "b/kustomization.yaml").write_text("resources: [../sources/thing/base]\nnamePrefix: x-\n")
    return folder


class Loads:
    """Loads the bundle ``b``, counting how often it had to be rendered."""

    def __init__(self, manifests: Path, scratch: Path) -> None:
        self.manifests, self.scratch, self.rendered = manifests, scratch, 0

    def kustomize(self) -> Path:
        self.rendered += 1
        return tool("kustomize")

    def all(self, *names: str) -> tuple[Bundle, ...]:
        places = make_places(neighbour=self.scratch / "mirror")
        kustomize = Kustomize("1", self.kustomize)
        return load_bundles(names, manifests=self.manifests, places=places, cache=self.scratch / "cache", kustomize=kustomize)

    def __call__(self) -> Bundle:
        return self.all("b")[0]


@pytest.fixture
def load(manifests: Path, tmp_path: Path) -> Loads:
    return Loads(manifests, tmp_path)


def test_a_changed_file_renders_anew_and_nothing_else_does(load: Loads, manifests: Path) -> None:
    assert [str(item.ref) for item in load().objects] == ["ConfigMap n/x-c"]
    load()
    (manifests / "b/order.yaml").write_text("add: []\n")  # says nothing about objects
    load()
    assert load.rendered == 1
    (manifests / "b/kustomization.yaml").write_text("resources: [../sources/thing/base]\nnamePrefix: y-\n")
    assert [str(item.ref) for item in load().objects] == ["ConfigMap n/y-c"]
    assert load.rendered == 2


def test_a_cut_cache_entry_is_made_anew(load: Loads, tmp_path: Path) -> None:
    load()
    (entry,) = (tmp_path / "cache/bundles").glob("*.json")
    for altered in ("[{", entry.read_text().replace("x-c", "x-evil"), ""):
        entry.write_text(altered)
        assert [item.name for item in load().objects] == ["x-c"]
    entry.unlink()
    (entry / "folder").mkdir(parents=True)
    assert [item.name for item in load().objects] == ["x-c"]
    assert entry.is_file()


def test_a_cache_of_bundles_that_cannot_be_written(load: Loads, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/bundles").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="cache of bundles cannot be used"):
        load()


def test_texts_stay_texts(load: Loads) -> None:
    assert load().objects[0].body["data"] == {"on": "yes", "day": "2026-01-01"}


@pytest.mark.parametrize(
    ("kustomization", "message"),
    [
        ("resources: [nothing.yaml]\n", "nothing.yaml"),
        ("resources: [../sources/other/base]\n", "../sources/other"),
        ("patches: [{path: 'https://127.0.0.1:1/x.yaml'}]\n", "cannot be rendered"),
        ("resources: [\n", "cannot be rendered"),
        ("resources: []\n", "is empty"),
        ("resources: [../sources/thing/base]\npatches: [{path: /etc/hosts}]\n", "security"),
        ("resource: [a]\n", "unknown field"),
    ],
)
def test_a_kustomization_that_does_not_build(load: Loads, manifests: Path, kustomization: str, message: str) -> None:
    (manifests / "b/kustomization.yaml").write_text(kustomization)
    with pytest.raises(UserError) as caught:
        load()
    assert message in str(caught.value)
    assert "mlops-render" not in str(caught.value)


def test_no_such_bundle(tmp_path: Path, manifests: Path) -> None:
    with pytest.raises(UserError, match=r"there is no bundle 'c'") as caught:
        load_bundle("c", manifests=manifests, places=make_places(), cache=tmp_path, kustomize=Kustomize.pinned())
    assert caught.value.problems[0].allowed == "one of: b"


def test_a_kustomize_that_does_not_start(load: Loads, tmp_path: Path) -> None:
    load.kustomize = lambda: tmp_path / "no-kustomize"  # type: ignore[method-assign]  # a program that is not there
    with pytest.raises(UserError, match="cannot be rendered") as caught:
        load()
    assert caught.value.problems[0].allowed == "kustomize 1"


def test_several_bundles_are_rendered_in_one_go_and_each_is_kept(load: Loads, manifests: Path) -> None:
    (manifests / "c").mkdir()
    (manifests / "c/kustomization.yaml").write_text("resources: [../sources/thing/base]\nnamePrefix: c-\n")
    assert [[item.name for item in bundle.objects] for bundle in load.all("c", "b")] == [["c-c"], ["x-c"]]
    assert load.rendered == 2
    load.all("b", "c", "b")
    assert load.rendered == 2


def test_all_bundles_that_do_not_render_are_told_at_once(load: Loads, manifests: Path) -> None:
    for name in "cd":
        (manifests / name).mkdir()
        (manifests / name / "kustomization.yaml").write_text(f"resources: [gone-{name}.yaml]\n")
    with pytest.raises(UserError, match="bundles cannot be rendered") as caught:
        load.all("b", "c", "d")
    assert [problem.where for problem in caught.value.problems] == ["bundle c", "bundle d"]
    load.all("b")
    assert load.rendered == 3


def test_an_object_in_two_bundles_names_both(load: Loads, manifests: Path) -> None:
    (manifests / "c").mkdir()
    (manifests / "c/kustomization.yaml").write_text("resources: [../sources/thing/base]\nnamePrefix: x-\n")
    with pytest.raises(OrderingError, match="the same object") as caught:
        load.all("b", "c")
    (problem,) = caught.value.problems
    assert problem.where == "ConfigMap n/x-c"
    assert "bundle b" in problem.found
    assert "bundle c" in problem.found


def test_images_wherever_they_stand() -> None:
    def container(image: str, **more: object) -> dict[str, object]:
        return {"name": "x", "image": image, **more}

    pod = {
        "containers": [container("a:1", env=[{"name": "E", "value": "--image=quay.io/x/env:v1"}])],
        "initContainers": [container("b:1")],
    }
    bodies = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": {"spec": pod}}},
        {"apiVersion": "s.io/v1", "kind": "Runtime", "metadata": {"name": "r"}, "spec": {"containers": [container("c:1")]}},
        {"apiVersion": "s.io/v1", "kind": "Storage", "metadata": {"name": "s"}, "spec": {"container": container("d:1")}},
        {
            "apiVersion": "caching.internal.knative.dev/v1alpha1",
            "kind": "Image",
            "metadata": {"name": "i"},
            "spec": {"image": "e@sha256:1"},
        },
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "c"},
            "spec": {"containers": {"items": {"image": "no:1"}}, "container": {"properties": {"image": {"type": "string"}}}},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "m"},
            "data": {
                "a": '{"image": "gcr.io/p/q@sha256:' + "0" * 64 + '"}',
                "b": "see https://x.io/docs/page:1 or host.io:80",
                "c": "ghcr.io/o/n:2",
            },
        },
    ]
    objects = from_bodies(bodies, origin="here")
    assert images(objects) == ("a:1", "b:1", "c:1", "d:1", "e@sha256:1")
    assert images_in_texts(objects) == ("gcr.io/p/q@sha256:" + "0" * 64, "ghcr.io/o/n:2", "quay.io/x/env:v1")


def test_texts_that_the_release_replaces(load: Loads, manifests: Path) -> None:
    lock = manifests / "sources.lock.yaml"
    content = yaml.safe_load(lock.read_text())
    content["sources"]["thing"]["replace"] = {"'yes'": "{tag}"}
    lock.write_text(yaml.safe_dump(content))
    assert load().objects[0].body["data"]["on"] == "v1"


def test_bases_of_a_source_are_fetched_and_count(load: Loads, manifests: Path) -> None:
    lock = manifests / "sources.lock.yaml"
    content = yaml.safe_load(lock.read_text())
    digest = load().digest
    content["sources"]["base"] = {**content["sources"]["thing"]}
    content["sources"]["thing"]["bases"] = ["base"]
    lock.write_text(yaml.safe_dump(content))
    assert bundles_using("base", manifests, read_lock(lock)) == ("b",)
    assert load().digest != digest
    content["sources"]["thing"]["bases"] = ["nobody"]
    lock.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="names of sources: base, thing"):
        load()


def test_ctrl_c_ends_a_rendering_soon(load: Loads, manifests: Path, tmp_path: Path) -> None:
    for name in ("c", "d"):
        (manifests / name).mkdir()
        (manifests / name / "kustomization.yaml").write_text("resources: [../sources/thing/base]\n")
    program = tmp_path / "kustomize"
    once = f"/bin/mkdir {tmp_path}/interrupted 2>/dev/null && kill -INT $PPID"
    program.write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/pids\n{once}\nexec /bin/sleep 60\n")
    program.chmod(0o755)
    load.kustomize = lambda: program  # type: ignore[method-assign]  # a program that takes long, and has us interrupted
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        load.all("b", "c", "d")
    assert time.monotonic() - began < 5
    for pid in (tmp_path / "pids").read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
    assert not (tmp_path / "cache/bundles").exists()


def test_files_of_a_bundle_that_cannot_be_read(load: Loads, manifests: Path) -> None:
    (manifests / "b/folder.yaml").mkdir()
    load()
    (manifests / "b/bytes.yaml").write_bytes(b"a: \xff")
    (manifests / "b/link.yml").symlink_to("nowhere")
    with pytest.raises(UserError, match="bundle b cannot be read") as caught:
        load()
    assert {problem.where: problem.found for problem in caught.value.problems} == {
        str(manifests / "b/bytes.yaml"): "byte 3 is no UTF-8",
        str(manifests / "b/link.yml"): "a link that leads nowhere",
    }


def test_a_bomb_of_aliases_never_reaches_kustomize(load: Loads, manifests: Path) -> None:
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9))]
    (manifests / "b/bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(UserError, match="cannot be rendered") as caught:
        load()
    assert caught.value.problems[0].where.startswith("bundle b, bomb.yaml")
    assert load.rendered == 0


def test_the_sources_of_a_kustomization_with_the_other_ending(load: Loads, manifests: Path) -> None:
    (manifests / "b/kustomization.yaml").rename(manifests / "b/kustomization.yml")
    assert [item.name for item in load().objects] == ["x-c"]


def test_what_a_killed_run_left_is_removed_by_the_next(load: Loads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    for name in ("mlops-render-killed/sources", "mlops-render-at-work/sources", "mlops-render-new", "other"):
        (scratch / name).mkdir(parents=True)
        if "new" not in name:
            os.utime(scratch / name.partition("/")[0], (0, 0))
    at_work = os.open(scratch / "mlops-render-at-work", os.O_RDONLY)
    fcntl.flock(at_work, fcntl.LOCK_EX)
    load()
    os.close(at_work)
    assert sorted(path.name for path in scratch.iterdir()) == ["mlops-render-at-work", "mlops-render-new", "other"]


@pytest.mark.parametrize("of_many", [True, False])
def test_no_room_to_render(load: Loads, monkeypatch: pytest.MonkeyPatch, of_many: bool) -> None:
    def full(*_: object, **__: object) -> None:
        if of_many:
            raise shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")] * 100)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mlops.bundles.render.shutil.copytree", full)
    with pytest.raises(UserError, match="set TMPDIR to one") as caught:
        load()
    found = caught.value.problems[0].found
    assert found == ("[Errno 28] No space left on device: 'b' (and 99 more)" if of_many else "[Errno 28] No space left on device")
