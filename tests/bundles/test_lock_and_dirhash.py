from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from mlops.bundles import read_lock
from mlops.bundles.dirhash import dirhash
from mlops.errors import UserError

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
        ("unknown", "1", "Extra inputs"),
    ],
)
def test_wrong_entries(tmp_path: Path, key: str, value: str, message: str) -> None:
    lines = "\n".join(f"    {k}: {v}" for k, v in {**GOOD, key: value}.items())
    (tmp_path / "lock").write_text(f"sources:\n  thing:\n{lines}\n")
    with pytest.raises(UserError) as caught:
        read_lock(tmp_path / "lock")
    assert message in str(caught.value)
    assert f"sources.thing.{key}" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "sources: 3", "a: [", "sources: {thing: 4}"])
def test_no_lock_file_at_all(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    with pytest.raises(UserError, match="lock file"):
        read_lock(tmp_path / "lock")
