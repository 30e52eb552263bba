"""Sequences that go on behind the numbers that were copied."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Sequence, func, inspect, select, text

from andamios_orm.dialect.quoting import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Column, Connection, Table

__all__ = ["go_on", "next_numbers"]

_NEXT: Final = re.compile(r" START (-?\d+) (?:NO )?CYCLE;?$")
_OF_DEFAULT: Final = re.compile(r"nextval\('(?P<name>(?:[^']|'')+)'(?:::regclass)?\)")
_STEPS: Final = 10_000_000
"""Numbers that DuckDB, which sets no sequence, is asked for in one statement."""
_DUCKDB: Final = text("""
    SELECT sequence_name, increment_by, sql FROM duckdb_sequences()
    WHERE database_name = current_database() AND schema_name = current_schema() AND NOT temporary
""")
_POSTGRESQL: Final = text("""
    SELECT sequencename, increment_by,
        CASE WHEN last_value IS NULL THEN start_value ELSE last_value + increment_by END
    FROM pg_sequences WHERE schemaname = current_schema()
""")
_OWNED: Final = text("SELECT pg_get_serial_sequence(:table, :column)")
_SET: Final = text("SELECT setval(CAST(:name AS regclass), :value, false)")


def next_numbers(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return the number that each sequence gives next, and its step, by name."""
    if connection.dialect.name == "postgresql":
        return {name: (value, step) for name, step, value in connection.execute(_POSTGRESQL)}
    return {
        name: (int(_NEXT.findall(sql)[0]), step) for name, step, sql in connection.execute(_DUCKDB)
    }


def go_on(
    connection: Connection, tables: Iterable[Table], numbers: Mapping[str, tuple[int, int]]
) -> None:
    """Let sequences give numbers that no row has, and none that the source has given.

    ``numbers`` is what ``next_numbers()`` said at the source.
    """
    wanted = {name: value for name, (value, _) in numbers.items()}
    there = next_numbers(connection)
    for table in tables:
        for column, name in _counting(connection, table):
            if there.get(name, (0, 1))[1] < 0:
                continue  # it counts down: its own number is all there is to go by
            largest = connection.scalar(select(func.max(column)))
            if largest is not None:
                wanted[name] = max(wanted.get(name, largest + 1), largest + 1)
    for name, value in wanted.items():
        if name in there:
            _set(connection, name, there[name], value)


def _counting(connection: Connection, table: Table) -> Iterator[tuple[Column[Any], str]]:
    """Yield the columns that take their numbers from a sequence, with its name."""
    described = inspect(connection).get_columns(table.name, schema=table.schema)
    defaults = {each["name"]: each for each in described}
    preparer = connection.dialect.identifier_preparer
    for column in table.columns:
        there = defaults[column.name]
        found = _OF_DEFAULT.search(there.get("default") or "")
        if isinstance(column.default, Sequence):
            yield column, column.default.name
        elif there.get("identity"):
            place = {"table": preparer.format_table(table), "column": column.name}
            yield column, _bare(str(connection.scalar(_OWNED, place)))
        elif found is not None:
            yield column, _bare(found["name"].replace("''", "'"))


def _bare(name: str) -> str:
    """Return a name without its schema and quotes.

    >>> _bare('public."Book_id_seq"'), _bare("book_id_seq")
    ('Book_id_seq', 'book_id_seq')
    """
    last = re.findall(r'"(?:[^"]|"")*"|[^.]+', name)[-1]
    return last[1:-1].replace('""', '"') if last.startswith('"') else last


def _set(connection: Connection, name: str, there: tuple[int, int], value: int) -> None:
    """Let a sequence give ``value`` next, or the first number behind it that it can give."""
    given, step = there
    left = (value - given + step - 1) // step if step > 0 else (value - given + step + 1) // step
    if left <= 0:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(_SET, {"name": quoted(name), "value": given + left * step})
        return
    while left > 0:
        steps = min(left, _STEPS)
        sequence = literal(quoted(name))
        connection.exec_driver_sql(f"SELECT max(nextval({sequence})) FROM range({steps})").all()  # noqa: S608 - quoted
        left -= steps
