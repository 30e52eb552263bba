"""The names of constraints, which DuckDB forgets: it calls them by table and columns.

A migration drops a constraint by the name it was given, here as on PostgreSQL. So the
names that migrations give are kept in a table, in a schema of their own that nobody
compares with models.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import column, delete, insert, select, table, text

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, TableClause

    from andamios_orm.dialect.shapes import Quote, TableShape

__all__ = ["SCHEMA", "forget", "keep", "named"]

SCHEMA: Final = "andamios_migration"
_NAMES: Final[TableClause] = table(
    "constraint_names",
    column("table_schema"),
    column("table_name"),
    column("definition"),
    column("name"),
    schema=SCHEMA,
)
_IS_THERE: Final = text("""
    SELECT count(*) FROM duckdb_tables()
    WHERE database_name = current_database() AND schema_name = 'andamios_migration'
    AND table_name = 'constraint_names'
""")


def named(connection: Connection, shape: TableShape) -> TableShape:
    """Return the shape with the names that its constraints were given."""
    if not _is_there(connection):
        return shape
    of_table = select(_NAMES.c.definition, _NAMES.c.name).where(*_is(shape))
    names = {definition: name for definition, name in connection.execute(of_table)}  # noqa: C416 - rows are no pairs to mypy
    quote = _quote(connection)
    return replace(
        shape,
        constraints=tuple(
            replace(each, name=names.get(each.definition(quote))) for each in shape.constraints
        ),
    )


def keep(connection: Connection, shape: TableShape) -> None:
    """Keep the names in ``shape``, which is as DuckDB tells it, in place of earlier ones."""
    quote = _quote(connection)
    rows = [
        {
            "table_schema": shape.schema or "",
            "table_name": shape.name,
            "definition": constraint.definition(quote),
            "name": constraint.name,
        }
        for constraint in shape.constraints
        if constraint.name is not None
    ]
    forget(connection, shape)
    if not rows:
        return
    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.constraint_names (table_schema VARCHAR, "
        f"table_name VARCHAR, definition VARCHAR, name VARCHAR)"
    )
    connection.execute(insert(_NAMES), rows)


def forget(connection: Connection, shape: TableShape) -> None:
    """Forget the names in a table that is no more."""
    if _is_there(connection):
        connection.execute(delete(_NAMES).where(*_is(shape)))


def _is_there(connection: Connection) -> bool:
    return bool(connection.scalar(_IS_THERE))


def _is(shape: TableShape) -> tuple[ColumnElement[bool], ...]:
    return _NAMES.c.table_schema == (shape.schema or ""), _NAMES.c.table_name == shape.name


def _quote(connection: Connection) -> Quote:
    quote: Quote = connection.dialect.identifier_preparer.quote_identifier
    return quote
