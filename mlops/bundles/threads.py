"""Work on several things at a time, which Ctrl-C ends soon."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from multiprocessing.pool import ThreadPool
from typing import TypeVar

from mlops.errors import UserError

_LOOK_SECONDS = 0.2
_UNWIND_SECONDS = 1.0  # what waits for an answer from elsewhere longer than that is left behind

Item = TypeVar("Item")
Result = TypeVar("Result")

_here = threading.local()


class StoppedError(Exception):
    """Nobody waits for this work any more."""


def go_on() -> None:
    """Called now and then by work that takes long.

    Raises:
        StoppedError: it is one of several things that somebody has stopped.
    """
    stop: threading.Event | None = getattr(_here, "stop", None)
    if stop and stop.is_set():
        raise StoppedError


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], *, at_once: int, failed: str) -> list[Result]:
    """Do some work on each item, on several at a time; results in the order of the items.

    An exception here, as of Ctrl-C, stops what is under way at its next :func:`go_on`, and nothing new begins. The threads are
    daemons, as those of :mod:`multiprocessing.pool` are: one that hears nothing from a server does not hold up the program's end.

    Args:
        work: done on each item, whatever becomes of the others.
        items: the items.
        at_once: how many threads at most.
        failed: summary when users have more than one problem to mend.

    Raises:
        UserError: what users can mend, of all items at once.
    """
    stop = threading.Event()
    started: list[Future[Result]] = []

    def one(item: Item) -> Future[Result]:
        _here.stop = stop
        done = Future[Result]()
        started.append(done)
        try:
            go_on()
            done.set_result(work(item))
        except BaseException as error:  # noqa: BLE001  (raised again below)
            done.set_exception(error)
        return done

    with ThreadPool(at_once) as pool:
        try:
            every = pool.map_async(one, items, chunksize=1)
            while not every.ready():
                every.wait(_LOOK_SECONDS)  # a signal that comes just before a wait without end would be seen at that end only
        finally:
            stop.set()
            wait(started, timeout=_UNWIND_SECONDS)
    futures = every.get()
    errors = [error for future in futures if (error := future.exception()) is not None]
    bugs = [error for error in errors if not isinstance(error, UserError)]
    problems = dict.fromkeys(problem for error in errors if isinstance(error, UserError) for problem in error.problems)
    if errors and (bugs or len(problems) < 2):
        raise (bugs or errors)[0]
    if errors:
        raise UserError(failed, problems)
    return [future.result() for future in futures]
