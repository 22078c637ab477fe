"""The loop is the community distribution's: apply all, pause, apply all again, until kubectl ends with 0."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from mlops.rehearsal.bench.peer import PAUSE_SECONDS, apply_until_accepted
from tests.ordering.objects_for_tests import namespace

# Says no to what is in the file of its state, one line for each attempt; the manifests are noted.
KUBECTL = """#!/bin/sh
cat "$5" >> {folder}/applied
echo >> {folder}/applied
[ -s {folder}/refusals ] || exit 0
sed -i 1d {folder}/refusals
echo 'error: no matches for kind "Thing" in version "g.io/v1"' >&2
exit 1
"""


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def kubectl(folder: Path, refusals: int) -> Path:
    (folder / "refusals").write_text("no\n" * refusals)
    program = folder / "kubectl"
    program.write_text(KUBECTL.format(folder=folder))
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(("refusals", "attempts"), [(0, 1), (1, 2), (3, 3)])
def test_everything_is_applied_again_until_nothing_fails(tmp_path: Path, pauses: list[float], refusals: int, attempts: int) -> None:
    sets = [[namespace("a")], [namespace("b")]]
    done = apply_until_accepted(sets, kubectl=kubectl(tmp_path, refusals), kubeconfig=tmp_path / "none", folder=tmp_path)
    assert (done.attempts, done.accepted, done.unknown) == (attempts, True, refusals)
    assert pauses == [PAUSE_SECONDS] * (attempts - 1)
    applied = [json.loads(line)["items"][0]["metadata"]["name"] for line in (tmp_path / "applied").read_text().splitlines()]
    # a set that fails does not keep the next one back
    assert applied == ["a", "b"] * attempts


def test_a_loop_without_end_is_given_up(tmp_path: Path, pauses: list[float]) -> None:
    done = apply_until_accepted([[namespace("a")]], kubectl=kubectl(tmp_path, 99), kubeconfig=tmp_path / "none", folder=tmp_path)
    assert not done.accepted
    assert len(pauses) == done.attempts - 1
