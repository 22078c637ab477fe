"""Work on several things at a time: errors of all are told, and an interruption ends it soon."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from mlops.bundles.threads import StoppedError, go_on, in_threads
from mlops.errors import Problem, UserError


def test_results_are_in_the_order_of_the_items() -> None:
    assert in_threads(str, range(20), at_once=3, failed="") == [str(i) for i in range(20)]


def test_one_problem_of_several_items_is_told_once_and_several_together() -> None:
    def work(item: str) -> None:
        raise UserError(f"about {item}", [Problem(item, "", "else")])

    with pytest.raises(UserError, match="about a"):
        in_threads(work, ["a", "a"], at_once=1, failed="all")
    with pytest.raises(UserError, match="all") as caught:
        in_threads(work, ["b", "a", "b"], at_once=2, failed="all")
    assert [problem.where for problem in caught.value.problems] == ["b", "a"]


def test_a_bug_is_not_hidden_by_what_users_can_mend() -> None:
    def work(item: str) -> None:
        if item == "bug":
            raise KeyError(item)
        raise UserError("user", [Problem(item, "", "")])

    with pytest.raises(KeyError):
        in_threads(work, ["a", "b", "bug"], at_once=1, failed="all")


def test_an_interruption_stops_what_goes_on_and_begins_nothing() -> None:
    begun: list[int] = []
    ended = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        os.kill(os.getpid(), signal.SIGINT)
        try:
            while not ended.wait(0.01):
                go_on()
        except StoppedError:
            ended.set()
            raise

    with pytest.raises(KeyboardInterrupt):
        in_threads(work, range(5), at_once=1, failed="")
    assert ended.is_set()  # it was waited for
    assert begun == [0]
    go_on()  # this thread is not stopped
