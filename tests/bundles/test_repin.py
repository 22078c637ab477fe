"""Moving pins: which commit a tag is, what changes, and what is written."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from mlops.bundles import Kustomize, Source, read_lock
from mlops.bundles.changes import compare
from mlops.bundles.repin import Repin, repin, rewritten
from mlops.bundles.tags import commit_of
from mlops.errors import UserError
from mlops.ordering import KubeObject, from_bodies
from mlops.tools import tool
from tests.bundles.source_archives import archive, make_places, make_source
from tests.bundles.test_download import Server, server

__all__ = ["server"]  # a fixture

NEW = "b" * 40
CONFIG_MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: n}\ndata: {version: 'VERSION'}\n"


def files(version: bytes) -> dict[str, bytes]:
    return {"base/kustomization.yaml": b"resources: [a.yaml]\n", "base/a.yaml": CONFIG_MAP.replace(b"VERSION", version)}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return make_source(tmp_path / "plain", files(b"1"))


def tag_archive(comment: str | None) -> bytes:
    """An archive as `git archive` makes it: the commit is the comment of its global header."""
    stream = io.BytesIO()
    headers = {} if comment is None else {"comment": comment}
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers) as tar:
        tar.addfile(tarfile.TarInfo("thing-v2/base/x"))
    return gzip.compress(stream.getvalue())


def test_a_commit_stands_for_itself(source: Source) -> None:
    assert commit_of(source, NEW, make_places()) == NEW


def test_the_index_of_a_mirror_tells_the_commit(tmp_path: Path, source: Source) -> None:
    (tmp_path / "index.tsv").write_text(
        f"repository\tref\tcommit\tpaths\nowner/else\tv2\t{'c' * 40}\tx\nowner/thing\tv2\t{NEW}\tx\n"
    )
    assert commit_of(source, "v2", make_places(air_gap=tmp_path)) == NEW
    assert commit_of(source, "v2", make_places(mirrors=(tmp_path.as_uri(),))) == NEW
    assert commit_of(source, "v2", make_places(neighbour=tmp_path)) == NEW


def test_the_origin_tells_the_commit_in_the_header_of_the_archive(source: Source, server: Server) -> None:
    server.content = tag_archive(NEW)
    assert commit_of(source, "v2", make_places(origin=server.url)) == NEW


@pytest.mark.parametrize("content", [tag_archive(None), tag_archive("v2"), b"no archive"])
def test_an_origin_that_does_not_tell(source: Source, server: Server, content: bytes) -> None:
    server.content = content
    with pytest.raises(UserError, match=r"header has no commit|is no archive"):
        commit_of(source, "v2", make_places(origin=server.url))


def test_nobody_knows_the_tag(tmp_path: Path, source: Source) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/index.tsv").write_text("repository\tref\tcommit\nowner/thing\tv2\tabc\n")
    with pytest.raises(UserError, match="not known which commit the tag is") as caught:
        commit_of(source, "v2", make_places(mirrors=(str(tmp_path / "a"), "ftp://x"), neighbour=tmp_path / "c"))
    lines = caught.value.problems[0].found.splitlines()
    assert lines[0] == f"{tmp_path}/a/index.tsv: 'abc' is no commit"
    assert lines[2] == f"{tmp_path}/c/index.tsv: no such file"
    assert "/owner/thing/archive/refs/tags/v2.tar.gz: " in lines[3]


def test_with_an_air_gap_folder_nobody_else_is_asked_for_a_tag(tmp_path: Path, source: Source, server: Server) -> None:
    server.content = tag_archive(NEW)
    with pytest.raises(UserError, match="not known which commit the tag is") as caught:
        commit_of(source, "v2", make_places(air_gap=tmp_path / "a", neighbour=tmp_path / "c", origin=server.url))
    assert caught.value.problems[0].found == f"{tmp_path}/a/index.tsv: no such file"
    assert not server.asked


LOCK = """\
# about
sources:
  thing:   # the thing
    repository: github.com/owner/thing
    tag: v1
    commit: {commit}
    paths: [base]
    dirhash: {dirhash}
    licence: MIT
  other: {{repository: github.com/owner/other, tag: v1, commit: {commit}, paths: [base], dirhash: "{dirhash}", licence: MIT}}
