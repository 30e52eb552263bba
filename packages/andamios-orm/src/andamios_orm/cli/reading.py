"""SQL of a user that may only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from andamios_orm.exceptions import StatementRefused

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from andamios_orm.core import Database

__all__ = ["read"]


async def read(database: Database, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the names of the columns and the rows.

    Raises:
        StatementRefused: the statement may write, or there are several.
    """
    query = text(statement.replace(":", r"\:"))  # a colon is no parameter here
    async with database.engine.connect() as connection:
        if connection.dialect.name == "duckdb":
            await _check(connection, database, statement)
        else:
            await connection.execute(text("SET TRANSACTION READ ONLY"))
        if database.engine.driver != "psycopg":
            result = await connection.execute(query)
            return list(result.keys()), [tuple(row) for row in result]
        # It sends one statement alone only if it streams: none behind it can end the
        # transaction that only reads. The other drivers send no more than one.
        async with connection.stream(query) as stream:
            return list(stream.keys()), [tuple(row) async for row in stream]


async def _check(connection: AsyncConnection, database: Database, statement: str) -> None:
    """Let DuckDB's own parser say what the statement does."""
    await connection.execute(text("SELECT 1"))
    raw: Any = await connection.get_raw_connection()
    dialect: Any = database.engine.dialect

    def writes(plain: Any) -> bool:
        found: bool = dialect.holder.database.statements.parse(statement, plain).writes
        return found

    if await raw.driver_connection.run(writes):
        raise StatementRefused(
            "the statement writes, and this command only reads", statement=statement
        )
