"""Columns placed where SQL can reach them: Arrow on DuckDB, COPY on PostgreSQL.

DuckDB scans an Arrow table in place; PostgreSQL gets a temporary table, or arrays from a
role that may not make one. Either way the statements that follow are ordinary ones of the
same transaction.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from zlib import crc32

from sqlalchemy import (
    ARRAY,
    Column,
    MetaData,
    Table,
    bindparam,
    case,
    cast,
    column,
    func,
    insert,
    null,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from andamios_orm.bulk.arrow import ArrowColumn, arrow_table, load_pyarrow
from andamios_orm.bulk.copying import can_copy, copy_rows
from andamios_orm.bulk.texts import text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Executable, FromClause, Result
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.types import TypeEngine


__all__ = ["Staged", "can_place", "run", "staged"]


@dataclass(frozen=True, slots=True)
class Staged:
    """What holds the rows of a bulk while its statements run."""

    table: FromClause
    columns: Mapping[str, ColumnElement[Any]]
    arrays: Mapping[str, Any] = field(default_factory=dict)
    """The columns as Arrow, by attribute, where the database reads them as such."""
    tables: Mapping[str, Any] = field(default_factory=dict)
    """What a statement has to be given that reads the stage, if it is there for one alone."""

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        """Return the column that holds the values of an attribute."""
        return self.columns[name]


@dataclass(frozen=True, slots=True)
class Given:
    """One column of a stage: its values as the caller gave them, and as they are sent."""

    type_: TypeEngine[Any]
    given: Sequence[Any]
    sent: Sequence[Any]


async def run(
    connection: AsyncConnection, statement: Executable, parameters: Any = None, **options: Any
) -> Result[Any]:
    """Return the result of a statement that is not worth a place in the cache.

    Its stage is made anew each time, and the cache knows tables by identity.
    """
    return await connection.execute(
        statement, parameters, execution_options={"compiled_cache": None, **options}
    )


async def can_place(connection: AsyncConnection) -> bool:
    """Return whether the role of a transaction may make temporary tables.

    One that may not is kept to tables with policies as a rule, and those refuse COPY, too.
    """
    if connection.dialect.name != "postgresql":
        return True
    return bool(await connection.scalar(_MAY_PLACE))


@asynccontextmanager
async def staged(
    connection: AsyncConnection,
    columns: Mapping[str, Given],
    *,
    name: str = "_andamios_rows",
    places: bool | None = None,
    once: bool = False,
) -> AsyncIterator[Staged]:
    """Yield a table of ``columns`` that lives for the block.

    ``places`` is what ``can_place()`` has said, if it was asked before. If it is read
    ``once``, by a statement that is given its ``tables``, DuckDB needs no hop to place it.

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
    stage = Staged(table, {attribute: table.c[names[attribute]] for attribute in columns})
    if connection.dialect.name == "duckdb":
        await load_pyarrow()
        arrow = arrow_table(
            [(names[attribute], each.type_, each.sent) for attribute, each in columns.items()],
            connection.dialect,
        )
        if arrow is not None:
            stage = replace(stage, arrays=dict(zip(columns, arrow.columns, strict=True)))
            if once:
                yield replace(stage, tables={name: arrow})
                return
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None  # noqa: S101 - a connection that is open has one
            on_thread = partial(driver.run, write=True, changes_schema=False)
            await on_thread(lambda raw: _register(raw, name, arrow))
            yield stage
            await on_thread(lambda raw: _unregister(raw, name))
            return
    if not (await can_place(connection) if places is None else places):
        yield _unnested(columns, names, connection.dialect)
        return
    kept = "" if connection.dialect.name == "duckdb" else " ON COMMIT DROP"
    await run(connection, text(f"CREATE TEMPORARY TABLE {name} ({types}){kept}"))
    await _fill(connection, table, list(columns.values()))
    yield stage
    schema = "temp" if connection.dialect.name == "duckdb" else "pg_temp"
    await run(connection, text(f"DROP TABLE {schema}.{name}"))


def _unnested(columns: Mapping[str, Given], names: Mapping[str, str], dialect: Dialect) -> Staged:
    """Return the rows as arrays, one for each column; arrays in them travel as JSON, of texts."""
    sent: list[ColumnElement[Any]] = []
    received: list[Any] = []
    for attribute, each in columns.items():
        plain = each.type_
        values = each.given.values() if isinstance(each.given, ArrowColumn) else each.given
        if isinstance(plain, ARRAY):
            as_text = text_of(plain.item_type, dialect)
            values = [None if items is None else [*map(as_text, items)] for items in values]
            plain = JSONB(none_as_null=True)
        sent.append(bindparam(None, list(values), ARRAY(plain, dimensions=1)))
        received.append(column(names[attribute], plain))
    table = func.unnest(*sent).table_valued(*received).render_derived(name="stage")
    return Staged(
        table,
        {
            attribute: _array_of(table, names[attribute], each.type_)
            for attribute, each in columns.items()
        },
    )


def _array_of(table: FromClause, name: str, type_: TypeEngine[Any]) -> ColumnElement[Any]:
    """Return a column of the rows; as an array, where that is wanted and JSON has come."""
    value = table.c[name]
    if not isinstance(type_, ARRAY):
        return value
    items = select(func.jsonb_array_elements_text(value)).correlate(table).scalar_subquery()
    return cast(case((value.is_(None), null()), else_=func.array(items)), type_)


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


_MAY_PLACE = text("SELECT has_database_privilege(current_database(), 'TEMPORARY')")
