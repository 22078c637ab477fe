"""The fault table itself: what it holds, and which part of it a run takes."""

from __future__ import annotations

from collections import Counter

import pytest

from mlops.hosts import STEPS
from tests.faults.cases import CASES, COMES_AND_GOES, PARTS, THIRDS, part
from tests.faults.harms import CUT, POWER_LOSS, REBOOT, Harm
from tests.faults.test_faults import chosen
from tests.faults.troubles import Halted, Said


def test_names_are_of_one_case_each() -> None:
    assert [name for name, count in Counter(case.name for case in CASES).items() if count > 1] == []


def test_there_are_thirty_at_least_and_no_third_is_empty_of_work() -> None:
    sizes = Counter(case.third for case in CASES)
    assert sum(sizes.values()) >= 30
    assert sorted(sizes) == sorted(THIRDS)
    assert min(sizes.values()) >= 10


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("harm", [CUT, REBOOT, POWER_LOSS], ids=["cut", "reboot", "power-loss"])
def test_every_step_meets_every_fault_of_a_host(step: str, harm: Harm) -> None:
    met = [case.trouble for case in CASES if isinstance(case.trouble, Halted) and case.trouble.step == step]
    assert harm in [trouble.harm for trouble in met]


@pytest.mark.parametrize("step", ["withdraw", "drain", "return", "nodes"])
def test_steps_on_the_machine_that_deploys_are_cut(step: str) -> None:
    assert [case.name for case in CASES if isinstance(case.trouble, Said) and f"-{step} " in case.trouble.words]


@pytest.mark.parametrize("third", THIRDS)
def test_the_parts_of_a_third_are_its_halves(third: str) -> None:
    whole = [case.name for case in CASES if case.third == third]
    halves = [[case.name for case in part(name)] for name in PARTS if name.startswith(third)]
    assert sorted(name for half in halves for name in half) == sorted(whole)
    assert max(len(half) for half in halves) - min(len(half) for half in halves) <= 1


@pytest.mark.parametrize("name", PARTS)
def test_in_the_order_of_the_table_no_case_of_a_part_needs_a_run_before_it(name: str) -> None:
    there = {host: host != COMES_AND_GOES for host in {case.host for case in CASES}}
    for case in part(name):
        assert there[case.host] == (case.work not in {"add", "return"}), case.name
        there[case.host] = case.work not in {"remove", "lose"}


@pytest.mark.parametrize(("day", "name"), list(enumerate([*PARTS, PARTS[0]])))
def test_without_a_wish_a_run_takes_the_part_whose_turn_it_is(day: int, name: str) -> None:
    assert chosen("", day) == (name, [case.name for case in part(name)])


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        ("all", [case.name for case in CASES]),
        ("power", [case.name for case in CASES if case.third == "power"]),
        ("power-2", [case.name for case in part("power-2")]),
        ("host-off probe-cut", ["probe-cut", "host-off"]),
    ],
)
def test_by_a_wish_a_run_takes_others(wish: str, names: list[str]) -> None:
    assert chosen(wish, 0) == (wish, names)


def test_a_case_that_there_is_not_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"FAULTS=nonsense: .*connections, power, membership, .*-2"):
        chosen("nonsense", 0)
