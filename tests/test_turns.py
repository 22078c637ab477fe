"""What takes turns: every part has one, a wish is heard, and a part that does not run says so."""

from __future__ import annotations

import pytest

from tests import turns

PARTS = ("a", "b", "c")


def test_every_part_has_its_day() -> None:
    assert [turns.todays(PARTS, {"TURN": str(day)}) for day in range(4)] == [("a",), ("b",), ("c",), ("a",)]


def test_without_a_wish_it_is_todays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 7 * 24 * 60 * 60 + 1.0)
    assert turns.todays(PARTS, {}) == ("b",)


def test_all_at_once() -> None:
    assert turns.todays(PARTS, {"TURN": "all"}) == PARTS


def test_a_wish_is_a_number_or_all() -> None:
    with pytest.raises(ValueError, match="tomorrow"):
        turns.todays(PARTS, {"TURN": "tomorrow"})


def test_a_part_that_is_left_out_says_whose_turn_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "GROUPS", {"letters": PARTS})
    monkeypatch.setenv("TURN", "2")
    assert turns.left_out("letters", "c") == ""
    assert "today is the turn of c" in turns.left_out("letters", "a")
    with pytest.raises(ValueError, match=r"not in tuple"):
        turns.left_out("letters", "d")
    with pytest.raises(KeyError, match="figures"):
        turns.left_out("figures", "a")
