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
    async with database.engine.connect() as connection:
        if connection.dialect.name == "duckdb":
            await _check(connection, database, statement)
        else:
            await connection.execute(text("SET TRANSACTION READ ONLY"))
            # A prepared statement is one statement: none behind it can end the transaction.
            await connection.exec_driver_sql(
                f"PREPARE andamios_query AS {_escaped(statement, database)}"
            )
            statement = "EXECUTE andamios_query"
        result = await connection.exec_driver_sql(statement)
        return list(result.keys()), [tuple(row) for row in result]


def _escaped(statement: str, database: Database) -> str:
    """Return the statement as the driver takes it: psycopg looks for parameters behind %."""
    return statement.replace("%", "%%") if database.engine.driver == "psycopg" else statement


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
