"""Beyond rows: results as Arrow, and the driver's own connection."""

from __future__ import annotations

import importlib.util
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from andamios_orm.exceptions import MissingExtra

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from pyarrow.lib import Table as ArrowTable
    from sqlalchemy import Executable
    from sqlalchemy.ext.asyncio import AsyncConnection

    from andamios_orm.dialect import DriverConnection

__all__ = ["driver_connection", "fetch_arrow"]


async def fetch_arrow(
    source: AsyncSession | AsyncConnection,
    statement: Executable,
    parameters: Mapping[str, Any] | None = None,
) -> ArrowTable:
    """Return the result of a query as an Arrow table.

    On DuckDB the columns never pass through Python rows; on PostgreSQL they do.
    A session is flushed first, as for any other query of it.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtra("pyarrow is not installed: pip install 'andamios-orm[arrow]'")
    connection = await _flushed(source) if isinstance(source, AsyncSession) else source
    result = await connection.execute(statement, parameters, execution_options={"arrow": True})
    table = getattr(result.context, "arrow", None)
    if table is not None:
        result.close()
        return table
    from pyarrow.lib import Table, array

    names = list(result.keys())
    rows = result.all()
    columns = [array([row[at] for row in rows]) for at in range(len(names))]
    return Table.from_arrays(columns, names=names)


async def _flushed(session: AsyncSession) -> AsyncConnection:
    if session.sync_session.autoflush:
        await session.flush()
    return await session.connection()


@asynccontextmanager
async def driver_connection(engine: AsyncEngine) -> AsyncIterator[DriverConnection]:
    """Yield the driver's own connection, whose calls run off the loop.

    ``await raw.run(function)`` calls ``function(duckdb_connection)`` on the
    connection's thread; it can write only if you say ``write=True``. What was
    done is committed at the end of the block, or rolled back on an error.
    """
    async with engine.begin() as connection:
        fairy: Any = await connection.get_raw_connection()
        yield fairy.driver_connection
