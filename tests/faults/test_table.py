"""The fault table itself: what it holds, and which part of it a run takes."""

from __future__ import annotations

from collections import Counter

import pytest

from mlops.hosts import STEPS
from tests.faults.cases import CASES, THIRDS
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


@pytest.mark.parametrize(
    ("wish", "day", "name", "some"),
    [
        ("", 0, "connections", "probe-cut"),
        ("", 1, "power", "probe-reboot"),
        ("", 2, "membership", "token-forgotten"),
        ("", 3, "connections", "probe-cut"),
        ("power", 0, "power", "probe-reboot"),
        ("all", 0, "all", "token-forgotten"),
        ("host-off probe-cut", 0, "host-off probe-cut", "host-off"),
    ],
)
def test_a_run_takes_the_third_whose_turn_it_is_unless_told_otherwise(wish: str, day: int, name: str, some: str) -> None:
    third, names = chosen(wish, day)
    assert third == name
    assert some in names
    assert len(names) == {"all": len(CASES), "host-off probe-cut": 2}.get(name, sum(case.third == name for case in CASES))


def test_a_case_that_there_is_not_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"FAULTS=nonsense: .*connections, power, membership"):
        chosen("nonsense", 0)
