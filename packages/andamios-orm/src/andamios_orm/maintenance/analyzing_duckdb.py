"""What DuckDB tells about its tables, their row groups and their indexes.

DuckDB 1.5 uses an index where one condition on a single column finds few rows: 2,048, or one
in a thousand. It does not count how often that is. Its own foreign keys have an index.
"""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from andamios_orm.core.links import Links, is_checked_here
from andamios_orm.dialect.quoting import quoted
from andamios_orm.dialect.rebuilding import read
from andamios_orm.dialect.shapes import unquoted
from andamios_orm.maintenance.advice import in_sql
from andamios_orm.maintenance.analysis import (
    Analysis,
    IndexAnalysis,
    MissingIndex,
    RowGroups,
    TableAnalysis,
)
from andamios_orm.maintenance.manifests import ROW_GROUP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection, MetaData

    from andamios_orm.core import Database
    from andamios_orm.core.links import Link
    from andamios_orm.dialect.database import DuckDBDatabase
    from andamios_orm.dialect.shapes import ConstraintShape, IndexShape, TableShape
    from andamios_orm.maintenance.analysis import Fault

__all__ = ["look"]

_TABLES: Final = text("""
    SELECT database_name, schema_name, table_name
    FROM duckdb_tables()
    WHERE database_name = current_database() AND NOT internal AND NOT temporary
    ORDER BY ALL
""")
_FILE: Final = text("""
    SELECT block_size, total_blocks, free_blocks,
        current_setting('index_scan_max_count') AS most_rows,
        current_setting('index_scan_percentage') AS most_share
    FROM pragma_database_size()
    WHERE database_name = current_database()
""")
# The first column says where each row group ends: its values, or, of a STRUCT, which are NULL.
# Blocks with higher numbers are in memory only.
_STORED: Final = text("""
    WITH segment AS MATERIALIZED (FROM pragma_storage_info(:name)),
    part AS (
        SELECT row_group_id AS number, sum("count") AS counted
        FROM segment
        WHERE column_path IN ('[0]', '[0, 0]')
        GROUP BY row_group_id, column_path
    ),
    row_group AS (SELECT number, max(counted) AS counted FROM part GROUP BY number),
    block AS (
        SELECT block_id FROM segment
        UNION
        SELECT unnest(additional_block_ids) FROM segment
    )
    SELECT count(*) AS groups,
        coalesce(sum(counted), 0) AS stored,
        coalesce(min(counted), 0) AS smallest,
        coalesce(max(counted), 0) AS largest,
        count(*) FILTER (
            counted * 2 < :full AND number < (SELECT max(number) FROM row_group)
        ) AS half_empty,
        (SELECT count(*) FROM block WHERE block_id BETWEEN 0 AND (1::BIGINT << 62) - 1) AS blocks
    FROM row_group
""")
_DISTINCT: Final = re.compile(r"\[Approx Unique: (\d+)\]\Z")
_LARGE: Final = 500_000
"""Rows from which on an index finds a few of them in a third of the time that a scan takes."""

_UNCOUNTED: Final = "DuckDB does not count how often an index is used, nor tell how large it is"
_NO_MODELS: Final = (
    "foreign keys that the library keeps were not looked at: pass metadata=, or --models"
)
_NO_FILE: Final = "a memory database has no file: nothing has a size in it"


@dataclass(frozen=True, slots=True)
class _Limits:
    """Up to how many rows DuckDB takes an index."""

    rows: int
    share: float

    def of(self, rows: int) -> float:
        """Return them for a table of so many."""
        return max(self.rows, self.share * rows)


