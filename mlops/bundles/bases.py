"""Remote bases: what kustomizations name by URL, or lack because it is built elsewhere, becomes a folder of a pinned source.

Works on a copy: kustomizations are rewritten in place, nothing is fetched. Only kustomizations that a bundle reaches are looked at,
so that an old corner of an upstream repository does not ask for pins that nobody needs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import yaml

from mlops.bundles.forms import text_of
from mlops.bundles.lock import UNKNOWN_COMMIT, Source, scalar
from mlops.errors import Problem, UserError

KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_FIELDS = ("resources", "bases", "components")
# The spellings of a folder in a git repository that kustomize takes, for GitHub: https, ssh and scp forms, `git::` before them.
_REPOSITORY = re.compile(
    r"(?:git::)?(?:(?:https?|ssh|git)://(?:[^/@]+@)?|git@)?github\.com[/:](?P<owner>[\w-]+)/(?P<name>[\w.-]+?)(?:\.git)?"
    r"(?://?(?P<path>[^?]*))?(?:\?(?P<query>.*))?"
)
_ASSET = re.compile(r"releases/(?:latest/)?download/")
_REMOTE = re.compile(r"[a-z0-9+]+::|[a-z0-9+]+://|[\w.-]+@[\w.-]+:|(?:[\w-]+\.)+(?:com|org|io|dev|net)[/:]")


@dataclass(slots=True)
class Bases:
    """Resolves bases of kustomizations in a folder that holds bundles, and copies of the sources in ``sources/<name>``.

    Attributes:
        root: the folder.
        lock: all sources by name.
        problems: what could not be resolved so far.
    """

    root: Path
    lock: Mapping[str, Source]
    problems: list[Problem] = field(default_factory=list)
    _seen: set[Path] = field(default_factory=set)
    _unknown: dict[tuple[str, str], list[tuple[Path, str, str]]] = field(default_factory=dict)

    def resolve(self, bundle: Path) -> None:
        """Rewrite the kustomizations that a bundle's folder reaches.

        Raises:
            UserError: each base that no source pins, with the entry of the lock that would.
        """
        waiting = [bundle]
        while waiting:
            folder = waiting.pop()
            if folder not in self._seen:
                self._seen.add(folder)
                waiting += self._resolve_one(folder)
        problems = [*self.problems, *(self._new_source(*key, uses) for key, uses in self._unknown.items())]
        self.problems, self._unknown = [], {}
        if problems:
            raise UserError(f"bundle {bundle.name} needs bases that are not pinned", problems)

    def _resolve_one(self, folder: Path) -> list[Path]:
        """Rewrite one kustomization; returns the folders that it builds on."""
        file = next((folder / name for name in KUSTOMIZATION_FILES if (folder / name).is_file()), None)
        if file is None:
            return []
        text = text_of(file)
        onward, edits = [], []
        for item in _entries(text):
            target = self._target(file, item.value)
            if target is None:
                local = Path(os.path.normpath(folder / item.value))
            else:
                local = target
                edits.append((item.start_mark.index, item.end_mark.index, os.path.relpath(target, folder)))
            if local.is_dir():
                onward.append(local)
        for start, end, path in reversed(edits):
            text = f"{text[:start]}{path}{text[end:]}"
        if edits:
            file.write_text(text, encoding="utf-8")
        return onward

    def _target(self, file: Path, entry: str) -> Path | None:
        """Folder that stands for an entry; None when the entry is an ordinary path, or a problem."""
        user = self._source_of(file)
        local = Path(os.path.normpath(file.parent / entry))
        if local.exists():
            return None
        if _REMOTE.match(entry):
            found = self._built(entry) or self._pinned(entry)
            if found is None:
                self._report_unpinned(file, entry)
                return None
        else:
            owner = self._source_of(local)
            if owner is None:
                return None
            found = self._built(f"{owner.name}/{local.relative_to(self.root / 'sources' / owner.name).as_posix()}")
            if found is None:
                return None  # kustomize tells what is missing
        source, path = found
        if user is None:
            self._report(file, entry, "pinned sources by their folders", f"name ../sources/{source.name}/{path} in its place")
        elif source.name not in user.bases:
            bases = ", ".join(sorted({*user.bases, source.name}))
            self._report(
                file,
                entry,
                f"bases that source {user.name} declares",
                f"enter `bases: [{bases}]` at source {user.name} of the lock",
            )
        else:
            return self.root / "sources" / source.name / path
        return None

    def _source_of(self, path: Path) -> Source | None:
        """The source in whose copy a path lies."""
        parts = path.relative_to(self.root).parts if path.is_relative_to(self.root) else ()
        return self.lock.get(parts[1]) if len(parts) > 1 and parts[0] == "sources" else None

    def _built(self, file: str) -> tuple[Source, str] | None:
        return next(((source, source.built[file]) for source in self.lock.values() if file in source.built), None)

    def _pinned(self, url: str) -> tuple[Source, str] | None:
        repository, ref, path = _parse(url)
        for source in self.lock.values():
            covered = any(f"{path}/".startswith(f"{pinned}/") for pinned in source.paths)
            if source.repository.lower() == repository.lower() and ref in {source.tag, source.commit} and covered:
                return source, path
        return None

    def _report_unpinned(self, file: Path, url: str) -> None:
        repository, ref, path = _parse(url)
        if not repository:
            self._report(file, url, "folders of repositories on github.com", "vendor it into the bundle's folder")
            return
        same = [source for source in self.lock.values() if source.repository.lower() == repository.lower()]
        if _ASSET.match(path):
            tag, _, asset = _ASSET.sub("", path).partition("/")
            name = same[0].name if same else repository.rpartition("/")[2].lower()
            mend = f"enter at source {name} of the lock the folder that {asset} is made from, as the repository has it at {tag}:"
            self._report(file, url, "files that a source of the lock says how to build", f"{mend}\n  built:\n    {url}: FOLDER")
        elif same and ref in {same[0].tag, same[0].commit}:
            allowed = f"folders that source {same[0].name} has: {', '.join(same[0].paths)}"
            mend = (
                f"add {path} to `paths` of source {same[0].name} of the lock, then run: mlops fetch --update {same[0].name} {ref}"
            )
            self._report(file, url, allowed, mend)
        elif same:
            allowed = f"{repository} at the pinned {same[0].tag}"
            self._report(file, url, allowed, f"move the pin: mlops fetch --update {same[0].name} {ref or 'TAG'}")
        else:
            self._unknown.setdefault((repository, ref), []).append((file, url, path))

    def _new_source(self, repository: str, ref: str, uses: list[tuple[Path, str, str]]) -> Problem:
        """One repository that the lock does not have, however many of its folders are asked for.

        The entry that is printed is valid, with a commit and a digest that nothing has.
        """
        name, tag = repository.rpartition("/")[2].lower().replace(".", "-"), ref or "TAG"
        users = sorted({user.name for file, _, _ in uses if (user := self._source_of(file))})
        lines = [
            f"enter this into the lock, and {name} into `bases` of {', '.join(users)}; then run: mlops fetch --update {name} {tag}",
            f"  {name}:",
            f"    repository: {repository}",
            f"    tag: {scalar(tag)}",
            f"    commit: {scalar(UNKNOWN_COMMIT)}",
            f"    paths: [{', '.join(sorted({path or 'FOLDER' for _, _, path in uses}))}]",
            f"    dirhash: h1:{'A' * 43}=",
            "    licence: SPDX-IDENTIFIER",
        ]
        where = ", ".join(sorted({file.relative_to(self.root).as_posix() for file, _, _ in uses}))
        return Problem(where, "\n".join(url for _, url, _ in uses), "bases that the lock pins", "\n".join(lines))

    def _report(self, file: Path, entry: str, allowed: str, mend: str) -> None:
        self.problems.append(Problem(file.relative_to(self.root).as_posix(), entry, allowed, mend))


def _entries(text: str) -> Iterator[yaml.ScalarNode]:
    """The entries of a kustomization that can be bases, with their places in the text."""
    try:
        document = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return  # kustomize tells what is wrong with it
    if not isinstance(document, yaml.MappingNode):
        return
    for key, value in document.value:
        if key.value in _FIELDS and isinstance(value, yaml.SequenceNode):
            yield from (item for item in value.value if isinstance(item, yaml.ScalarNode))


def _parse(url: str) -> tuple[str, str, str]:
    """Repository, ref and path of a URL; all empty when it is not on GitHub."""
    found = _REPOSITORY.fullmatch(url)
    if not found:
        return "", "", ""
    query = parse_qs(found["query"] or "")
    ref = (query.get("ref") or query.get("version") or [""])[0]
    return f"github.com/{found['owner']}/{found['name']}", ref, (found["path"] or "").strip("/")
