"""The pools of engines on PostgreSQL: a full one says so by our error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exc as sa_exc
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

from andamios_orm.exceptions import PoolExhausted

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["AsyncPool", "BlockingPool"]


class BlockingPool(QueuePool):
    """Connections for threads, which wait for one that is free."""

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return super()._do_get()
        except sa_exc.TimeoutError:
            raise _exhausted(self) from None


class AsyncPool(AsyncAdaptedQueuePool):
    """Connections for tasks, which wait for one that is free."""

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return super()._do_get()
        except sa_exc.TimeoutError:
            raise _exhausted(self) from None


def _exhausted(pool: QueuePool) -> PoolExhausted:
    return PoolExhausted(
        f"all {pool.checkedout()} connections of the pool are in use, and none came free in "
        f"{pool.timeout():g} s: keep sessions shorter, or raise pool_size or max_overflow"
    )
