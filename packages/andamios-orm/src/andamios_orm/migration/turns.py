"""Whose turn it is to migrate: in this process, and in a database that others migrate too."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from andamios_orm.exceptions import MigrationLocked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["alone", "lock"]

_ALEMBIC: Final = threading.Lock()
"""``alembic.op`` is a global of Alembic's: in one process one revision runs at a time."""
_POLL: Final = 0.01
_KEY: Final = 0x616E64616D696F73
"""The lock that migrations take in a database of PostgreSQL: "andamios" as a number."""
_TRY: Final = text(f"SELECT pg_try_advisory_xact_lock({_KEY})")
_HOLDER: Final = text(
    f"""
    SELECT 'process ' || pid || coalesce(' of ' || usename, '')
        || coalesce(' (' || nullif(application_name, '') || ')', '')
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::bigint = {_KEY >> 32} AND objid::bigint = {_KEY & 0xFFFFFFFF}
"""  # noqa: S608 - a number of our own
)


@asynccontextmanager
async def alone() -> AsyncIterator[None]:
    """Be the only one in this process that runs a revision."""
    while not _ALEMBIC.acquire(blocking=False):  # noqa: ASYNC110 - other threads hold it, too
        await asyncio.sleep(_POLL)
    try:
        yield
    finally:
        _ALEMBIC.release()


async def lock(connection: AsyncConnection, patience: float) -> None:
    """Let no other process migrate this database before the transaction has ended.

    On DuckDB that is the write gate, for no other process can open the file.

    Raises:
        MigrationLocked: another one migrates for longer than ``patience`` seconds; it is named.
    """
    if connection.dialect.name == "duckdb":
        raw = await connection.get_raw_connection()
        raw.dbapi_connection.write_intent = True  # type: ignore[union-attr]  # there, it is connected
        return
    deadline = asyncio.get_running_loop().time() + patience
    while not await connection.scalar(_TRY):
        if asyncio.get_running_loop().time() > deadline:
            holder = await connection.scalar(_HOLDER)
            raise MigrationLocked(patience, holder or "another process")
        await asyncio.sleep(_POLL)
