"""Pools that serve whoever asked first and can say who holds their connections."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from sqlalchemy import exc as sa_exc
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool
from sqlalchemy.util import queue as sa_queue

from andamios_orm.dialect.greenlets import await_
from andamios_orm.exceptions import PoolExhausted

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["AsyncFairPool", "BlockingPool", "FairQueue"]

POOL_SIZE = 16
MAX_OVERFLOW = 48


class FairQueue(sa_queue.QueueCommon[Any]):
    """A queue that hands an item straight to the task that has waited longest.

    ``asyncio.Queue`` wakes a waiter but leaves the item to whoever comes first,
    which is the task that just put it back: with 64 tasks one did nearly all
    the work.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:  # noqa: FBT001, FBT002 - SQLAlchemy's signature
        """Hold up to ``maxsize`` items."""
        self.maxsize = maxsize
        self.use_lifo = use_lifo
        self._items: deque[Any] = deque()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._lock = threading.RLock()  # a garbage collection in between may return one, too

    def empty(self) -> bool:
        """Whether there is no item."""
        return not self._items

    def full(self) -> bool:
        """Whether there is no room."""
        return self.maxsize > 0 and len(self._items) >= self.maxsize

    def qsize(self) -> int:
        """Return the number of items."""
        return len(self._items)

    def put_nowait(self, item: Any) -> None:
        """Add an item, or hand it to the first that waits."""
        with self._lock:
            while self._waiting:
                waiter = self._waiting.popleft()
                if not waiter.done() and self._resolve(waiter, item):
                    return
            if self.full():
                raise sa_queue.Full
            self._items.append(item)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002
        """Add an item; it never waits, because a pool has room for what it gave out."""
        self.put_nowait(item)

    def get_nowait(self) -> Any:
        """Return an item, unless somebody waits already or there is none."""
        with self._lock:
            if not self._items:
                raise sa_queue.Empty
            return self._items.pop() if self.use_lifo else self._items.popleft()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002
        """Return an item; with ``block`` wait for it, up to ``timeout`` seconds."""
        try:
            return self.get_nowait()
        except sa_queue.Empty:
            if not block:
                raise
        return await_(self._wait(timeout))

    def _resolve(self, waiter: asyncio.Future[Any], item: Any) -> bool:
        """Give ``item`` to ``waiter``; False if its loop is gone."""
        loop = waiter.get_loop()
        if loop.is_closed():
            return False
        if _runs_here(loop):
            waiter.set_result(item)
        else:
            loop.call_soon_threadsafe(self._hand_over, waiter, item)
        return True

    def _hand_over(self, waiter: asyncio.Future[Any], item: Any) -> None:
        """Give ``item`` to ``waiter`` on its own loop, or to the next if it has gone meanwhile."""
        if waiter.done():
            self.put_nowait(item)
        else:
            waiter.set_result(item)

    async def _wait(self, timeout: float | None) -> Any:
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.append(waiter)
        try:
            return await asyncio.wait_for(asyncio.shield(waiter), timeout)
        except TimeoutError:
            if waiter.done():
                return waiter.result()
            raise sa_queue.Empty from None
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.put_nowait(waiter.result())
            raise
        finally:
            if not waiter.get_loop().is_closed():
                waiter.cancel()


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether ``loop`` runs on this thread: another may find an abandoned connection."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


class _NamesHolders(QueuePool):
    """What both pools do beside queueing: remember who took a connection, and when."""

    def __init__(
        self,
        creator: Any,
        pool_size: int = POOL_SIZE,
        max_overflow: int = MAX_OVERFLOW,
        **options: Any,
    ) -> None:
        super().__init__(creator, pool_size=pool_size, max_overflow=max_overflow, **options)
        self._holders: dict[int, tuple[str, float]] = {}

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            record = super()._do_get()
        except sa_exc.TimeoutError as error:
            raise self._exhausted() from error
        self._holders[id(record)] = (_current(), time.monotonic())
        return record

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self._holders.pop(id(record), None)
        connection: Any = record.dbapi_connection
        if connection is not None:
            connection.leave_no_trace()
        super()._do_return_conn(record)

    def holders(self) -> list[str]:
        """Return who has a connection and for how long, the longest first."""
        now = time.monotonic()
        held = sorted(self._holders.values(), key=lambda holder: holder[1])
        return [f"{name} for {now - since:.1f} s" for name, since in held]

    def _exhausted(self) -> PoolExhausted:
        holders = self.holders()
        shown = "; ".join(holders[:5]) + ("; …" if len(holders) > 5 else "")  # noqa: PLR2004
        return PoolExhausted(
            f"all {self.checkedout()} connections of the pool are in use and none came back within "
            f"{self.timeout():g} s (pool_size={self.size()}, max_overflow={self._max_overflow}). "
            f"Held by: {shown}. Close sessions sooner, or raise max_overflow",
            holders,
        )


def _current() -> str:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return f"task {task.get_name()!r}" if task else f"thread {threading.current_thread().name!r}"


class AsyncFairPool(_NamesHolders, AsyncAdaptedQueuePool):
    """The pool of an async engine: first come, first served."""

    _queue_class = FairQueue


class BlockingPool(_NamesHolders):
    """The pool of a sync engine."""
