"""Statement timeouts: DuckDB has none, so one thread interrupts what runs too long."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Watchdog"]


class Watchdog:
    """Calls ``bite`` of every call that is past its deadline.

    Watching costs one dict entry: the thread sleeps until the earliest deadline
    it knows and is woken only by one that is earlier still.
    """

    def __init__(self) -> None:
        """Begin without a thread; the first watched call starts it."""
        self._deadlines: dict[Any, tuple[float, Callable[[], None]]] = {}
        self._wake_at = float("inf")
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def watch(self, key: Any, seconds: float, bite: Callable[[], None]) -> None:
        """Call ``bite()`` in ``seconds``, unless ``forget(key)`` comes first."""
        deadline = time.monotonic() + seconds
        self._deadlines[key] = (deadline, bite)
        if deadline < self._wake_at:
            with self._condition:
                self._wake_at = deadline
                self._condition.notify()
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._run, name="andamios-watchdog", daemon=True
                    )
                    self._thread.start()

    def forget(self, key: Any) -> None:
        """Stop watching ``key``."""
        with self._condition:
            self._deadlines.pop(key, None)

    def stop(self) -> None:
        """End the thread."""
        with self._condition:
            self._stopped = True
            self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                if self._stopped:
                    return
                wait = self._wake_at - time.monotonic()
                if wait > 0:
                    self._condition.wait(None if wait == float("inf") else wait)
                    continue
                self._wake_at = float("inf")
            self._sweep()

    def _sweep(self) -> None:
        now = time.monotonic()
        earliest = float("inf")
        for key, (deadline, bite) in list(self._deadlines.items()):
            if deadline <= now:
                bite()
                with self._condition:
                    if key in self._deadlines:
                        self._deadlines[key] = (now + _BITE_AGAIN, bite)
                earliest = min(earliest, now + _BITE_AGAIN)
            else:
                earliest = min(earliest, deadline)
        with self._condition:
            self._wake_at = min(self._wake_at, earliest)


_BITE_AGAIN = 0.05
"""Seconds until a call that did not stop is interrupted again."""
