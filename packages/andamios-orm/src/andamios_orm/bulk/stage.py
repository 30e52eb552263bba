"""Columns placed where SQL can reach them: Arrow on DuckDB, COPY on PostgreSQL.

DuckDB scans an Arrow table in place; PostgreSQL gets a temporary table. Either way the
statements that follow are ordinary ones of the same transaction.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from zlib import crc32

from sqlalchemy import Column, MetaData, Table, insert, text

from andamios_orm.bulk.arrow import ArrowColumn, arrow_table
from andamios_orm.bulk.copying import can_copy, copy_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Executable, Result
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.types import TypeEngine


__all__ = ["Staged", "run", "staged"]


@dataclass(frozen=True, slots=True)
class Staged:
    """A table that holds the rows of a bulk while its statements run."""

    table: Table
    names: Mapping[str, str]

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        """Return the column that holds the values of an attribute."""
        return self.table.c[self.names[name]]


@dataclass(frozen=True, slots=True)
class Given:
    """One column of a stage: its values as the caller gave them, and as they are sent."""

    type_: TypeEngine[Any]
    given: Sequence[Any]
    sent: Sequence[Any]


async def run(
    connection: AsyncConnection, statement: Executable, parameters: Any = None
) -> Result[Any]:
    """Return the result of a statement that is not worth a place in the cache.

    Its stage is made anew each time, and the cache knows tables by identity.
    """
    return await connection.execute(
        statement, parameters, execution_options={"compiled_cache": None}
    )


@asynccontextmanager
async def staged(
    connection: AsyncConnection, columns: Mapping[str, Given], *, name: str = "_andamios_rows"
) -> AsyncIterator[Staged]:
    """Yield a table of ``columns`` that lives for the block.

    Its name tells the types of its columns: statements that asyncpg has prepared would
    not fit another table of the same name.
    """
    names = {attribute: f"c{number}" for number, attribute in enumerate(columns)}
    process = connection.dialect.type_compiler_instance.process
    types = ", ".join(f"{names[each]} {process(columns[each].type_)}" for each in columns)
    name = f"{name}_{crc32(types.encode()):08x}"
    table = Table(
        name,
        MetaData(),
        *(Column(names[attribute], column.type_) for attribute, column in columns.items()),
    )
    stage = Staged(table, names)
    if connection.dialect.name == "duckdb":
        arrow = arrow_table(
            [(names[attribute], each.type_, each.sent) for attribute, each in columns.items()],
            connection.dialect,
        )
        if arrow is not None:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None  # noqa: S101 - a connection that is open has one
            on_thread = partial(driver.run, write=True, changes_schema=False)
            await on_thread(lambda raw: _register(raw, name, arrow))
            yield stage
            await on_thread(lambda raw: _unregister(raw, name))
            return
    kept = "" if connection.dialect.name == "duckdb" else " ON COMMIT DROP"
    await run(connection, text(f"CREATE TEMPORARY TABLE {name} ({types}){kept}"))
    await _fill(connection, table, list(columns.values()))
    yield stage
    schema = "temp" if connection.dialect.name == "duckdb" else "pg_temp"
    await run(connection, text(f"DROP TABLE {schema}.{name}"))


def _register(raw: Any, name: str, table: Any) -> None:
    raw.register(name, table)


def _unregister(raw: Any, name: str) -> None:
    raw.unregister(name)


async def _fill(connection: AsyncConnection, table: Table, columns: list[Given]) -> None:
    if can_copy(connection, [each.type_ for each in columns]):
        await copy_rows(connection, table, list(table.columns), [each.sent for each in columns])
        return
    names = [column.name for column in table.columns]
    values = [
        each.given.values() if isinstance(each.given, ArrowColumn) else each.given
        for each in columns
    ]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    await run(connection, insert(table).returning(table.c[0]), rows)