async def look(
    database: Database, models: Iterable[MetaData] | None, progress: Callable[[int, int], None]
) -> Analysis:
    """Return what is known of a DuckDB database, without advice."""
    async with database.engine.connect() as connection:
        file = (await connection.execute(_FILE)).one()
        names = (await connection.execute(_TABLES)).all()
    limits = _Limits(file.most_rows, file.most_share)
    looker = _Looker(limits, _links(database, models), file.block_size)
    for done, (catalog, schema, name) in enumerate(names, 1):
        # Each in a transaction of its own: a long one would keep the log from being written back.
        async with database.engine.connect() as connection:
            await connection.run_sync(looker.look_at, catalog, schema, name)
        progress(done, len(names))
    dialect: Any = database.engine.dialect
    opened: DuckDBDatabase = dialect.holder.database
    notes = [_UNCOUNTED, *([_NO_MODELS] if models is None else []), *looker.notes]
    missing = sorted(looker.missing, key=attrgetter("schema", "table", "columns"))
    found = Analysis("duckdb", opened.name, tuple(looker.tables), tuple(missing))
    if opened.path is None:
        tables = tuple(replace(table, size=None) for table in found.tables)
        return replace(found, tables=tables, notes=(*notes, _NO_FILE))
    path = str(opened.path)
    size, log_size = await asyncio.to_thread(lambda: (_size(path), _size(f"{path}.wal")))
    return replace(
        found,
        name=opened.path.name,
        notes=tuple(notes),
        size=size,
        log_size=log_size,
        log_limit=opened.checkpoints.threshold if opened.checkpoints else None,
        block_size=file.block_size,
        blocks=file.total_blocks,
        free_blocks=file.free_blocks,
    )


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        return 0


def _links(
    database: Database, models: Iterable[MetaData] | None
) -> dict[tuple[str | None, str], list[Link]]:
    """Return the foreign keys that the library keeps, by schema and table."""
    found: dict[tuple[str | None, str], list[Link]] = {}
    for metadata in models or ():
        for table in metadata.sorted_tables:
            if is_checked_here(database.engine.dialect, table):
                links = found.setdefault((table.schema, table.name.lower()), [])
                links.extend(Links.of(metadata).from_table(table))
    return found


class _Looker:
    """Looks at one table after another."""

    def __init__(
        self,
        limits: _Limits,
        links: dict[tuple[str | None, str], list[Link]],
        block_size: int,
    ) -> None:
        self.tables: list[TableAnalysis] = []
        self.missing: list[MissingIndex] = []
        self.notes: list[str] = []
        self._limits = limits
        self._links = links
        self._block_size = block_size

    def look_at(self, connection: Connection, catalog: str, schema: str, name: str) -> None:
        """Note what there is to a table, if it is still there."""
        shape = read(connection, name, schema)
        if shape is None:
            return
        # Without its database, a schema may have the name of one.
        full_name = ".".join(map(quoted, (catalog, schema, name)))
        rows = int(connection.scalar(text(f"SELECT count(*) FROM {full_name}")) or 0)  # noqa: S608 - quoted
        values = _Values(rows, _distinct(connection, full_name, shape), self._limits.of(rows))
        groups, size = self._stored(connection, full_name)
        self.tables.append(
            TableAnalysis(
                schema,
                name,
                rows,
                size,
                None if groups is None else max(groups.rows - rows, 0),
                tuple(_indexes(shape, schema, values)),
                groups,
            )
        )
        for place in {(shape.schema, name.lower()), (schema, name.lower())}:
            for link in self._links.get(place, ()):
                self.missing += _missing(connection, shape, schema, link, values)

    def _stored(
        self, connection: Connection, full_name: str
    ) -> tuple[RowGroups | None, int | None]:
        """Return the row groups of a table, and the bytes of its blocks."""
        if '""' in full_name:
            self.notes.append(
                f"the row groups of {full_name} were not looked at: DuckDB does not find them by a "
                f"name with a quotation mark in it"
            )
            return None, None
        row = connection.execute(_STORED, {"name": full_name, "full": ROW_GROUP}).one()
        groups = RowGroups(
            row.groups, int(row.stored), int(row.smallest), int(row.largest), row.half_empty
        )
        return groups, row.blocks * self._block_size


