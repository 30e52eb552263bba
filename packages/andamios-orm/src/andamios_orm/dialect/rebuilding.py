"""Reading the shape of a DuckDB table, and making the table anew in another shape.

All of it happens inside the caller's transaction. A table whose rows were changed there
can be dropped and made again, but hardly altered; an index that was dropped there can be
made again only on a table that was made again. Foreign keys remember the name under which
a table was *made*, so that a copy which is renamed breaks them (DuckDB 1.5.5): the rows
wait in another table, and the table is made under its own name.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from andamios_orm.dialect.constraint_names import named
from andamios_orm.dialect.quoting import literal
from andamios_orm.dialect.reflection import without_cast
from andamios_orm.dialect.shapes import (
    ColumnShape,
    ConstraintShape,
    IndexShape,
    TableShape,
    unqualified,
    unquoted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from andamios_orm.dialect.shapes import Quote

__all__ = ["children_of", "parts_of", "read", "rebuild", "rounds", "with_index"]

STASH: Final = "andamios_stash"
"""How the tables begin in which rows wait; they live within one transaction."""
_ROUND: Final = "andamios_round"

_TABLE = text("""
    SELECT table_name, schema_name, schema_name = current_schema() AS own, comment, sql
    FROM duckdb_tables()
    WHERE database_name = current_database() AND NOT temporary
    AND schema_name = coalesce(:schema, current_schema()) AND lower(table_name) = lower(:name)
""")
_COLUMNS = text("""
    SELECT column_name, data_type, is_nullable, column_default, comment
    FROM duckdb_columns()
    WHERE database_name = current_database() AND schema_name = :schema AND table_name = :name
    ORDER BY column_index
""")
_CONSTRAINTS = text("""
    SELECT constraint_type, constraint_column_names, expression, referenced_table,
        referenced_column_names
    FROM duckdb_constraints()
    WHERE database_name = current_database() AND schema_name = :schema AND table_name = :name
    AND constraint_type <> 'NOT NULL'
    ORDER BY constraint_index
""")
_INDEXES = text("""
    SELECT index_name, is_unique, expressions, comment
    FROM duckdb_indexes()
    WHERE database_name = current_database() AND schema_name = :schema AND table_name = :name
    ORDER BY index_oid
""")
_CHILDREN = text("""
    SELECT DISTINCT table_name
    FROM duckdb_constraints()
    WHERE database_name = current_database() AND schema_name = :schema
    AND constraint_type = 'FOREIGN KEY' AND lower(referenced_table) = lower(:name)
    AND lower(table_name) <> lower(:name)
    ORDER BY ALL
""")
_OF_INDEX = text("""
    SELECT table_name
    FROM duckdb_indexes()
    WHERE database_name = current_database() AND schema_name = coalesce(:schema, current_schema())
    AND lower(index_name) = lower(:name)
""")
_PART = re.compile(r"\s*(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<plain>[^,]+))\s*(?:,|$)", re.DOTALL)
_COLLATED = re.compile(
    r"""'(?:[^']|'')*'|(?P<name>"(?:[^"]|"")*"|\w+)(?: VARCHAR COLLATE (?P<collation>[\w.]+))?"""
)


def read(connection: Connection, name: str, schema: str | None = None) -> TableShape | None:
    """Return the shape of a table; None if there is no such table."""
    found = connection.execute(_TABLE, {"name": name, "schema": schema}).one_or_none()
    if found is None:
        return None
    place = {"name": found.table_name, "schema": found.schema_name}
    return TableShape(
        found.table_name,
        None if found.own else found.schema_name,
        tuple(_columns(connection, found)),
        tuple(
            _constraint(row, found.table_name) for row in connection.execute(_CONSTRAINTS, place)
        ),
        tuple(
            IndexShape(row.index_name, row.is_unique, parts_of(row.expressions), row.comment)
            for row in connection.execute(_INDEXES, place)
        ),
        found.comment,
    )


