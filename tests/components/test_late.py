"""Values of which some are outputs, resolved together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.late import together
from tests.components.recording import record

Late = Callable[[Any], pulumi.Output[Any]]


def resolved(make: Callable[[Late], object]) -> tuple[Any, bool]:
    """What :func:`together` gives, and whether it is secret."""
    found: list[Any] = []

    def program() -> None:
        output = together(make(pulumi.Output.from_input))

        async def look() -> int:
            found.extend([await output.future(), await output.is_secret()])
            return len(found)

        # an output, since the recorder waits for those
        _: pulumi.Output[int] = pulumi.Output.from_input(look())

    record(program)
    value, secret = found
    return value, secret


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda late: {"a": "1", "b": late("2"), "c": "3"}, {"a": "1", "b": "2", "c": "3"}),
        (lambda late: {"hosts": [{"key": late("k")}, {"key": None}], "n": 1}, {"hosts": [{"key": "k"}, {"key": None}], "n": 1}),
        (lambda late: [late({"inner": "x"}), ("y", late(["z"]))], [{"inner": "x"}, ["y", ["z"]]]),
        (lambda _late: {}, {}),
        (lambda _late: {"plain": "text"}, {"plain": "text"}),
    ],
)
def test_outputs_are_resolved_wherever_they_stand(make: Callable[[Late], object], value: object) -> None:
    assert resolved(make) == (value, False)


def test_the_order_of_names_stays_since_it_is_that_of_a_script() -> None:
    value, _ = resolved(lambda late: {"Z": late("1"), "A": "2", "M": late("3")})
    assert list(value) == ["Z", "A", "M"]


def test_one_output_in_two_places_is_resolved_in_both() -> None:
    def twice(late: Late) -> object:
        password = late("p")
        return {"a": password, "b": [password]}

    assert resolved(twice) == ({"a": "p", "b": ["p"]}, False)


def test_all_is_secret_as_soon_as_one_is() -> None:
    assert resolved(lambda _late: {"a": "1", "b": {"c": pulumi.Output.secret("s")}}) == ({"a": "1", "b": {"c": "s"}}, True)
