"""How a cache learns that somebody has committed something: here, or in another process."""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import event

from andamios_orm.core.ledger import on_commit
from andamios_orm.core.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

    from axai_pg.data.config.database import DatabaseManager

__all__ = ["Began", "Epochs"]


class Began(NamedTuple):
    """What was counted when a transaction began; -1 where nobody knows."""

    epoch: int
    removals: int


_UNKNOWN: Final = Began(-1, -1)


class Epochs:
    """Counts the signals of commits, and notes with each transaction how many there were.

    A transaction sees every commit that was signalled before it began. Nothing that is known
    since then is true for certain once there is another signal. Where no signal can come,
    because nobody listens to the database, nothing is.
    """

    def __init__(self, manager: DatabaseManager) -> None:
        """Count commits through ``manager``; with ``listen()``, those of other processes, too."""
        engines = manager._async_engine, manager._engine  # noqa: SLF001 - no user needs them
        self._engine: AsyncEngine = engines[0]
        self._signals = Signals(engines[0])
        self._epoch = 0
        self._removals = 0
        self._lock = Lock()
        self._listener: asyncio.Task[None] | None = None
        self._ends: list[Callable[[], None]] = [on_commit(each, self.next) for each in engines]
        event.listen(self._engine.sync_engine, "begin", self._note)

    @property
    def now(self) -> int | None:
        """The number of signals so far; None while nobody listens.

        To begin to listen is one as well, at once: what came before may have been missed.
        """
        return self._epoch + self._signals.beginnings if self._signals.listening else None

    def next(self) -> None:
        """Count a signal; from any thread."""
        with self._lock:
            self._epoch += 1

    def removed(self) -> None:
        """Count that answers were removed by hand: nothing read before that is to be kept."""
        with self._lock:
            self._removals += 1

    def of(self, connection: Connection) -> Began:
        """Return how far things were when a transaction began."""
        found: Began = connection.info.get(self, _UNKNOWN)
        return found

    def is_before_removal(self, began: Began) -> bool:
        """Return whether answers were removed since, or may have been."""
        return began.removals != self._removals

    def listen(self) -> None:
        """Listen from now on, in a task of this event loop."""
        if self._listener is None:
            self._listener = asyncio.get_running_loop().create_task(
                self._count(), name="axai-cache-signals"
            )

    async def close(self) -> None:
        """Listen and count no more."""
        event.remove(self._engine.sync_engine, "begin", self._note)
        for end in self._ends:
            end()
        await self._signals.close()
        if self._listener is not None:
            await asyncio.wait({self._listener})

    def _note(self, connection: Connection) -> None:
        """Note it before BEGIN: the snapshot shows every commit that is counted."""
        info: dict[Any, Any] = connection.info
        now = self.now
        info[self] = Began(-1 if now is None else now, self._removals)

    async def _count(self) -> None:
        """Count, also now and then without a signal: a connection may be dead and not know it."""
        while not self._signals.closed:
            armed = self._signals.arm()
            await self._signals.wait(armed)
            self._signals.disarm(armed)
            self.next()
