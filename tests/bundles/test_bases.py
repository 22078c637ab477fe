"""Remote bases become folders of pinned sources; what is not pinned is told with the entry that would pin it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlops.bundles import Source, read_lock
from mlops.bundles.bases import Bases
from mlops.errors import UserError

ASSET = "https://github.com/owner/asset/releases/download/v3/all.yaml"


def source(name: str, tag: str = "v1", **values: object) -> Source:
    return Source.model_validate(
        {
            "name": name,
            "repository": f"github.com/owner/{name}",
            "tag": tag,
            "commit": "a" * 40,
            "paths": ("config",),
            "dirhash": "h1:" + "A" * 43 + "=",
            "licence": "MIT",
            **values,
        }
    )


LOCK = {
    "up": source("up", bases=("base", "asset")),
    "base": source("base", tag="v2", commit="b" * 40),
    "asset": source("asset", built={ASSET: "config/all", "up/config/big.yaml": "config/big"}),
    "other": source("other"),
}
PINNED = "../../base/config/default"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A bundle `b` on source `up`, and all sources with the folders that they may be asked for."""
    write(tmp_path / "b", "../sources/up/config")
    for folder in ("base/config/default", "asset/config/all", "asset/config/big", "other/config"):
        write(tmp_path / "sources" / folder)
    return tmp_path.resolve()


def write(folder: Path, *resources: str, text: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "kustomization.yaml"
    file.write_text(text or yaml.safe_dump({"resources": list(resources)}))
    return file


def resolve(root: Path) -> None:
    Bases(root, LOCK).resolve(root / "b")


@pytest.mark.parametrize(
    ("entry", "becomes"),
    [
        ("https://github.com/owner/base/config/default?ref=v2", PINNED),
        ("https://github.com/owner/base//config/default?ref=v2", PINNED),
        ("https://github.com/owner/base.git//config/default?ref=v2&timeout=90s", PINNED),
        ("https://github.com/Owner/base//config/default/?version=v2", PINNED),
        (f"github.com/owner/base/config/default?ref={'b' * 40}", PINNED),
        ("git@github.com:owner/base.git//config/default?ref=v2", PINNED),
        ("ssh://git@github.com/owner/base//config/default?ref=v2", PINNED),
        ("git::https://github.com/owner/base//config/default?ref=v2", PINNED),
        (ASSET, "../../asset/config/all"),
        ("big.yaml", "../../asset/config/big"),
    ],
)
@pytest.mark.parametrize("field", ["resources", "bases", "components"])
def test_what_becomes_of_a_base(root: Path, entry: str, becomes: str, field: str) -> None:
    file = write(root / "sources/up/config", text=f"# naïve\n{field}:\n- '{entry}' # kept\nnamespace: n\n")
    resolve(root)
    assert file.read_text() == f"# naïve\n{field}:\n- {becomes} # kept\nnamespace: n\n"


def test_local_entries_stay_as_they_are(root: Path) -> None:
    text = "resources: [a.yaml, ../config/deeper, nowhere.yaml]\n"
    file = write(root / "sources/up/config", text=text)
    (root / "sources/up/config/a.yaml").write_text("")
    deeper = write(root / "sources/up/config/deeper", ASSET)
    resolve(root)
    assert file.read_text() == text
    assert yaml.safe_load(deeper.read_text()) == {"resources": ["../../../asset/config/all"]}


def test_what_no_bundle_reaches_needs_no_pin(root: Path) -> None:
    write(root / "sources/up/config", "a.yaml")
    write(root / "sources/up/config/old", "https://github.com/owner/gone//x?ref=v0")
    resolve(root)


UNPINNED = {
    "a new repository": (
        "https://github.com/owner/New.Thing//deploy/all?ref=1.0",
        "bases that the lock pins",
        [
            "and new-thing into `bases` of up",
            "mlops fetch --update new-thing 1.0",
            "  new-thing:",
            "    repository: github.com/owner/New.Thing",
            "    tag: '1.0'",
            "    paths: [deploy/all]",
        ],
    ),
    "without a ref": ("https://github.com/owner/new/x", "the lock pins", ["mlops fetch --update new TAG"]),
    "another tag": ("https://github.com/owner/base//config?ref=v9", "pinned v2", ["mlops fetch --update base v9"]),
    "another folder": (
        "https://github.com/owner/base//deploy?ref=v2",
        "base has: config",
        ["add deploy to `paths` of source base"],
    ),
    "a release file": (
        ASSET.replace("v3", "v4"),
        "says how to build",
        ["at source asset", "at v4", f"    {ASSET.replace('v3', 'v4')}: FOLDER"],
    ),
    "another host": ("https://gitlab.com/owner/x//y?ref=v1", "on github.com", ["vendor it"]),
    "a plain file": ("https://example.com/x.yaml", "on github.com", ["vendor it"]),
    "a source not declared": (
        "https://github.com/owner/other//config?ref=v1",
        "source up declares",
        ["`bases: [asset, base, other]` at source up"],
    ),
}


@pytest.mark.parametrize("case", UNPINNED)
def test_unpinned_bases(root: Path, case: str) -> None:
    entry, allowed, mends = UNPINNED[case]
    write(root / "sources/up/config", entry)
    with pytest.raises(UserError, match="bundle b needs bases that are not pinned") as caught:
        resolve(root)
    (problem,) = caught.value.problems
    assert problem.where == "sources/up/config/kustomization.yaml"
    assert problem.found == entry
    assert allowed in problem.allowed
    for mend in mends:
        assert mend in problem.mend


def test_all_unpinned_bases_are_told_at_once(root: Path) -> None:
    urls = [
        "https://github.com/o/a/x?ref=1",
        "https://gitlab.com/o/x?ref=1",
        "https://github.com/o/b/x?ref=1",
        "https://github.com/o/a/y?ref=1",
    ]
    write(root / "sources/up/config", *urls)
    with pytest.raises(UserError) as caught:
        resolve(root)
    assert [problem.found for problem in caught.value.problems] == [urls[1], f"{urls[0]}\n{urls[3]}", urls[2]]
    assert "    paths: [x, y]" in caught.value.problems[1].mend


def test_a_bundle_names_pinned_sources_by_their_folders(root: Path) -> None:
    write(root / "b", "https://github.com/owner/base//config/default?ref=v2")
    with pytest.raises(UserError, match=r"name \.\./sources/base/config/default in its place"):
        resolve(root)


def test_the_entry_that_is_printed_can_be_entered(root: Path, tmp_path: Path) -> None:
    write(root / "sources/up/config", "https://github.com/owner/new//deploy?ref=v1")
    with pytest.raises(UserError) as caught:
        resolve(root)
    _, _, entry = caught.value.problems[0].mend.partition("\n")
    lock = tmp_path / "lock.yaml"
    lock.write_text(f"sources:\n{entry}\n")
    assert read_lock(lock)["new"].paths == ("deploy",)
