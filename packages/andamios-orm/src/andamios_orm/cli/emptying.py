"""What is in a database, and how all of it is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, func, inspect, select, text

from andamios_orm.dialect.constraint_names import SCHEMA

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from andamios_orm.core import Database

__all__ = ["contents", "empty"]


async def contents(database: Database) -> dict[str, int]:
    """Return the number of rows of each table."""
    async with database.engine.connect() as connection:
        tables = await connection.run_sync(_tables)
        return {
            table.name: (
                await connection.execute(select(func.count()).select_from(table))
            ).scalar_one()
            for table in tables.sorted_tables
        }


async def empty(database: Database) -> None:
    """Drop all tables, sequences and types, in one transaction."""
    async with database.engine.begin() as connection:
        await connection.run_sync(_drop)


def _tables(connection: Connection) -> MetaData:
    metadata = MetaData()
    metadata.reflect(connection)
    return metadata


def _drop(connection: Connection) -> None:
    _tables(connection).drop_all(connection)
    inspector: Any = inspect(connection)
    quote = connection.dialect.identifier_preparer.quote
    for name in inspector.get_sequence_names():
        connection.execute(text(f"DROP SEQUENCE {quote(name)}"))
    for enum in inspector.get_enums():
        connection.execute(text(f"DROP TYPE {quote(enum['name'])}"))
    if connection.dialect.name == "duckdb":
        connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
