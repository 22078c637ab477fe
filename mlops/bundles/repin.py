"""Moving sources to other versions: new pins in the lock file, and what they change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import yaml

from mlops.bundles.bundle import LOCK_FILE, bundles_using, load_bundles
from mlops.bundles.changes import Changes, compare
from mlops.bundles.fetch import Report, fetch_unverified
from mlops.bundles.lock import UNKNOWN_COMMIT, Source, read_lock, scalar
from mlops.bundles.places import Places
from mlops.bundles.programs import Helm, Kustomize
from mlops.bundles.tags import commit_of
from mlops.errors import Problem, UserError
from mlops.tools.progress import Progress


@dataclass(frozen=True, slots=True)
class Repin:
    """Sources at their new pins.

    Attributes:
        before: the sources as they were, by name.
        after: the same at their new pins.
        changes: what that changes, by name of the bundles that use them; empty when nothing is known of the time before.
    """

    before: Mapping[str, Source]
    after: Mapping[str, Source]
    changes: Mapping[str, Changes]


def repin(
    tags: Mapping[str, str],
    *,
    manifests: Path,
    places: Places,
    cache: Path,
    kustomize: Kustomize,
    helm: Helm | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
) -> Repin:
    """Move sources to other tags: find their commits, fetch, render what uses them before and after, write the lock file.

    Several sources go together when one names another at its new tag as a base. The lock file is written last, and only when all
    bundles render: otherwise nothing is changed.

    Args:
        tags: new tags, or commits, by name of the source.
        manifests: folder with the lock file and the bundles.
        places: where to look for tags and archives.
        cache: folder of the cache.
        kustomize: what to render kustomizations with.
        helm: what to render charts with; the pinned one when left out.
        report: called with one line for each source that had to be fetched.
        progress: told of downloads and renderings.

    Raises:
        UserError: no such source, a tag that nobody knows, no archive, a bundle that does not render with it.
    """
    file = manifests / LOCK_FILE
    lock = read_lock(file)
    unknown = [name for name in tags if name not in lock]
    if unknown:
        problems = [Problem(str(file), name, f"one of: {', '.join(sorted(lock))}", "enter the source first") for name in unknown]
        raise UserError("there is no such source", problems)
    moved = {}
    for name, tag in tags.items():
        source = lock[name].model_copy(update={"tag": tag, "commit": commit_of(lock[name], tag, places)})
        moved[name] = fetch_unverified(source, places, cache, progress=progress)
    used_by = sorted({bundle for name in tags for bundle in bundles_using(name, manifests, lock)})
    load = partial(
        load_bundles, used_by, manifests=manifests, places=places, cache=cache, kustomize=kustomize, helm=helm, report=report,
        progress=progress,
    )  # fmt: skip
    new = load(lock={**lock, **moved})
    changes = {}
    if not any(lock[name].commit == UNKNOWN_COMMIT for name in tags):
        try:
            old = load(lock=lock)
        except UserError as error:
            if report:
                report(f"what changes is not known, as the old pins do not render: {error}")
        else:
            changes = {after.name: compare(before.objects, after.objects) for before, after in zip(old, new, strict=True)}
    _replace(file, rewritten(file.read_text(encoding="utf-8"), moved))
    return Repin({name: lock[name] for name in tags}, moved, changes)


def _replace(file: Path, text: str) -> None:
    """Write a file so that it is never there by half."""
    scratch = file.with_name(f".{file.name}.new")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(file)


def rewritten(text: str, sources: Mapping[str, Source]) -> str:
    """Text of a lock file with tag, commit and digest of some sources replaced; comments and layout stay.

    Args:
        text: a lock file that holds these sources.
        sources: their new values by name.
    """
    edits = []
    document = cast("yaml.MappingNode", yaml.compose(text, Loader=yaml.SafeLoader))
    (entries,) = (value for key, value in document.value if key.value == "sources")
    for key, entry in entries.value:
        source = sources.get(key.value)
        for field, value in entry.value if source else ():
            if field.value in {"tag", "commit", "dirhash"}:
                edits.append((value.start_mark.index, value.end_mark.index, scalar(getattr(source, field.value))))
    for start, end, value in sorted(edits, reverse=True):
        text = f"{text[:start]}{value}{text[end:]}"
    return text
