from __future__ import annotations

import multiprocessing
import signal

import pytest

from mlops.tools.cache import Cache
from tests.tools.conftest import MakePin, put


def not_waiting() -> None:
    pytest.fail("nobody else holds the lock")


def test_a_program_is_found_once_it_is_published(cache: Cache, make_pin: MakePin) -> None:
    pin = make_pin()
    with cache.working("recipe", not_waiting) as work:
        put(work / "made" / "hammer", b"")
        assert cache.find(pin) is None
        path = cache.publish(pin, work / "made")
    assert path == cache.find(pin) == cache.root / "tools" / "hammer" / f"1.2.3-{pin.digest(cache.platform)}" / "hammer"
    assert not list((cache.root / "work").iterdir())


def test_a_folder_without_a_usable_program_is_replaced(cache: Cache, make_pin: MakePin) -> None:
    pin = make_pin()
    put(cache.folder(pin) / "hammer", b"").chmod(0o600)
    put(cache.folder(pin) / "rest", b"")
    assert cache.find(pin) is None
    with cache.working("recipe", not_waiting) as work:
        put(work / "made" / "hammer", b"new")
        cache.publish(pin, work / "made")
    assert [file.name for file in cache.folder(pin).iterdir()] == ["hammer"]


def hold_until_killed(cache: Cache, ready: multiprocessing.synchronize.Event) -> None:
    with cache.working("recipe", not_waiting) as work:
        put(work / "build" / "hammer", b"half a program")
        ready.set()
        signal.pause()


def test_a_second_process_waits_and_a_killed_one_leaves_nothing_behind(cache: Cache, make_pin: MakePin) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    other = context.Process(target=hold_until_killed, args=(cache, ready))
    other.start()
    assert ready.wait(10)
    waited = []

    def kill_the_other() -> None:
        waited.append(True)
        other.kill()

    with cache.working("recipe", kill_the_other) as work:
        assert waited
        assert list(work.iterdir()) == []
    assert cache.find(make_pin()) is None
    other.join()
