from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest

from mlops.bundles import read_lock
from mlops.bundles.dirhash import dirhash
from mlops.bundles.lock import scalar
from mlops.errors import UserError
from mlops.ordering.documents import load_yaml

REPOSITORY = Path(__file__).resolve().parents[2]


def test_dirhash_is_the_one_of_go(tmp_path: Path) -> None:
    # golang.org/x/mod sumdb/dirhash hash_test.go, TestHash1: files xyz and abc with contents "data for xyz" and "data for abc".
    (tmp_path / "xyz").write_bytes(b"data for xyz")
    (tmp_path / "abc").write_bytes(b"data for abc")
    line = "{}  abc\n{}  xyz\n".format(hashlib.sha256(b"data for abc").hexdigest(), hashlib.sha256(b"data for xyz").hexdigest())
    assert dirhash(tmp_path) == "h1:" + base64.b64encode(hashlib.sha256(line.encode()).digest()).decode()


def test_dirhash_of_known_content(tmp_path: Path) -> None:
    # computed with golang.org/x/mod v0.29.0: dirhash.HashDir(dir, "", dirhash.Hash1), whose names then have no leading slash
    (tmp_path / "a").mkdir()
    (tmp_path / "a/Z").write_bytes(b"1")
    (tmp_path / "a/b").write_bytes(b"2")
    (tmp_path / "a.txt").write_bytes(b"3")
    assert dirhash(tmp_path) == "h1:fZyEDsZJiHo/jx70HF4Dgfcxb8LrLGknE7AZ3Fq69h0="


def test_dirhash_reads_nothing_outside_and_no_device(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"")
    (tmp_path / "tree").mkdir()
    for to in ("/dev/null", "../outside", "."):
        (tmp_path / "tree/l").symlink_to(to)
        with pytest.raises(OSError, match=r"leads out of the folder|no regular file"):
            dirhash(tmp_path / "tree")
        (tmp_path / "tree/l").unlink()
    os.mkfifo(tmp_path / "tree/pipe")
    with pytest.raises(OSError, match="no regular file"):
        dirhash(tmp_path / "tree")


def test_names_are_sorted_as_bytes(tmp_path: Path) -> None:
    for name in ("a-b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_bytes(name.encode())
    first = dirhash(tmp_path)
    (tmp_path / "a" / "f").write_bytes(b"other")
    assert dirhash(tmp_path) != first


def test_the_lock_of_this_repository_is_readable() -> None:
    sources = read_lock(REPOSITORY / "manifests/sources.lock.yaml")
    assert sources["kubeflow"].archive() == (
        "github.com/kubeflow/community-distribution/f09f3eeaa25cc852665f460497a42b7fc68639ac.tar.gz"
    )


GOOD = {
    "repository": "github.com/o/n",
    "tag": "v1",
    "commit": "a" * 40,
    "paths": "[x]",
    "dirhash": "h1:" + "A" * 43 + "=",
    "licence": "MIT",
}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("repository", "gitlab.com/o/n", "github.com/<owner>/<name>"),
        ("repository", "github.com/o/../n", "github.com/<owner>/<name>"),
        ("commit", "v1.2", "40 hexadecimal digits"),
        ("paths", "[../x]", "relative paths"),
        ("paths", "[/x]", "relative paths"),
        ("paths", "[]", "at least one folder"),
        ("dirhash", "sha256:1", "h1: and a SHA-256"),
        ("unknown", "1", "one of: repository, tag, commit, paths, dirhash, licence, without, bases, built, replace\n"),
        ("tag", "1.10", "found:   the number 1.1\n      allowed: a text, in quotes"),
        ("paths", "x", "allowed: a list"),
        ("built", "[x]", "found:   a list\n      allowed: a mapping"),
        ("licence", "", "found:   nothing\n      allowed: a text"),
    ],
)
def test_wrong_entries(tmp_path: Path, key: str, value: str, message: str) -> None:
    lines = "\n".join(f"    {k}: {v}" for k, v in {**GOOD, key: value}.items())
    (tmp_path / "lock").write_text(f"sources:\n  thing:\n{lines}\n")
    with pytest.raises(UserError) as caught:
        read_lock(tmp_path / "lock")
    assert message in str(caught.value)
    assert f"sources.thing.{key}" in str(caught.value)


def test_an_entry_that_lacks_something(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("sources:\n  thing: {repository: github.com/o/n}\n")
    with pytest.raises(UserError) as caught:
        read_lock(tmp_path / "lock")
    first = caught.value.problems[0]
    assert (first.where, first.found, first.mend) == (f"{tmp_path / 'lock'} sources.thing.tag", "", "add tag")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "a mapping `sources`"),
        ("[]", "a list"),
        ("sources: 3", "the number 3"),
        ("a: [", ", line 2, column 1\n"),
        ("sources: {thing: 4}", "the number 4"),
        ("sources: {thing: {name: other}}", "without `name`"),
        ("sources:\n  thing: {}\n  thing: {}\n", "line 3, column 3"),
        ("sources: {thing: {tag: 0x_}}", "line 1"),
        ("sources: {}\n---\nsources: {}\n", "2 documents"),
        (b"\xff", "byte 0 is no UTF-8"),
        (None, "No such file"),
    ],
)
def test_no_lock_file_at_all(tmp_path: Path, text: str | bytes | None, found: str) -> None:
    if text is not None:
        (tmp_path / "lock").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match="lock file") as caught:
        read_lock(tmp_path / "lock")
    assert found in str(caught.value)
    assert str(tmp_path / "lock") in str(caught.value)


@pytest.mark.parametrize("text", ["v1.2", "1.10", "0x_", "2026-01-01", "it's", "{x", "", "0b1", "yes", "a: b", "# c", "'v1'"])
def test_a_scalar_reads_back_as_its_text(text: str) -> None:
    assert load_yaml(scalar(text), origin="here") == [text]
    assert scalar("v1.2") == "v1.2"
