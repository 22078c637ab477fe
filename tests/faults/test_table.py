"""The fault table itself: what it holds, and which part of it a run takes."""

from __future__ import annotations

from collections import Counter

import pytest

from mlops.hosts import STEPS
from tests.faults.cases import CASES, COMES_AND_GOES, THIRDS
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


@pytest.mark.parametrize("run", ["all", *THIRDS])
def test_in_the_order_of_the_table_no_case_of_a_third_needs_a_run_before_it(run: str) -> None:
    there = {host: host != COMES_AND_GOES for host in {case.host for case in CASES}}
    for case in (case for case in CASES if run in {"all", case.third}):
        assert there[case.host] == (case.work not in {"add", "return"}), case.name
        there[case.host] = case.work not in {"remove", "lose"}


@pytest.mark.parametrize(("day", "third"), list(enumerate([*THIRDS, THIRDS[0]])))
def test_without_a_wish_a_run_takes_the_third_whose_turn_it_is(day: int, third: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURN", str(day))
    assert chosen("") == (third, [case.name for case in CASES if case.third == third])


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        ("all", [case.name for case in CASES]),
        ("power", [case.name for case in CASES if case.third == "power"]),
        ("host-off probe-cut", ["probe-cut", "host-off"]),
    ],
)
def test_by_a_wish_a_run_takes_others(wish: str, names: list[str]) -> None:
    assert chosen(wish) == (wish, names)


def test_a_case_that_there_is_not_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"FAULTS=nonsense: .*connections, power, membership, nor"):
        chosen("nonsense")