def _columns(connection: Connection, table: Any) -> Iterator[ColumnShape]:
    generated = _generated(connection, table)
    collations = {
        unquoted(match["name"]).lower(): match["collation"]
        for match in _COLLATED.finditer(table.sql)
        if match["collation"]
    }
    place = {"name": table.table_name, "schema": table.schema_name}
    for row in connection.execute(_COLUMNS, place):
        expression = row.column_default
        shape = ColumnShape(
            row.column_name,
            row.data_type,
            row.is_nullable,
            expression,
            comment=row.comment,
            collation=collations.get(row.column_name.lower()),
        )
        if row.column_name in generated:
            shape = replace(shape, default=None, generated=without_cast(expression, row.data_type))
        yield shape


def children_of(connection: Connection, table: TableShape) -> list[str]:
    """Return the names of other tables with a physical key to this one."""
    place = {"name": table.name, "schema": table.schema or _current_schema(connection)}
    return list(connection.scalars(_CHILDREN, place))


def with_index(connection: Connection, name: str, schema: str | None) -> TableShape | None:
    """Return the shape of the table that has an index of this name; None if there is none."""
    table = connection.scalar(_OF_INDEX, {"name": name, "schema": schema})
    return None if table is None else read(connection, table, schema)


def rebuild(
    connection: Connection,
    old: TableShape,
    new: TableShape,
    values: Mapping[str, str],
) -> list[TableShape]:
    """Put the table ``new`` in the place of ``old``, with its rows; return what was made.

    ``values`` says for each stored column of the new table what it is made from: an SQL
    expression over the old one. A column that is left out gets its default. Where there
    are as many columns as before, they are the same ones, perhaps under other names.
    Tables with keys to this one are made again, too, for they hold on to it.
    """
    quote = _quote(connection)
    children = _family(connection, old, {old.name.lower()})
    for number, child in enumerate(children):
        _stash(connection, child, _stash_name(number), _as_they_are(child, quote), quote)
    _stash(connection, old, _stash_name(len(children)), values, quote)
    _make(connection, new, _stash_name(len(children)), values, quote)
    followed = {}
    if len(old.columns) == len(new.columns):
        both = zip(old.columns, new.columns, strict=True)
        followed = {before.name.lower(): after.name for before, after in both}
    made = [new]
    for number, child in reversed(list(enumerate(children))):
        made.append(child.referring_to(old.name, new.name, followed))
        _make(connection, made[-1], _stash_name(number), _as_they_are(child, quote), quote)
    return made


def _family(connection: Connection, table: TableShape, seen: set[str]) -> list[TableShape]:
    """Return all tables that refer to ``table``, those first that nothing refers to."""
    family: list[TableShape] = []
    for name in children_of(connection, table):
        if name.lower() in seen:
            continue
        seen.add(name.lower())
        child = read(connection, name, table.schema)
        assert child is not None  # noqa: S101 - the catalog has just named it
        family.extend([*_family(connection, child, seen), named(connection, child)])
    return family


def _as_they_are(table: TableShape, quote: Quote) -> dict[str, str]:
    return {column.name: quote(column.name) for column in table.stored}


def _stash(
    connection: Connection,
    table: TableShape,
    stash: str,
    values: Mapping[str, str],
    quote: Quote,
) -> None:
    """Move the rows, as they are to be, into another table, and drop this one."""
    taken = ", ".join(f"{value} AS {quote(name)}" for name, value in values.items())
    name = table.full_name(quote)
    connection.exec_driver_sql(f"CREATE TABLE {stash} AS SELECT {taken} FROM {name}")  # noqa: S608 - quoted names
    connection.exec_driver_sql(f"DROP TABLE {name}")


def _make(
    connection: Connection,
    table: TableShape,
    stash: str,
    values: Mapping[str, str],
    quote: Quote,
) -> None:
    """Make a table, take its rows from the stash, and drop the stash."""
    connection.exec_driver_sql(table.definition(quote))
    name = table.full_name(quote)
    into = ", ".join(map(quote, values))
    for condition in rounds(
        lambda sql: connection.exec_driver_sql(sql).rowcount, table, stash, quote
    ):
        connection.exec_driver_sql(
            f"INSERT INTO {name} ({into}) SELECT {into} FROM {stash}{condition}"  # noqa: S608 - quoted names
        )
    connection.exec_driver_sql(f"DROP TABLE {stash}")
    for index in table.indexes:
        connection.exec_driver_sql(index.definition(name, quote))
    _comment_on(connection, table, quote)


