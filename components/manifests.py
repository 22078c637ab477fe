"""The bundles of this checkout, from the places that the settings name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mlops.bundles import Bundle, Kustomize, Places, load_bundles, read_lock
from mlops.bundles.order import overrides_of
from mlops.folders import cache_folder
from mlops.ordering import Overrides
from mlops.settings import Sources


@dataclass(frozen=True, kw_only=True)
class Manifests:
    """What layers take their upstream objects from.

    Attributes:
        folder: folder with ``sources.lock.yaml`` and the bundles.
        places: where sources are looked for.
    """

    folder: Path
    places: Places
    _loaded: dict[str, Bundle] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, checkout: Path, sources: Sources) -> Manifests:
        """Those of a checkout."""
        places = Places.from_environment(checkout=checkout, air_gap=sources.air_gap, mirrors=sources.mirrors)
        return cls(folder=checkout / "manifests", places=places)

    def load(self, *names: str) -> tuple[Bundle, ...]:
        """Renders bundles, several at a time, as far as they are not kept in the cache; each is read once in a run.

        Raises:
            UserError: a source is not to be had, or a folder does not render.
        """
        missing = [name for name in names if name not in self._loaded]
        if missing:
            found = load_bundles(
                missing, manifests=self.folder, places=self.places, cache=cache_folder(), kustomize=Kustomize.pinned()
            )
            self._loaded.update((bundle.name, bundle) for bundle in found)
        return tuple(self._loaded[name] for name in names)

    def version(self, source: str) -> str:
        """Release of an upstream source, as the lock file pins it."""
        return read_lock(self.folder / "sources.lock.yaml")[source].tag

    def overrides(self, bundles: Iterable[Bundle]) -> Overrides:
        """What bundles say about order beyond their objects."""
        return overrides_of(bundles, self.folder)
