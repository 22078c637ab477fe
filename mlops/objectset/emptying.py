"""Deletes all objects of kinds, before what works on them goes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol


class Objects(Protocol):
    """Objects of custom kinds in a cluster, as :class:`~mlops.objectset.kubectl.Kubectl` shows them."""

    @property
    def deadline(self) -> float:
        """When everything has to be done, on :func:`time.monotonic`'s clock."""

    def with_objects(self, kinds: Sequence[str]) -> list[str]:
        """Those of the kinds, in their order, that have objects."""

    def delete_all(self, kind: str) -> None:
        """Deletes all objects of a kind and waits until they are gone."""


class NotEmptyError(Exception):
    """Kinds that still have objects when the time is over."""


def empty(cluster: Objects, kinds: Sequence[str]) -> list[str]:
    """Deletes all objects of kinds, in the order given, whoever has made them.

    As long as an object is there, its controller makes the objects below it anew; so it goes round until nothing is left.

    Args:
        cluster: where they are.
        kinds: names of CRDs (``<plural>.<group>``).

    Returns:
        Kinds that had objects.

    Raises:
        NotEmptyError: some have objects when the deadline has passed.
    """
    emptied: list[str] = []
    while left := cluster.with_objects(kinds):
        if time.monotonic() > cluster.deadline:
            message = f"there are still objects of {', '.join(left)}"
            raise NotEmptyError(message)
        for kind in left:
            cluster.delete_all(kind)
        emptied += [kind for kind in left if kind not in emptied]
    return emptied
