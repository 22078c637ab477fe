"""Values of which some are known late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pulumi


def together(values: Any) -> pulumi.Output[Any]:
    """Mappings and lists, however deep, with the outputs in them resolved: secret or unknown as soon as one of those is.

    As ``pulumi.Output.all``, which makes an output, and so a task, of each key and of each value that is known already as well: for
    a host's steps some four thousand of them.
    """
    late = {id(value): value for value in _outputs(values)}
    known: pulumi.Output[list[Any]] = pulumi.Output.all(*late.values())
    return known.apply(lambda found: _filled(values, dict(zip(late, found, strict=True))))


def _outputs(values: Any) -> Iterator[pulumi.Output[Any]]:
    match values:
        case pulumi.Output():
            yield values
        case Mapping():
            for value in values.values():
                yield from _outputs(value)
        case list() | tuple():
            for value in values:
                yield from _outputs(value)


def _filled(values: Any, known: Mapping[int, Any]) -> Any:
    match values:
        case pulumi.Output():
            return known[id(values)]
        case Mapping():
            return {name: _filled(value, known) for name, value in values.items()}
        case list() | tuple():
            return [_filled(value, known) for value in values]
    return values
