from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from andamios_orm.dialect.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.unit


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    """Yield a watchdog, and see it off."""
    watchdog = Watchdog()
    yield watchdog
    watchdog.stop()


class Bites:
    """Notes when it was bitten."""

    def __init__(self) -> None:
        """Begin unhurt."""
        self.times: list[float] = []
        self._bitten = threading.Semaphore(0)

    def __call__(self) -> None:
        """Be bitten."""
        self.times.append(time.monotonic())
        self._bitten.release()

    def wait(self, count: int = 1) -> bool:
        """Whether ``count`` more bites came in time."""
        return all(self._bitten.acquire(timeout=5) for _ in range(count))


def test_a_call_is_bitten_when_its_time_is_over(watchdog: Watchdog) -> None:
    bites = Bites()
    began = time.monotonic()

    watchdog.watch("call", 0.1, bites)

    assert bites.wait()
    assert bites.times[0] - began >= 0.1


@pytest.mark.slow
def test_a_call_that_ended_in_time_is_left_in_peace(watchdog: Watchdog) -> None:
    early, late = Bites(), Bites()
    watchdog.watch("early", 0.05, early)
    watchdog.forget("early")
    watchdog.watch("late", 0.15, late)

    assert late.wait()
    assert early.times == []


@pytest.mark.slow
def test_a_call_that_does_not_stop_is_bitten_again(watchdog: Watchdog) -> None:
    bites = Bites()

    watchdog.watch("call", 0.05, bites)

    assert bites.wait(3)
    watchdog.forget("call")


@pytest.mark.slow
def test_a_call_that_ends_while_it_is_bitten_is_not_bitten_again(watchdog: Watchdog) -> None:
    bites, later = Bites(), Bites()

    def ends() -> None:
        bites()
        watchdog.forget("call")

    watchdog.watch("call", 0.02, ends)
    watchdog.watch("later", 0.2, later)

    assert later.wait()
    assert len(bites.times) == 1


def test_an_earlier_deadline_wakes_a_sleeping_watchdog(watchdog: Watchdog) -> None:
    far, near = Bites(), Bites()
    watchdog.watch("far", 60, far)

    watchdog.watch("near", 0.05, near)

    assert near.wait()
    assert far.times == []


@pytest.mark.slow
def test_a_later_deadline_is_kept_after_an_earlier_one(watchdog: Watchdog) -> None:
    first, second = Bites(), Bites()
    watchdog.watch("first", 0.05, first)
    watchdog.watch("second", 0.2, second)

    assert first.wait()
    watchdog.forget("first")
    assert second.wait()


@pytest.mark.slow
def test_a_watchdog_with_nothing_to_do_sleeps_until_it_is_needed(watchdog: Watchdog) -> None:
    bites = Bites()
    watchdog.watch("first", 0.02, Bites())
    watchdog.forget("first")
    time.sleep(0.1)

    watchdog.watch("second", 0.02, bites)

    assert bites.wait()


def test_forgetting_what_is_not_watched_is_harmless(watchdog: Watchdog) -> None:
    watchdog.forget("nobody")


def test_stopping_ends_the_thread() -> None:
    watchdog = Watchdog()
    before = set(threading.enumerate())
    watchdog.watch("call", 60, Bites())
    [thread] = set(threading.enumerate()) - before

    watchdog.stop()
    thread.join(5)

    assert not thread.is_alive()
    assert thread.name == "andamios-watchdog"
    assert thread.daemon


def test_no_thread_is_started_before_there_is_something_to_watch() -> None:
    before = threading.active_count()
    watchdog = Watchdog()

    watchdog.stop()

    assert threading.active_count() == before