def rounds(
    execute: Callable[[str], int], table: TableShape, stash: str, quote: Quote
) -> Iterator[str]:
    """Yield conditions that take the rows in turns: parents before the rows that refer to them.

    DuckDB looks a row's parent up among the rows of earlier statements only. ``execute``
    runs a statement on the table ``stash``, where the rows are, and returns how many it changed.
    """
    if not table.own_keys:
        yield ""
        return

    def known(key: ConstraintShape) -> str:
        columns = ", ".join(map(quote, key.columns))
        missing = " OR ".join(f"{quote(column)} IS NULL" for column in key.columns)
        referred = ", ".join(map(quote, key.referred))
        earlier = f"SELECT ({referred}) FROM {stash} WHERE {_ROUND} IS NOT NULL"  # noqa: S608 - quoted names
        return f"({missing} OR ({columns}) IN ({earlier}))"

    execute(f"ALTER TABLE {stash} ADD COLUMN {_ROUND} INTEGER")
    ready = " AND ".join([f"{_ROUND} IS NULL", *map(known, table.own_keys)])
    number = 0
    while execute(f"UPDATE {stash} SET {_ROUND} = {number} WHERE {ready}"):  # noqa: S608 - quoted names
        yield f" WHERE {_ROUND} = {number}"
        number += 1
    yield f" WHERE {_ROUND} IS NULL"  # none, unless DuckDB has to say why they cannot be


def _comment_on(connection: Connection, table: TableShape, quote: Quote) -> None:
    """Say again what was said of a table, its columns and its indexes."""
    name = table.full_name(quote)
    schema = f"{quote(table.schema)}." if table.schema else ""
    comments = {
        f"TABLE {name}": table.comment,
        **{f"COLUMN {name}.{quote(each.name)}": each.comment for each in table.columns},
        **{f"INDEX {schema}{quote(each.name)}": each.comment for each in table.indexes},
    }
    for what, comment in comments.items():
        if comment is not None:
            connection.exec_driver_sql(f"COMMENT ON {what} IS {literal(comment)}")


def _stash_name(number: int) -> str:
    return f"{STASH}_{number}"


def _constraint(row: Any, table: str) -> ConstraintShape:
    return ConstraintShape(
        row.constraint_type,
        tuple(row.constraint_column_names),
        row.expression and unqualified(row.expression, table),
        row.referenced_table or None,
        tuple(row.referenced_column_names or ()),
    )


def parts_of(listed: str) -> tuple[str, ...]:
    r"""Return the parts of an index, which DuckDB lists as text.

    >>> parts_of(r"[a, '(lower(b))', '((a || \'x, y\'))']")
    ('a', '(lower(b))', "((a || 'x, y'))")
    """
    return tuple(
        found["plain"].strip()
        if found["quoted"] is None
        else re.sub(r"\\(.)", r"\1", found["quoted"])
        for found in _PART.finditer(listed[1:-1])
    )


def _generated(connection: Connection, table: Any) -> set[str]:
    """Return the names of generated columns: those whose expression is no default."""
    if "GENERATED ALWAYS AS" not in table.sql:
        return set()
    quote = _quote(connection)
    name = f"{quote(table.schema_name)}.{quote(table.table_name)}"
    described: Sequence[Any] = connection.exec_driver_sql(f"DESCRIBE {name}").all()
    without_default = {row[0] for row in described if row[4] is None}
    place = {"name": table.table_name, "schema": table.schema_name}
    return {
        row.column_name
        for row in connection.execute(_COLUMNS, place)
        if row.column_default is not None and row.column_name in without_default
    }


def _current_schema(connection: Connection) -> str:
    found = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
    return str(found)


def _quote(connection: Connection) -> Quote:
    quote: Quote = connection.dialect.identifier_preparer.quote_identifier
    return quote
