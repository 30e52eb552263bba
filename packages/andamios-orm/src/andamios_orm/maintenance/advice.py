"""Sentences with cause and remedy, made of the figures alone, what matters most first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from andamios_orm.maintenance.analysis import IndexAnalysis, MissingIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Dialect

    from andamios_orm.core import SlowStatement
    from andamios_orm.maintenance.analysis import Analysis, ColumnSkew, TableAnalysis

__all__ = ["advice_on", "in_sql", "readable"]

_LONG_LOG: Final = 4
"""Times the size that a log is written back at, or kept below."""

_FREE_SHARE: Final = 0.25
_FREE_BLOCKS: Final = 16
_DELETED_SHARE: Final = 0.2
_DELETED_ROWS: Final = 10_000
_CHANGED_SHARE: Final = 0.5
_ENOUGH_ROWS: Final = 1_000
"""Rows of a table from which on PostgreSQL should know what is in it."""

_GROUPS: Final = 10
_SLOW: Final = 1.0
"""Seconds that a statement takes on average to be called slow on the server."""

_PLANNED: Final = frozenset({"SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE"})
_UNEVEN: Final = 0.9
_LARGE_INDEX: Final = 2**20
_SHOWN: Final = 120
_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")


def advice_on(analysis: Analysis, dialect: Dialect) -> Iterator[str]:
    """Yield what to do; nothing is said that the figures do not show."""
    say = (_OnDuckDB if analysis.system == "duckdb" else _OnPostgreSQL)(dialect)
    indexes = [index for table in analysis.tables for index in table.indexes]
    yield from say.of_log(analysis)
    for table in analysis.tables:
        yield from say.of_rows(table)
    yield from _of_free_blocks(analysis)
    for missing in analysis.missing_indexes:
        yield say.of_missing(missing)
    yield from _of_statements(analysis)
    for index in sorted(indexes, key=lambda each: each.size or 0, reverse=True):
        if index.fault:
            yield say.of_index(index)
    for table in analysis.tables:
        yield from say.of_shape(table)


def in_sql(dialect: Dialect, schema: str, name: str) -> str:
    """Return a name as it is written in SQL, with its schema unless that is the default one."""
    quote = dialect.identifier_preparer.quote
    own = schema == dialect.default_schema_name
    return quote(name) if own else f"{quote(schema)}.{quote(name)}"


def readable(size: int) -> str:
    """Return bytes in a unit that people read.

    >>> readable(512), readable(1536), readable(20 * 2**30)
    ('512 bytes', '1.5 KiB', '20 GiB')
    """
    unit = min(max(size.bit_length() - 1, 0) // 10, len(_UNITS) - 1)
    amount = size / 2 ** (10 * unit)
    digits = 1 if unit and amount < 10 else 0  # noqa: PLR2004 - two of them say enough
    return f"{amount:,.{digits}f} {_UNITS[unit]}"


class _Say:
    """What needs the names of a database."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def _name(self, thing: TableAnalysis | IndexAnalysis | MissingIndex) -> str:
        return in_sql(self._dialect, thing.schema, _table_of(thing))


class _OnDuckDB(_Say):
    """What is said of a DuckDB file; a table in memory, of no size, cannot be written anew."""

    def of_log(self, analysis: Analysis) -> Iterator[str]:
        if _is_long(analysis):
            yield (
                f"{readable(analysis.log_size or 0)} wait in {analysis.name}.wal, which is written "
                f"back at {readable(analysis.log_limit or 0)} unless somebody still reads what "
                f"was before: (await database.health()).pool.holders names who; close the "
                f"database and open it once nobody does"
            )

    def of_rows(self, table: TableAnalysis) -> Iterator[str]:
        if _is_full_of_deleted(table) and table.size is not None:
            yield (
                f"{self._name(table)} stores {table.deleted_rows:,} deleted rows, "
                f"{table.deleted_share:.0%} of all, which every scan reads: "
                f"andamios-orm vacuum writes it anew"
            )

    def of_missing(self, missing: MissingIndex) -> str:
        return (
            f"{self._name(missing)} lacks an index over {', '.join(missing.columns)}: "
            f"{missing.reason}: index=True in its model, or {missing.statement}"
        )

    def of_index(self, index: IndexAnalysis) -> str:
        drop = f"DROP INDEX {in_sql(self._dialect, index.schema, index.name)}"
        also = " (in its model: duckdb_index=False)" if index.fault == "never chosen" else ""
        return (
            f"{index.name} on {self._name(index)} is {index.fault}: {index.reason}; every write "
            f"pays for it: {drop}{also}"
        )

    def of_shape(self, table: TableAnalysis) -> Iterator[str]:
        groups = table.row_groups
        if groups is None or table.size is None:
            return
        if groups.count >= _GROUPS and groups.half_empty * 2 >= groups.count:
            yield (
                f"{groups.half_empty:,} of {groups.count:,} row groups of {self._name(table)} are "
                f"less than half full: andamios-orm vacuum fills them, and fewer and larger "
                f"inserts keep them so"
            )


