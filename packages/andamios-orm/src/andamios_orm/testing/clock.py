"""A clock that stands still, for tests of what depends on time."""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from andamios_orm.exceptions import ConfigurationError
from andamios_orm.models.clock import told_by

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["FrozenClock"]

_START: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class FrozenClock:
    """The time of rows, of the change feed and of caches, while its block runs.

    It starts at the beginning of 2026, and goes on only when it is told to. What the
    database itself calls now (``func.now()``) is not frozen; with it PostgreSQL dates the
    records of the change feed.
    """

    def __init__(self, start: dt.datetime = _START) -> None:
        """Stand at ``start``.

        Raises:
            ConfigurationError: it has no time zone.
        """
        self._start = self._now = _aware(start)
        self._told = ExitStack()

    def now(self) -> dt.datetime:
        """Return the time at which it stands, in UTC."""
        return self._now

    def elapsed(self) -> float:
        """Return the seconds since it started."""
        return (self._now - self._start).total_seconds()

    def tick(self, step: dt.timedelta | float = 1.0) -> dt.datetime:
        """Return the time after going on by ``step``, a duration or seconds."""
        self._now += step if isinstance(step, dt.timedelta) else dt.timedelta(seconds=step)
        return self._now

    def move_to(self, time: dt.datetime) -> None:
        """Stand at ``time`` from now on.

        Raises:
            ConfigurationError: it has no time zone.
        """
        self._now = _aware(time)

    def __enter__(self) -> Self:
        self._told.enter_context(told_by(self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._told.close()


def _aware(time: dt.datetime) -> dt.datetime:
    if time.tzinfo is None:
        raise ConfigurationError(f"{time} has no time zone: write datetime(..., tzinfo=UTC)")
    return time.astimezone(dt.UTC)
