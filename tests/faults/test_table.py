"""The fault table itself: what it holds, and which part of it a run takes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mlops.hosts import STEPS
from tests.faults.cases import CASES, PARTS, THIRDS, part
from tests.faults.harms import CUT, POWER_LOSS, REBOOT, Harm
from tests.faults.test_faults import chosen, report
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


@pytest.mark.parametrize(("day", "name"), list(enumerate([*PARTS, PARTS[0]])))
def test_without_a_wish_a_run_takes_what_is_proven_of_the_part_whose_turn_it_is(day: int, name: str) -> None:
    turn, names, left_out = chosen("", day)
    assert turn == name
    assert names
    assert names == [case.name for case in part(name) if not case.unproven]
    assert left_out == [case for case in part(name) if case.unproven]


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        ("all", [case.name for case in CASES]),
        ("power", [case.name for case in CASES if case.third == "power"]),
        ("power-2", [case.name for case in part("power-2")]),
        ("host-off probe-cut", ["probe-cut", "host-off"]),
    ],
)
def test_by_a_wish_a_run_takes_what_is_not_proven_too(wish: str, names: list[str]) -> None:
    assert chosen(wish, 0) == (wish, names, [])


def test_a_case_that_there_is_not_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"FAULTS=nonsense: .*connections, power, membership, .*-2"):
        chosen("nonsense", 0)


def test_what_a_turn_leaves_out_is_told_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results.jsonl"
    results.write_text('{"case": "ran", "result": "converged"}\n')
    report("faults", results, [replace(CASES[0], name="waits", unproven="nobody has run it")])
    told = capsys.readouterr().out
    assert re.search(r"ran .*converged", told)
    assert re.search(r"waits .*left out: nobody has run it", told)
