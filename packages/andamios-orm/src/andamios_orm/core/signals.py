"""How followers wake up: told in process after a commit, and by PostgreSQL's NOTIFY.

A signal says only that there may be something new; what, is read from the feed. So a
signal that is lost, or comes once too often, does no harm: followers also look by
themselves from time to time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from typing import TYPE_CHECKING, Any, Final

from andamios_orm.core.drivers import close, notifications
from andamios_orm.core.ledger import on_commit
from andamios_orm.core.positions import CHANNEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Signals"]

logger = logging.getLogger("andamios_orm.feed")

_LOOK: Final = 1.0
"""Seconds after which a follower looks by itself: another engine may have written."""
_LOOK_WITHOUT_NOTIFY: Final = 0.25
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0


class Signals:
    """Wakes those who wait for changes of one engine's database."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Wait for changes that come through ``engine``, and on PostgreSQL through any."""
        self.closed = False
        self.listening = False
        self.beginnings = 0
        """How often it has begun to listen; what came before each was not heard."""
        self._engine = engine
        self._waiting: set[asyncio.Future[None]] = set()
        self._listener: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = on_commit(engine, _weak_call(self))

    def arm(self) -> asyncio.Future[None]:
        """Return a future of the next signal; take it before looking at the feed."""
        loop = asyncio.get_running_loop()
        if self._listener is None and not self.closed and self._is_postgresql:
            self._listener = loop.create_task(self._listen(), name="andamios-feed-listener")
        armed: asyncio.Future[None] = loop.create_future()
        self._waiting.add(armed)
        if self.closed:
            self.wake()
        return armed

    async def wait(self, armed: asyncio.Future[None], *, at_most: float | None = None) -> None:
        """Return at the signal that was armed, or when it is time to look anyway."""
        look = _LOOK if self.listening or not self._is_postgresql else _LOOK_WITHOUT_NOTIFY
        await asyncio.wait({armed}, timeout=look if at_most is None else min(at_most, look))

    def disarm(self, armed: asyncio.Future[None]) -> None:
        """Forget a future that nobody waits for any more."""
        self._waiting.discard(armed)

    def wake(self) -> None:
        """Give a signal; from any thread."""
        waiting, self._waiting = self._waiting, set()
        for armed in waiting:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                armed.get_loop().call_soon_threadsafe(_resolve, armed)

    async def close(self) -> None:
        """End the listener, and wake everybody for the last time."""
        if self.closed:
            return
        self.closed = True
        self._unsubscribe()
        self.wake()
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            await asyncio.wait({listener})

    # ---- PostgreSQL ------------------------------------------------------------

    @property
    def _is_postgresql(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    async def _listen(self) -> None:
        """Listen until cancelled; after a broken connection everybody looks again.

        SQLAlchemy answers a cancellation during an engine's first connection with an
        error of its own, so the task is asked whether it was cancelled.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                async with self._dedicated() as driver:
                    async for _ in notifications(driver, CHANNEL):
                        self._heard()
                        pause = _FIRST_PAUSE
            except Exception as error:  # noqa: BLE001 - whatever it is, the database is asked again
                if _cancelled():
                    return
                logger.warning("listening to PostgreSQL ended, trying again: %s", error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _heard(self) -> None:
        """Wake everybody: something is there, or it listens from now on."""
        if not self.listening:
            self.listening = True
            self.beginnings += 1
        self.wake()

    @contextlib.asynccontextmanager
    async def _dedicated(self) -> AsyncIterator[Any]:
        """Yield a connection of the driver that takes no place of the pool."""
        driver: Any = None
        try:
            async with self._engine.connect() as connection:
                found = (await connection.get_raw_connection()).driver_connection
                await connection.rollback()
                await connection.run_sync(_detach)  # does not wait: no cancellation in between
                driver = found
                try:
                    yield driver
                finally:
                    self.listening = False  # before the rest, which may take its time
                    # Else it is reset, which a broken one answers with an error in the log.
                    await connection.invalidate()
        finally:
            if driver is not None:  # SQLAlchemy leaves one of psycopg open
                await close(driver)


def _cancelled() -> bool:
    """Whether somebody has cancelled this task, even if it was not told."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _detach(connection: Connection) -> None:
    connection.detach()


def _resolve(armed: asyncio.Future[None]) -> None:
    if not armed.done():
        armed.set_result(None)


def _weak_call(signals: Signals) -> Callable[[], None]:
    """Return a function that wakes ``signals`` as long as somebody else keeps it."""
    known = weakref.ref(signals)

    def wake() -> None:
        found = known()
        if found is not None:
            found.wake()

    return wake
