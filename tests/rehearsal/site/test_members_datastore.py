"""Who votes: dqlite's rules, as far as the stand-in plays them."""

from __future__ import annotations

import pytest

from mlops.rehearsal.site.datastore import Datastore, NoMajorityError

ALL = [f"10.0.0.{number}" for number in range(1, 6)]


def store(size: int) -> Datastore:
    made = Datastore()
    for number, address in enumerate(ALL[:size], 1):
        made.join(address, ALL[:number])
    return made


@pytest.mark.parametrize(
    ("size", "roles"),
    [
        (1, ["voter"]),
        (2, ["voter", "spare"]),
        (3, ["voter"] * 3),
        (5, ["voter"] * 3 + ["standby"] * 2),
    ],
)
def test_three_vote_as_soon_as_there_are_three(size: int, roles: list[str]) -> None:
    assert list(store(size).members.values()) == roles


def test_a_standby_takes_the_place_of_a_dead_voter() -> None:
    made = store(4)
    made.adjust([ALL[0], ALL[1], ALL[3]])
    assert made.voters == [ALL[0], ALL[1], ALL[3]]
    assert made.members[ALL[2]] != "voter"


def test_a_voter_that_leaves_hands_its_vote_over() -> None:
    made = store(4)
    made.hand_over(ALL[0], ALL[:4])
    made.remove(ALL[0], ALL[1:4])
    assert made.voters == ALL[1:4]


def test_three_shrink_to_two_voters_of_which_none_can_leave() -> None:
    made = store(3)
    made.hand_over(ALL[2], ALL[:3])
    made.remove(ALL[2], ALL[:2])
    assert made.voters == ALL[:2]
    made.hand_over(ALL[1], ALL[:2])
    with pytest.raises(NoMajorityError):
        made.remove(ALL[1], ALL[:1])
    assert made.voters == ALL[:2]


@pytest.mark.parametrize(("alive", "majority"), [(3, True), (2, True), (1, False), (0, False)])
def test_more_than_half_of_the_voters_decide(alive: int, majority: bool) -> None:
    made = store(3)
    assert made.has_majority(ALL[:alive]) is majority
    if not majority:
        with pytest.raises(NoMajorityError):
            made.join(ALL[4], ALL[:alive])
