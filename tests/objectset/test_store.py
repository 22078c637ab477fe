"""Objects by digest: what is laid down comes back whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops.errors import UserError
from mlops.objectset import Store, summaries_in, summary


def crd(name: str = "things.example.org", **served: bool) -> dict[str, Any]:
    versions = [{"name": version, "served": flag, "storage": True} for version, flag in (served or {"v1": True}).items()]
    return {"kind": "CustomResourceDefinition", "metadata": {"name": name}, "spec": {"versions": versions}}


def test_what_is_kept_is_taken(tmp_path: Path) -> None:
    store = Store(tmp_path / "definitions")
    kept = store.keep([crd("b.example.org"), crd("a.example.org")])
    assert list(kept) == ["CustomResourceDefinition/a.example.org", "CustomResourceDefinition/b.example.org"]
    assert store.take(kept["CustomResourceDefinition/a.example.org"]) == crd("a.example.org")


def test_a_summary_names_served_versions_and_all_of_the_content() -> None:
    versions, _, digest = summary(crd(v1=True, v1beta1=True, v1alpha1=False)).partition(" ")
    assert versions == "v1,v1beta1"
    assert digest.startswith("sha256:")
    described = crd(v1=True, v1beta1=True, v1alpha1=False)
    described["spec"]["description"] = "another word"
    assert summary(described) != f"{versions} {digest}"


def test_a_damaged_file_is_not_taken_and_is_mended(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (line,) = store.keep([crd()]).values()
    (file,) = tmp_path.glob("*.json")
    file.write_text(file.read_text().replace("v1", "v2"))
    assert store.take(line) is None
    store.keep([crd()])
    assert store.take(line) == crd()


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    Store(tmp_path).keep([crd()])
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="MLOPS_CACHE_DIR"):
        Store(tmp_path / "file" / "definitions").keep([crd()])


def test_the_default_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLOPS_CACHE_DIR", str(tmp_path))
    assert Store.default() == Store(tmp_path / "objects")


def test_summaries_are_told_from_other_variables() -> None:
    line, digest = summary(crd()), summary({"kind": "Role", "metadata": {"name": "c", "namespace": "b"}})
    assert digest.startswith("sha256:")
    variables = {"Role/b/c": digest, "Crd/a.example.org": line, "PATH": line, "a/b": "no summary", "c/d": 3}
    assert summaries_in(variables) == {"Crd/a.example.org": line, "Role/b/c": digest}
