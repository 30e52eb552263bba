"""SQL of a user that may only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from andamios_orm.exceptions import StatementRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection

    from andamios_orm.core.session import SessionManager

__all__ = ["raw_text", "read"]


async def read(
    database: SessionManager, statement: str, parameters: Mapping[str, Any] | None = None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the names of the columns and the rows; ``:name`` stands for a parameter.

    Raises:
        StatementRefused: the statement may write, or there are several.
    """
    query = raw_text(statement, parameters)
    async with database.engine.connect() as connection:
        if connection.dialect.name == "duckdb":
            compiled = str(query.compile(dialect=connection.dialect))
            await _check(connection, database, compiled)
        else:
            await connection.execute(text("SET TRANSACTION READ ONLY"))
        if database.engine.driver != "psycopg":
            result = await connection.execute(query, parameters)
            return list(result.keys()), [tuple(row) for row in result]
        # It sends one statement alone only if it streams: none behind it can end the
        # transaction that only reads. The other drivers send no more than one.
        async with connection.stream(query, parameters) as stream:
            return list(stream.keys()), [tuple(row) async for row in stream]


def raw_text(statement: str, parameters: Mapping[str, Any] | None) -> TextClause:
    """Return a statement as it is written; without parameters a colon is no sign of one."""
    return text(statement if parameters else statement.replace(":", r"\:"))


async def _check(connection: AsyncConnection, database: SessionManager, statement: str) -> None:
    """Let DuckDB's own parser say what the statement does."""
    await connection.execute(text("SELECT 1"))
    raw: Any = await connection.get_raw_connection()
    dialect: Any = database.engine.dialect

    def writes(plain: Any) -> bool:
        found: bool = dialect.holder.database.statements.parse(statement, plain).writes
        return found

    if await raw.driver_connection.run(writes):
        raise StatementRefused(
            "the statement writes, and here one may only read", statement=statement
        )
