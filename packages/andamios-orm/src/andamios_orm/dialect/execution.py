"""One call at a time on one DuckDB connection: with a slot, a deadline, and a way to stop it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

import duckdb

from andamios_orm.dialect.gate import Withdrawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm.dialect.calls import Call
    from andamios_orm.dialect.gate import Slots
    from andamios_orm.dialect.watchdog import Watchdog

__all__ = ["Execution"]

T = TypeVar("T")

_LOOK_AGAIN = 0.01
"""Seconds at least between two looks at whether a call runs or a transaction ends."""


class Execution:
    """Runs calls, and interrupts the one that runs: never the one after it.

    ``lock`` is held while the connection is busy, with a call or with a COMMIT
    or ROLLBACK, which nothing interrupts.
    """

    def __init__(self, slots: Slots, watchdog: Watchdog) -> None:
        """Share ``slots`` and ``watchdog`` with the other connections."""
        self.lock = threading.Lock()
        self._slots = slots
        self._watchdog = watchdog
        self._switch = threading.Lock()
        self._running: tuple[Call, duckdb.DuckDBPyConnection] | None = None

    def perform(self, raw: duckdb.DuckDBPyConnection, call: Call, work: Callable[[], T]) -> T:
        """Return ``work()``, which uses ``raw`` on behalf of ``call``.

        Raises:
            Withdrawn: the call was given up before it could start.
        """
        slot = self._slots.acquire()
        try:
            with self.lock:
                self._start(raw, call)
                try:
                    return work()
                finally:
                    self._stop(call)
        finally:
            if slot:
                self._slots.release()

    def interrupt(self, call: Call | None = None) -> None:
        """Interrupt ``call`` if it runs now, or whatever runs."""
        with self._switch:
            if self._running is None:
                return
            running, raw = self._running
            if call is None or running is call:
                with contextlib.suppress(duckdb.Error):
                    raw.interrupt()

    def settle(self, patience: float) -> None:
        """Return when the connection is at rest, or has run a call for ``patience`` seconds.

        COMMIT, ROLLBACK and closing take what they take.
        """
        while not self.lock.acquire(timeout=max(patience, _LOOK_AGAIN)):
            if self._running is not None:
                return
        self.lock.release()

    def _start(self, raw: duckdb.DuckDBPyConnection, call: Call) -> None:
        with self._switch:
            if call.cancelled:
                raise Withdrawn
            self._running = (call, raw)
        if call.timeout is not None:
            self._watchdog.watch(call, call.timeout, lambda: self._time_out(call))

    def _stop(self, call: Call) -> None:
        with self._switch:
            self._running = None
        if call.timeout is not None:
            self._watchdog.forget(call)

    def _time_out(self, call: Call) -> None:
        call.timed_out = True
        self.interrupt(call)
