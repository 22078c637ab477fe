"""What holds for all tests: some take turns."""

from __future__ import annotations

import signal

import pytest

from tests.turns import left_out


def pytest_configure() -> None:
    """Ctrl-C is heard: shells have it ignored in what they start in the background, where tests of it would wait for ever."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture is made: a part whose turn it is not is skipped, and pytest's summary says so."""
    for mark in item.iter_markers("turn"):
        if reason := left_out(*mark.args):
            pytest.skip(reason)