class _OnPostgreSQL(_Say):
    """What is said of a PostgreSQL database."""

    def of_log(self, analysis: Analysis) -> Iterator[str]:
        if _is_long(analysis):
            yield (
                f"the log of the server has {readable(analysis.log_size or 0)}, and max_wal_size "
                f"is {readable(analysis.log_limit or 0)}: look into pg_replication_slots and "
                f"pg_stat_archiver: a slot that nobody reads keeps it (SELECT "
                f"pg_drop_replication_slot('its name')), or an archive that fails"
            )

    def of_rows(self, table: TableAnalysis) -> Iterator[str]:
        name = self._name(table)
        changed = table.changed_rows or 0
        if _is_full_of_deleted(table):
            yield (
                f"{name} has {table.deleted_rows:,} dead rows, {table.deleted_share:.0%} of all, "
                f"which every scan reads: VACUUM (ANALYZE) {name}"
            )
        elif table.last_analyzed is None and table.rows >= _ENOUGH_ROWS:
            yield (
                f"{name} has {table.rows:,} rows and no statistics, so plans for it are guesses: "
                f"ANALYZE {name}"
            )
        elif changed >= _DELETED_ROWS and changed >= table.rows * _CHANGED_SHARE:
            yield (
                f"{changed:,} rows of {name} have changed since its statistics were made, of "
                f"{table.rows:,}: ANALYZE {name}"
            )

    def of_missing(self, missing: MissingIndex) -> str:
        name = self._name(missing)
        if missing.statement is None:
            return (
                f"{name} lacks an index: {missing.reason}: EXPLAIN the statements that read it, "
                f"and index the columns of their conditions"
            )
        return (
            f"{name} lacks an index over {', '.join(missing.columns)}: {missing.reason}: "
            f"{missing.statement}"
        )

    def of_index(self, index: IndexAnalysis) -> str:
        size = "" if index.size is None else f", {readable(index.size)},"
        what = f"{index.name} on {self._name(index)}{size} is {index.fault}"
        return f"{what}: {index.reason}: {self._drop(index)}"

    def of_shape(self, table: TableAnalysis) -> Iterator[str]:
        for skew in table.skew:
            column = self._dialect.identifier_preparer.quote(skew.column)
            for index in table.indexes:
                if index.columns == (column,) and skew.share >= _UNEVEN and _may_shrink(index):
                    yield self._of_skew(index, column, skew)

    def _of_skew(self, index: IndexAnalysis, column: str, skew: ColumnSkew) -> str:
        value, others = ("NULL", "IS NOT NULL") if skew.is_null else ("one value", "<> (that one)")
        return (
            f"{skew.share:.0%} of the rows of {self._name(index)} have {value} in {column}, and "
            f"{index.name}, {readable(index.size or 0)}, has them all: one without them is "
            f"smaller: CREATE INDEX CONCURRENTLY ON {self._name(index)} ({column}) "
            f"WHERE {column} {others}; {self._drop(index)}"
        )

    def _drop(self, index: IndexAnalysis) -> str:
        return f"DROP INDEX CONCURRENTLY {in_sql(self._dialect, index.schema, index.name)}"


def _of_free_blocks(analysis: Analysis) -> Iterator[str]:
    if analysis.free_share >= _FREE_SHARE and (analysis.free_blocks or 0) >= _FREE_BLOCKS:
        free = (analysis.free_blocks or 0) * (analysis.block_size or 0)
        yield (
            f"{analysis.name} has {analysis.free_share:.0%} free blocks, {readable(free)}: "
            f"andamios-orm vacuum writes it anew"
        )


def _of_statements(analysis: Analysis) -> Iterator[str]:
    """Yield the slowest statement of this process, and that of the server."""
    for slow in analysis.slow_statements[:1]:
        yield f"{_said(slow)} in this process: explain_slow=True logs its plan"
    for slow in analysis.server_statements or ():
        operation = slow.statement.partition(" ")[0].upper()
        if slow.seconds >= _SLOW * slow.count and operation in _PLANNED:
            yield f"{_said(slow)} on the server: EXPLAIN shows its plan"
            return


def _said(slow: SlowStatement) -> str:
    shown = slow.statement
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}…"
    times = "once" if slow.count == 1 else f"{slow.count:,} times"
    return f"`{shown}` ran {times}, for {slow.seconds:,.1f} s in all,"


def _may_shrink(index: IndexAnalysis) -> bool:
    whole = not (index.unique or index.partial or index.fault)
    return whole and (index.size or 0) >= _LARGE_INDEX


def _is_long(analysis: Analysis) -> bool:
    limit = analysis.log_limit
    return limit is not None and (analysis.log_size or 0) > _LONG_LOG * limit > 0


def _is_full_of_deleted(table: TableAnalysis) -> bool:
    deleted = table.deleted_rows or 0
    return deleted >= _DELETED_ROWS and table.deleted_share >= _DELETED_SHARE


def _table_of(thing: TableAnalysis | IndexAnalysis | MissingIndex) -> str:
    return thing.table if isinstance(thing, (IndexAnalysis, MissingIndex)) else thing.name