@dataclass(frozen=True, slots=True)
class _Values:
    """How many rows a table has, about how many values some columns, and what an index is for."""

    rows: int
    distinct: dict[str, int]
    limit: float

    def rows_of(self, column: str) -> float | None:
        """Return in how many rows an average value is; None if that is not known."""
        distinct = self.distinct.get(column.lower())
        return self.rows / distinct if distinct else None


def _distinct(connection: Connection, full_name: str, shape: TableShape) -> dict[str, int]:
    """Return about how many values each column has, from the statistics that DuckDB keeps."""
    columns = [column.name for column in shape.stored]
    wanted = ", ".join(f"stats({quoted(column)})" for column in columns)
    row = connection.execute(text(f"SELECT {wanted} FROM {full_name} LIMIT 1")).one_or_none()  # noqa: S608 - quoted
    found = zip(columns, row or (), strict=row is not None)
    matches = ((column.lower(), _DISTINCT.search(str(told))) for column, told in found)
    return {column: int(match[1]) for column, match in matches if match}


def _indexes(shape: TableShape, schema: str, values: _Values) -> Iterator[IndexAnalysis]:
    """Yield the indexes of a table that somebody has made, each with what speaks against it."""
    known = {
        _lower(key.columns): f"its {key.kind.lower()}" for key in shape.constraints if _is_key(key)
    }
    unique = {_names(index): f"the index {index.name}" for index in shape.indexes if index.unique}
    known = unique | known
    for index in shape.indexes:
        fault: Fault | None = None
        reason = ""
        if not index.unique:
            fault, reason = _fault(index, known, values)
            known.setdefault(_names(index), f"the index {index.name}")
        yield IndexAnalysis(
            schema,
            shape.name,
            index.name,
            index.parts,
            index.unique,
            fault=fault,
            reason=reason,
        )


def _fault(
    index: IndexShape, known: dict[tuple[str, ...], str], values: _Values
) -> tuple[Fault | None, str]:
    """Return what speaks against an index, and why."""
    names = _names(index)
    if names in known:
        return "redundant", f"{known[names]} has an index over the same"
    if len(names) > 1:
        return "never chosen", "DuckDB takes one only for a condition on a single column"
    rows = values.rows_of(names[0])
    if rows is not None and rows > values.limit:
        reason = (
            f"an average value is in about {rows:,.0f} rows, and DuckDB takes one for up to "
            f"{values.limit:,.0f}"
        )
        return "never chosen", reason
    return None, ""


def _missing(
    connection: Connection, shape: TableShape, schema: str, link: Link, values: _Values
) -> Iterator[MissingIndex]:
    """Yield the index that a foreign key should have, if one would be used and worth it."""
    indexed = {_names(index) for index in shape.indexes}
    indexed |= {_lower(key.columns) for key in shape.constraints if key.kind != "CHECK"}
    columns = [column.name for column in link.columns]
    if values.rows < _LARGE or any(_lower([column]) in indexed for column in columns):
        return
    best = min(columns, key=lambda column: values.rows_of(column) or math.inf)
    if (values.rows_of(best) or math.inf) > values.limit:
        return
    quote = connection.dialect.identifier_preparer.quote
    name = quote(f"ix_{shape.name}_{best}")
    yield MissingIndex(
        schema,
        shape.name,
        (best,),
        f"it refers to {link.parent.name}, and finding the rows of one reads all {values.rows:,}",
        f"CREATE INDEX {name} ON {in_sql(connection.dialect, schema, shape.name)} ({quote(best)})",
    )


def _is_key(constraint: ConstraintShape) -> bool:
    return constraint.kind in {"PRIMARY KEY", "UNIQUE"}


def _names(index: IndexShape) -> tuple[str, ...]:
    """Return what an index is over, as names that can be compared."""
    return _lower(map(unquoted, index.parts))


def _lower(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)
