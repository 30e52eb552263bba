"""What time it is: the one place where rows, the feed and caches ask, so that a test can answer."""

from __future__ import annotations

import datetime as dt
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Clock", "elapsed", "now", "told_by"]


class Clock(Protocol):
    """What can be asked for the time."""

    def now(self) -> dt.datetime:
        """Return the time, in UTC."""
        ...

    def elapsed(self) -> float:
        """Return seconds that never go back."""
        ...


class _System:
    """The clock of the machine."""

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def elapsed(self) -> float:
        return time.monotonic()


_clock: Clock = _System()


def now() -> dt.datetime:
    """Return the time, in UTC."""
    return _clock.now()


def elapsed() -> float:
    """Return seconds that never go back, to tell how old something is."""
    return _clock.elapsed()


@contextmanager
def told_by(clock: Clock) -> Iterator[None]:
    """Let ``clock`` say what time it is in the block, in the whole process."""
    global _clock  # noqa: PLW0603 - there is one time in a process
    before, _clock = _clock, clock
    try:
        yield
    finally:
        _clock = before
