"""What PostgreSQL tells about its tables and indexes, from its catalog and its statistics.

Whatever is asked for here every role may ask. The size of a table takes a lock that waits for
one who changes the table, so that of such a table is estimated.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from andamios_orm.core import SlowStatement
from andamios_orm.dialect.quoting import quoted
from andamios_orm.maintenance import postgres_catalog
from andamios_orm.maintenance.advice import in_sql
from andamios_orm.maintenance.analysis import (
    Analysis,
    ColumnSkew,
    IndexAnalysis,
    MissingIndex,
    TableAnalysis,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection

    from andamios_orm.core import Database
    from andamios_orm.maintenance.analysis import Fault

__all__ = ["look"]

_STEPS: Final = len(postgres_catalog.QUERIES) + 1
_READS: Final = 1_000
"""Reads of a table after which an index that none of them used is called unused."""

_MANY: Final = 10_000
"""Rows from which on looking for those of one parent should not read them all."""

_LARGE: Final = 100_000
_SCANS: Final = 100
"""A table of so many rows that was read whole so often lacks an index."""

_NOT_LOADED: Final = (
    "pg_stat_statements records nothing: add it to shared_preload_libraries and restart PostgreSQL"
)
_NOT_INSTALLED: Final = (
    "statements of other processes are not known: pg_stat_statements is not installed (add it to "
    "shared_preload_libraries, restart PostgreSQL, then CREATE EXTENSION pg_stat_statements)"
)


async def look(database: Database, progress: Callable[[int, int], None]) -> Analysis:
    """Return what is known of a PostgreSQL database, without advice."""
    async with database.engine.connect() as connection:
        await connection.execute(text("SET TRANSACTION READ ONLY"))
        answers: list[Sequence[Any]] = []
        for query in postgres_catalog.QUERIES:
            answers.append((await connection.execute(query)).all())
            progress(len(answers), _STEPS)
        [server], tables, indexes, keys, skew = answers
        log_size = await connection.scalar(postgres_catalog.LOG) if server.tells_log else None
        statements, notes = await _statements(connection, server)
        progress(_STEPS, _STEPS)
    if log_size is None:
        notes.append(
            f"the size of the log is for members of pg_monitor, and {server.role} is none: "
            f"GRANT pg_monitor TO {quoted(server.role)}"
        )
    by_table: dict[int, list[_Index]] = defaultdict(list)
    for row in indexes:
        by_table[row.relation].append(_Index.of(row))
    uneven: dict[tuple[str, str], list[ColumnSkew]] = defaultdict(list)
    for row in skew:
        is_null = row.empty >= row.common
        found = ColumnSkew(row.column, round(max(row.empty, row.common), 4), is_null)
        uneven[row.schema, row.name].append(found)
    return Analysis(
        "postgresql",
        server.name,
        tuple(
            _table(row, by_table[row.oid], uneven[row.schema, row.name], server.since)
            for row in tables
        ),
        (
            *_missing(keys, tables, by_table, database.engine.dialect),
            *_read_whole(tables, server.since),
        ),
        size=server.size,
        log_size=log_size,
        log_limit=server.log_limit,
        counted_since=server.since,
        server_statements=statements,
        notes=tuple(notes),
    )


async def _statements(
    connection: AsyncConnection, server: Any
) -> tuple[tuple[SlowStatement, ...] | None, list[str]]:
    """Return the statements that took most time, or the reason why they are not known."""
    if server.statements is None:
        return None, [_NOT_INSTALLED]
    if not server.loaded:
        return None, [_NOT_LOADED]
    query = postgres_catalog.STATEMENTS.format(schema=quoted(server.statements))
    rows = await connection.execute(text(query))
    return tuple(
        SlowStatement(" ".join(row.query.split()), row.calls, row.seconds, row.longest)
        for row in rows
    ), []


@dataclass(frozen=True, slots=True)
class _Index:
    """An index with what has to be the same in another one that can take its place."""

    relation: int
    name: str
    parts: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...]
    row: Any

    @classmethod
    def of(cls, row: Any) -> _Index:
        """Return what a row of the catalog says."""
        each = (row.keys, row.classes, row.collations, row.options)
        parts = zip(*(text.split()[: row.width] for text in each), row.columns, strict=True)
        return cls(row.relation, row.name, tuple(parts), tuple(row.columns), row)

    @property
    def serves(self) -> bool:
        """Whether it can be used for any row."""
        return bool(self.row.valid and not self.row.partial)

    @property
    def is_free(self) -> bool:
        """Whether nothing but queries would miss it."""
        row = self.row
        return not (row.is_unique or row.needed or row.is_part)

    def is_unused(self, reads: int) -> bool:
        """Return whether only writes would miss it, after so many reads of its table."""
        return self.is_free and self.row.scans == 0 and reads >= _READS

    def covers(self, keys: Sequence[int]) -> bool:
        """Return whether it finds rows by these columns, whatever their order."""
        found = {part[0] for part in self.parts[: len(keys)]}
        ordered = self.row.method == "btree" or len(keys) == len(self.parts) == 1
        return self.serves and ordered and found == {str(key) for key in keys}

    def replaces(self, other: _Index) -> bool:
        """Return whether it does what the other one does, and is the one to keep of the two."""
        width, others = len(self.row.keys.split()), len(other.row.keys.split())
        does = (
            self.parts[: len(other.parts)] == other.parts
            and others == other.row.width  # it has nothing besides
            and self.serves
            and other.serves
            and self.row.method == other.row.method == "btree"
        )
        return does and (width > others or not self.is_free or self.name < other.name)


def _table(
    row: Any, indexes: Sequence[_Index], skew: Sequence[ColumnSkew], since: datetime | None
) -> TableAnalysis:
    reads = (row.seq_scan or 0) + (row.idx_scan or 0)
    return TableAnalysis(
        row.schema,
        row.name,
        row.rows,
        row.size,
        row.dead,
        tuple(_index(row, index, indexes, reads, since) for index in indexes),
        index_size=row.index_size,
        last_analyzed=row.analyzed,
        changed_rows=row.changed,
        sequential_scans=row.seq_scan,
        sequential_rows=row.seq_tup_read,
        index_scans=row.idx_scan,
        skew=tuple(skew),
    )


def _index(
    table: Any, index: _Index, others: Sequence[_Index], reads: int, since: datetime | None
) -> IndexAnalysis:
    fault, reason = _fault(index, others, reads, since)
    return IndexAnalysis(
        table.schema,
        table.name,
        index.name,
        index.columns,
        index.row.is_unique,
        index.row.partial,
        index.row.size,
        index.row.scans,
        fault,
        reason,
    )


def _fault(
    index: _Index, others: Sequence[_Index], reads: int, since: datetime | None
) -> tuple[Fault | None, str]:
    """Return what speaks against an index, and why.

    One that is used is never given up for one that is not.
    """
    if not index.row.valid:
        return "invalid", "nothing reads it and every write pays for it, unless it is being built"
    if not index.is_free:
        return None, ""
    if index.is_unused(reads):
        return "unused", f"none of the {reads:,} reads of its table{_since(since)} used it"
    for other in others:
        if other is not index and other.replaces(index) and not other.is_unused(reads):
            return "redundant", f"{other.name} finds rows by the same columns"
    return None, ""


def _missing(
    keys: Iterable[Any],
    tables: Iterable[Any],
    indexes: dict[int, list[_Index]],
    dialect: Dialect,
) -> Iterator[MissingIndex]:
    """Yield the foreign keys of large tables that no index begins with."""
    rows: dict[int, int] = defaultdict(int)
    for table in tables:
        rows[table.root] += table.rows
    for key in keys:
        count = rows[key.relation]
        if count < _MANY or any(index.covers(key.keys) for index in indexes[key.relation]):
            continue
        how = "" if key.parted else " CONCURRENTLY"
        place = in_sql(dialect, key.schema, key.name)
        columns = ", ".join(map(dialect.identifier_preparer.quote, key.columns))
        yield MissingIndex(
            key.schema,
            key.name,
            tuple(key.columns),
            f"it refers to {key.parent}: finding the rows of one, and deleting one there, reads "
            f"all {count:,}",
            f"CREATE INDEX{how} ON {place} ({columns})",
        )


def _read_whole(tables: Iterable[Any], since: datetime | None) -> Iterator[MissingIndex]:
    """Yield the large tables that are read whole again and again."""
    for table in tables:
        scans, read = table.seq_scan or 0, table.seq_tup_read or 0
        if table.rows >= _LARGE and scans >= _SCANS and read >= scans * table.rows / 2:
            reason = (
                f"it was read whole {scans:,} times{_since(since)}, {read // scans:,} rows each"
            )
            yield MissingIndex(table.schema, table.name, (), reason, None)


def _since(moment: datetime | None) -> str:
    return f" since {moment:%Y-%m-%d}" if moment else ""