"""


@pytest.fixture
def manifests(tmp_path: Path, source: Source) -> Path:
    """The bundle `b` on source `thing`, and a mirror that has it at both commits and knows the tag v2."""
    archive(tmp_path / "mirror" / source.archive(), files(b"1"))
    archive(tmp_path / "mirror" / source.model_copy(update={"commit": NEW}).archive(), files(b"2"))
    (tmp_path / "mirror/index.tsv").write_text(f"repository\tref\tcommit\nowner/thing\tv2\t{NEW}\n")
    folder = tmp_path / "manifests"
    (folder / "b").mkdir(parents=True)
    (folder / "b/kustomization.yaml").write_text("resources: [../sources/thing/base]\n")
    (folder / "sources.lock.yaml").write_text(LOCK.format(commit=source.commit, dirhash=source.dirhash))
    return folder


def move(manifests: Path, lines: list[str] | None = None, **tags: str) -> Repin:
    scratch = manifests.parent
    return repin(
        tags,
        manifests=manifests,
        places=make_places(neighbour=scratch / "mirror"),
        cache=scratch / "cache",
        kustomize=Kustomize("1", lambda: tool("kustomize")),
        report=None if lines is None else lines.append,
    )


def test_a_pin_moves_and_what_changes_is_told(manifests: Path) -> None:
    done = move(manifests, thing="v2")
    assert list(done.changes["b"].lines()) == ["0 objects added, 0 removed, 1 changed", "~ ConfigMap n/c: data.version"]
    text = (manifests / "sources.lock.yaml").read_text()
    assert text.startswith("# about\nsources:\n  thing:   # the thing\n")
    lock = read_lock(manifests / "sources.lock.yaml")
    assert (lock["thing"].tag, lock["thing"].commit) == ("v2", NEW)
    assert lock["thing"] == done.after["thing"]
    assert lock["other"].tag == "v1"
    assert not move(manifests, thing="v2").changes["b"]


def test_a_version_that_does_not_render_changes_nothing(manifests: Path) -> None:
    archive(
        manifests.parent / "mirror/github.com/owner/thing" / f"{NEW}.tar.gz", {"base/kustomization.yaml": b"resources: [gone]\n"}
    )
    before = (manifests / "sources.lock.yaml").read_text()
    with pytest.raises(UserError, match="cannot be rendered"):
        move(manifests, thing="v2")
    assert (manifests / "sources.lock.yaml").read_text() == before


def test_an_archive_without_the_paths(manifests: Path) -> None:
    archive(manifests.parent / "mirror/github.com/owner/thing" / f"{NEW}.tar.gz", {"docs/x": b""})
    with pytest.raises(UserError, match="holds nothing below base"):
        move(manifests, thing="v2")


def test_a_new_source_has_no_time_before(manifests: Path) -> None:
    file = manifests / "sources.lock.yaml"
    file.write_text(file.read_text().replace(f"commit: {'a' * 40}\n", f"commit: '{'0' * 40}'\n"))
    assert move(manifests, thing="v2").changes == {}
    assert read_lock(file)["thing"].commit == NEW


def test_old_pins_that_do_not_render_are_told_and_do_not_hold_back_the_new_ones(manifests: Path, source: Source) -> None:
    (manifests.parent / "mirror" / source.archive()).unlink()
    lines: list[str] = []
    assert move(manifests, lines, thing="v2").changes == {}
    assert "the old pins do not render: an upstream source is not available" in lines[0]
    assert read_lock(manifests / "sources.lock.yaml")["thing"].commit == NEW


def test_no_such_source(manifests: Path) -> None:
    with pytest.raises(UserError, match="there is no such source") as caught:
        move(manifests, nobody="v2")
    assert caught.value.problems[0].allowed == "one of: other, thing"


@pytest.mark.parametrize("tag", ["1.10", "v2", "1e3", "true"])
def test_tags_stay_texts(tmp_path: Path, source: Source, tag: str) -> None:
    text = LOCK.format(commit=source.commit, dirhash=source.dirhash)
    (tmp_path / "lock").write_text(rewritten(text, {"thing": source.model_copy(update={"tag": tag, "commit": "1" * 40})}))
    assert read_lock(tmp_path / "lock")["thing"].tag == tag
    assert read_lock(tmp_path / "lock")["thing"].commit == "1" * 40


def deployment(name: str, image: str, **spec: object) -> KubeObject:
    containers = [{"name": "c", "image": image}]
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "n"},
        "spec": {"template": {"spec": {"containers": containers}}, **spec},
    }
    return from_bodies([body], origin="")[0]


def test_changes() -> None:
    before = [deployment("a", "i:1", replicas=1, paused=True), deployment("b", "j:1")]
    after = [deployment("a", "i:2", replicas=True, x=1), deployment("c", "i:2")]
    assert list(compare(before, after).lines()) == [
        "1 objects added, 1 removed, 1 changed",
        "+ Deployment.apps n/c",
        "- Deployment.apps n/b",
        "~ Deployment.apps n/a: spec.paused, spec.replicas, spec.template.spec.containers[0].image, spec.x",
        "+ image i:2",
        "- image i:1",
        "- image j:1",
    ]
    assert not compare(before, before)


def test_many_fields_are_counted() -> None:
    (line,) = [
        line
        for line in compare([deployment("a", "i")], [deployment("a", "i", **dict.fromkeys("abcdefgh", 1))]).lines()
        if line[0] == "~"
    ]
    assert line.endswith("spec.f and 2 more")
