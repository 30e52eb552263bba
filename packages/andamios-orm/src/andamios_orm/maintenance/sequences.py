"""Sequences that go on behind the numbers that were copied."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import Sequence, func, inspect, select, text

from andamios_orm.dialect.quoting import literal, quoted
from andamios_orm.dialect.shapes import unquoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Column, Connection, Table

__all__ = ["Name", "Numbers", "go_on", "next_numbers"]

_NEXT: Final = re.compile(r" START (-?\d+) (?:NO )?CYCLE;?$")
_OF_DEFAULT: Final = re.compile(r"nextval\('(?P<name>(?:[^']|'')+)'(?:::regclass)?\)")
_IDENTIFIER: Final = re.compile(r'"(?:[^"]|"")*"|[^."]+')
_STEPS: Final = 10_000_000
"""Numbers that DuckDB, which sets no sequence, is asked for in one statement."""
_DUCKDB: Final = text("""
    SELECT nullif(schema_name, current_schema()), sequence_name, increment_by, sql
    FROM duckdb_sequences() WHERE database_name = current_database() AND NOT temporary
""")
_POSTGRESQL: Final = text("""
    SELECT nullif(schemaname, current_schema()), sequencename, increment_by,
        CASE WHEN last_value IS NULL THEN start_value ELSE last_value + increment_by END
    FROM pg_sequences
""")
_OWNED: Final = text("SELECT pg_get_serial_sequence(:table, :column)")
_SET: Final = text("SELECT setval(CAST(:name AS regclass), :value, false)")

Name: TypeAlias = tuple[str | None, str]
"""A schema, unless it is the own one, and a name."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The number that a sequence gives next, and its step."""

    next: int
    step: int


def next_numbers(connection: Connection) -> dict[Name, Numbers]:
    """Return where each sequence stands."""
    if connection.dialect.name == "postgresql":
        return {
            (schema, name): Numbers(value, step)
            for schema, name, step, value in connection.execute(_POSTGRESQL)
        }
    return {
        (schema, name): Numbers(int(_NEXT.findall(sql)[0]), step)
        for schema, name, step, sql in connection.execute(_DUCKDB)
    }


def go_on(
    connection: Connection, tables: Iterable[Table], numbers: Mapping[Name, Numbers]
) -> list[str]:
    """Let sequences give numbers that no row has, and none that the source has given.

    ``numbers`` is what ``next_numbers()`` said at the source; the names of sequences that
    are not here are returned.
    """
    wanted = {name: each.next for name, each in numbers.items()}
    there = next_numbers(connection)
    for table in tables:
        for column, name in _counting(connection, table):
            extreme = func.min if name in there and there[name].step < 0 else func.max
            taken = connection.scalar(select(extreme(column)))
            if name in there and taken is not None:
                behind = int(taken) + (1 if there[name].step > 0 else -1)
                wanted[name] = max(
                    wanted.get(name, behind), behind, key=lambda value: value * there[name].step
                )
    for name in wanted.keys() & there:
        _set(connection, name, there[name], wanted[name])
    return sorted(".".join(filter(None, name)) for name in numbers.keys() - there)


def _counting(connection: Connection, table: Table) -> Iterator[tuple[Column[Any], Name]]:
    """Yield the columns that take their numbers from a sequence, with its name."""
    inspector = inspect(connection)
    described = inspector.get_columns(table.name, schema=table.schema)
    there = {each["name"]: each for each in described}
    preparer = connection.dialect.identifier_preparer
    own = inspector.default_schema_name
    for column in table.columns:
        found = _OF_DEFAULT.search(there[column.name].get("default") or "")
        if isinstance(column.default, Sequence):
            yield column, (column.default.schema, column.default.name)
        elif there[column.name].get("identity"):
            place = {"table": preparer.format_table(table), "column": column.name}
            yield column, _name(str(connection.scalar(_OWNED, place)), own)
        elif found is not None:
            yield column, _name(found["name"].replace("''", "'"), own)


def _name(written: str, own: str | None) -> Name:
    """Return the name that an identifier in SQL stands for.

    >>> _name('public."Book_id_seq"', "public"), _name("a.book_id_seq", "public")
    ((None, 'Book_id_seq'), ('a', 'book_id_seq'))
    """
    *schemas, name = map(unquoted, _IDENTIFIER.findall(written))
    schema = schemas[-1] if schemas else None
    return None if schema == own else schema, name


def _set(connection: Connection, name: Name, there: Numbers, value: int) -> None:
    """Let a sequence give ``value`` next, or the first number behind it that it can give."""
    left = -((there.next - value) // there.step)
    if left <= 0:
        return
    written = ".".join(quoted(part) for part in name if part is not None)
    if connection.dialect.name == "postgresql":
        connection.execute(_SET, {"name": written, "value": there.next + left * there.step})
        return
    while left > 0:
        steps = min(left, _STEPS)
        query = f"SELECT max(nextval({literal(written)})) FROM range({steps})"  # noqa: S608 - quoted
        connection.exec_driver_sql(query).all()
        left -= steps
