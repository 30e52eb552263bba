"""Values that only the database can make, fetched before the rows that they belong to.

Keys are taken from their sequence first and sent with the rows, so the order of the
keys is the order of the input whatever order the rows are inserted in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Sequence, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import REGCLASS

from andamios_orm.bulk.stage import run
from andamios_orm.exceptions import WriteConflict

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.sql.elements import ColumnElement

__all__ = ["make_values", "take_range"]

_CACHE = "andamios.defaults"
_NEXTVAL = re.compile(r"nextval\('(?:[^']|'')+'\)")


async def make_values(connection: AsyncConnection, column: Column[Any], count: int) -> list[Any]:
    """Return ``count`` values of the column's own default, ascending if it is a sequence."""
    expression, counts = _default(connection, column)
    series = func.generate_series(1, count).table_valued("n")
    if counts:
        taken = await _bounds(connection, expression, series)
        if len(taken) == count:
            return list(taken)
    result = await run(connection, select(expression).select_from(series))
    values = list(result.scalars())
    return sorted(values) if counts else values


async def take_range(connection: AsyncConnection, column: Column[Any], count: int) -> range:
    """Return ``count`` values that the column's sequence has given in a row.

    Raises:
        WriteConflict: somebody else has taken some at the same time; asked again, it gives
            others.
    """
    if not count:
        return range(0)
    expression, _ = _default(connection, column)
    taken = await _bounds(connection, expression, func.generate_series(1, count).table_valued("n"))
    if len(taken) != count:
        raise WriteConflict(
            f"{column.table.name}.{column.name} gave no {count} values in a row: somebody else "
            "took some at the same time, so begin again"
        )
    return taken


async def _bounds(connection: AsyncConnection, expression: Any, series: Any) -> range:
    """Return the values from the lowest to the highest that a sequence has given."""
    inner = select(expression.label("value")).select_from(series).subquery()
    bounds = select(func.min(inner.c.value), func.max(inner.c.value))
    row: Any = (await connection.execute(bounds)).one()
    return range(int(row[0]), int(row[1]) + 1)


def _default(connection: AsyncConnection, column: Column[Any]) -> tuple[ColumnElement[Any], bool]:
    """Return the expression of a column's default, and whether it counts up; worked out once."""
    table: Any = column.table
    known = table.metadata.info.setdefault(_CACHE, {})
    place = column, connection.dialect.name
    if place not in known:
        known[place] = _found_default(connection, column)
    found: tuple[ColumnElement[Any], bool] = known[place]
    return found


def _found_default(
    connection: AsyncConnection, column: Column[Any]
) -> tuple[ColumnElement[Any], bool]:
    default: Any = column.default
    if isinstance(default, Sequence):
        return default.next_value(), True
    if default is not None:
        return default.arg, False
    compiler: Any = connection.dialect.ddl_compiler(connection.dialect, None)  # type: ignore[arg-type]  # SQLAlchemy's own calls do
    counting = _sequence(connection, column, compiler)
    if counting is not None:
        return counting, True
    return literal_column(compiler.get_column_default_string(column), column.type), False


def _sequence(
    connection: AsyncConnection, column: Column[Any], compiler: Any
) -> ColumnElement[Any] | None:
    """Return the call that takes the next value of the column's sequence, if it has one."""
    table: Any = column.table
    if connection.dialect.name == "duckdb":
        specification = compiler.get_column_specification(column).replace("%%", "%")
        found = _NEXTVAL.search(specification)
        return None if found is None else literal_column(found.group(), column.type)
    if column.identity is None and table.autoincrement_column is not column:
        return None
    name = connection.dialect.identifier_preparer.format_table(table)
    sequence = cast(func.pg_get_serial_sequence(name, column.name), REGCLASS)
    return func.nextval(select(sequence).scalar_subquery())  # looked up once
