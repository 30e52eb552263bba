"""The tables of an organisation, and their rows as lines of JSON."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Table, Text, cast, func, literal, select, text

from axai_pg.archives.manifest import Part
from axai_pg.data.models import Base

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from sqlalchemy import Connection, FromClause, Select

__all__ = ["columns_of", "count", "insert", "lines", "measured", "only", "part_of", "tables"]

_KEPT: Final = frozenset({"audit_log", "audit_seals"})
"""What was done: nobody can write it again."""
_LEFT_OUT: Final = frozenset({"org_id", "search_vector"})
"""What follows from where the rows are, and from other columns."""
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str)
_STREAMED: Final = {"stream_results": True, "max_row_buffer": 500}


def tables() -> list[Table]:
    """Return the tables that rows of organisations are written to, parents first."""
    return [
        table
        for table in Base.metadata.sorted_tables
        if "org_id" in table.columns and table.name not in _KEPT
    ]


def columns_of(table: Table, *, with_secrets: bool) -> list[str]:
    """Return the columns that go into an archive."""
    return [
        column.name
        for column in table.columns
        if column.name not in _LEFT_OUT and (with_secrets or not column.info.get("secret"))
    ]


def count(connection: Connection, table: Table) -> int:
    """Return how many rows the organisation in context has."""
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def lines(connection: Connection, table: Table, columns: Sequence[str]) -> Iterator[bytes]:
    """Yield the rows of the organisation in context as JSON, parents first, then by key."""
    rows = _ordered(table, columns).subquery("line")
    statement = select(cast(func.row_to_json(rows.table_valued()), Text))
    connection.execute(text("SELECT set_config('timezone', 'UTC', true)"))
    found = connection.execute(statement, execution_options=_STREAMED)
    for line in found.scalars():
        yield line.encode() + b"\n"


def measured(connection: Connection, table: Table, columns: Sequence[str]) -> Part:
    """Return what the rows of the organisation in context would be in an archive."""
    return part_of(table, columns, lines(connection, table, columns))


def part_of(table: Table, columns: Sequence[str], rows: Iterable[bytes]) -> Part:
    """Return what rows of a table are in an archive."""
    digest, count, size = hashlib.sha256(), 0, 0
    for line in rows:
        digest.update(line)
        count += 1
        size += len(line)
    return Part(table.name, tuple(columns), count, size, digest.hexdigest())


def only(line: bytes, columns: Collection[str]) -> bytes:
    r"""Return a line of JSON with some of its columns, each as it stands.

    >>> only(b'{"id":1,"hash":"x","note":{"a": 1}}\n', ["id", "note"])
    b'{"id":1,"note":{"a": 1}}\n'

    Raises:
        RecursionError: it is deeper than anybody means it.
        ValueError: it is no object in JSON.
    """
    document, at, kept, follows = line.decode(), 0, [], "{"
    while document[at] == follows:
        start = at + 1
        name, at = _DECODER.raw_decode(document, start)
        if not isinstance(name, str) or document[at] != ":":
            raise ValueError(f"no name of a column at {start}")
        _, at = _DECODER.raw_decode(document, at + 1)
        if name in columns:
            kept.append(document[start:at])
        follows = ","
    if document[at:] != "}\n":
        raise ValueError(f"no end of the object at {at}")
    return f"{{{','.join(kept)}}}\n".encode()


def insert(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[bytes]
) -> None:
    """Insert lines of JSON as rows of the organisation in context; the server reads them."""
    quote = connection.dialect.identifier_preparer.quote
    name, names = quote(table.name), ", ".join(map(quote, columns))
    statement = text(
        f"INSERT INTO {name} ({names}) SELECT {names} "  # noqa: S608 - names of our metadata, quoted
        f"FROM json_populate_recordset(CAST(NULL AS {name}), CAST(:rows AS json))"
    )
    connection.execute(statement, {"rows": f"[{b','.join(rows).decode()}]"})


def _ordered(table: Table, columns: Sequence[str]) -> Select[Any]:
    found = select(*(table.columns[name] for name in columns))
    parent = _parent(table)
    if parent is None:
        return found.order_by(table.columns.id)
    depths = _depths(table, parent)
    return found.join(depths, depths.c.id == table.columns.id).order_by(
        depths.c.depth, table.columns.id
    )


def _parent(table: Table) -> str | None:
    """Return the column that refers to another row of the same table."""
    return next(
        (
            column.name
            for key in table.foreign_key_constraints
            if key.referred_table is table
            for column in key.columns
            if column.name != "org_id"
        ),
        None,
    )


def _depths(table: Table, parent: str) -> FromClause:
    """Return how deep in its tree each row is."""
    tree = (
        select(table.columns.id, literal(0).label("depth"))
        .where(table.columns[parent].is_(None))
        .cte("tree", recursive=True)
    )
    below = table.alias("below")
    return tree.union_all(
        select(below.columns.id, tree.c.depth + 1).join(tree, below.columns[parent] == tree.c.id)
    )
