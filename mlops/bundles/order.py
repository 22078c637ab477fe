"""What a bundle says about order beyond its objects: its file ``order.yaml``, and the hooks of its chart."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlops.bundles.bundle import Bundle
from mlops.errors import Problem, UserError
from mlops.ordering import Overrides
from mlops.ordering.overrides import AddedEdge

ORDER_FILE = "order.yaml"


def overrides_of(bundles: Iterable[Bundle], manifests: Path) -> Overrides:
    """Overrides of bundles, as one.

    Args:
        bundles: the bundles.
        manifests: folder that holds theirs.

    Raises:
        OrderingError: each thing that is wrong in a file.
        UserError: a file that cannot be read.
    """
    every = []
    for bundle in bundles:
        every.append(_of_hooks(bundle))
        file = manifests / bundle.name / ORDER_FILE
        if file.is_file():
            every.append(read_overrides(file))
    return Overrides.merged(every)


def read_overrides(file: Path) -> Overrides:
    """Overrides in a file.

    Raises:
        OrderingError: each thing that is wrong in it.
        UserError: it cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("the overrides cannot be read", [Problem(str(file), str(error), "a text file, UTF-8")]) from error
    return Overrides.parse(text, origin=str(file))


def _of_hooks(bundle: Bundle) -> Overrides:
    edges = (AddedEdge(source=str(p.then), target=str(p.first), reason=p.reason) for p in bundle.order)
    return Overrides(add=tuple(edges))
