"""`kill -9` of the engine in the middle of Kubeflow: the next `up` takes it up where it was."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rehearsal.controllers.own_namespaces import result_of

pytestmark = [pytest.mark.engine, pytest.mark.site, pytest.mark.alone, pytest.mark.turn("engine killed", "in Kubeflow")]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    scratch = tmp_path_factory.mktemp("killed")
    return result_of("tests.rehearsal.run.inside_killed", scratch, log=scratch / "cluster" / "controllers.log", seconds=1200)


def test_it_was_killed_in_the_middle(result: dict[str, Any]) -> None:
    assert 12 <= result["installed"] < 50
    assert result["pending"], "steps were under way"


def test_the_next_up_brings_everything(result: dict[str, Any]) -> None:
    code, text = result["second"]
    assert code == 0, text
    assert result["unseen"] == []


def test_nothing_was_refused_before_and_after(result: dict[str, Any]) -> None:
    assert result["refused"] == []


def test_and_then_nothing_is_left_to_do(result: dict[str, Any]) -> None:
    assert result["third"] == [0, 0]
