"""Runs inside a frame (test_faults.py starts it): one site, and the chosen cases of the fault table on it, one after the other."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.rehearsal.site.faults import Faults
from mlops.rehearsal.site.site import ThrowAwaySite
from mlops.rehearsal.site.spec import SiteSpec
from tests.faults.cases import CASES, COMES_AND_GOES, Case
from tests.faults.troubles import Stage
from tests.faults.world import World
from tests.rehearsal.run.on_a_site import given_plan

_WANTED = os.environ.get("FAULTS_CASES", "").split()
_RESTART_SECONDS = 0.5


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    plan = given_plan()
    with ThrowAwaySite(SiteSpec.load(plan.spec_file), plan.tools, plan.workdir / "site", plan.base) as site:
        site.stand_ins.microk8s.restart_seconds = _RESTART_SECONDS
        faults = Faults(site)
        faults.install()
        try:
            made = World.make(plan, site, faults)
            made.watch_voters()
            with made.beside:
                yield made
        finally:
            faults.stop()


def converge(world: World) -> float:
    began = time.monotonic()
    ended = world.converge()
    assert ended.code == 0, ended.text
    return time.monotonic() - began


def test_the_site_is_deployed(world: World) -> None:
    """All hosts but one, then every step on every host again: how many commands each step runs, and that nothing changes."""
    since = world.mark()
    world.take_out(COMES_AND_GOES)
    converge(world)
    world.measure("fresh")
    before = {host: world.files(host) for host in world.present}
    world.again(*world.present)
    converge(world)
    world.measure("again")
    assert {host: world.files(host) for host in world.present} == before
    assert not world.wrong(since)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES if case.name in _WANTED])
def test_the_next_up_converges(world: World, case: Case) -> None:
    began = time.monotonic()
    row = {"case": case.name, "result": "failed"}
    try:
        row |= run(world, case)
        row["result"] = "converged"
    except BaseException:
        world.recover()
        raise
    finally:
        world.faults.forget()
        row["seconds"] = f"{time.monotonic() - began:.1f}"
        with Path(os.environ["FAULTS_RESULTS"]).open("a", encoding="utf-8") as results:
            results.write(json.dumps(row) + "\n")


def run(world: World, case: Case) -> dict[str, str]:
    world.begin(case.work, case.host)
    stage = Stage(world, case.at or case.host, case.mode)
    since, before = world.mark(), {host: world.files(host) for host in world.present}
    world.change(case.work, case.host)
    case.trouble.arm(stage)
    try:
        with world.up() as running:
            struck = running.end()
    finally:
        where = case.trouble.disarm(stage)
    case.trouble.mend(stage)
    assert (struck.code != 0) == case.trouble.fails, struck.text
    assert "Traceback" not in struck.text
    missing = [words for words in case.told if words not in struck.text]
    assert not missing, struck.text
    seconds = converge(world)
    if world.operator.checkpoint()["pending"]:
        assert world.operator.run("refresh", "--clear-pending-creates", "--yes", "--skip-preview").code == 0
    assert not world.wrong(since)
    if case.work == "again":
        assert {host: world.files(host) for host in world.present} == before
    return {"struck": where, "again": f"{seconds:.1f}"}


def test_in_the_end_nothing_is_left_to_do(world: World) -> None:
    ended = world.operator.nothing_to_do()
    assert ended.code == 0, ended.text
