"""What was found in a database: figures of its tables and indexes, and advice.

Sizes are in bytes, times in seconds, shares between 0 and 1. None stands for what the
database does not tell, or not to this role; ``Analysis.notes`` says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

    from andamios_orm.core import SlowStatement

__all__ = [
    "Analysis",
    "ColumnSkew",
    "Fault",
    "IndexAnalysis",
    "MissingIndex",
    "RowGroups",
    "TableAnalysis",
]

Fault: TypeAlias = Literal["redundant", "unused", "never chosen", "invalid"]


@dataclass(frozen=True, slots=True)
class RowGroups:
    """The parts of a table on DuckDB, which stores up to 122,880 rows in each.

    ``rows`` are those in all groups, deleted ones as well; ``smallest`` and ``largest`` the
    rows of one group. ``half_empty`` groups have less than half of what fits, the last one
    not counted.
    """

    count: int
    rows: int
    smallest: int
    largest: int
    half_empty: int


@dataclass(frozen=True, slots=True)
class ColumnSkew:
    """A column in which one value is in half of the rows or more, by the last ANALYZE.

    ``share`` is the share of the rows with it; ``is_null`` whether it is NULL.
    """

    column: str
    share: float
    is_null: bool


@dataclass(frozen=True, slots=True)
class IndexAnalysis:
    """An index; that of a primary key or a unique constraint is one only on PostgreSQL.

    ``columns`` are what it is over, as the database writes it in SQL; ``partial`` whether
    some rows are left out. ``size`` is in bytes, ``scans`` how often a statement has used
    it: DuckDB tells neither. ``fault`` is what speaks against it, ``reason`` says why:

    - ``redundant``: another index does what it does
    - ``unused``: it was never used, though its table was read many times
    - ``never chosen``: no query can use it, or an average value is in too many rows
    - ``invalid``: building it was broken off
    """

    schema: str
    table: str
    name: str
    columns: tuple[str, ...]
    unique: bool
    partial: bool = False
    size: int | None = None
    scans: int | None = None
    fault: Fault | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MissingIndex:
    """An index that would help, and the ``reason``.

    ``statement`` makes it. It is None, and ``columns`` are none, where only the statements
    that read the table could tell over what.
    """

    schema: str
    table: str
    columns: tuple[str, ...]
    reason: str
    statement: str | None


@dataclass(frozen=True, slots=True)
class TableAnalysis:
    """A table.

    ``rows`` are counted on DuckDB, and an estimate of its statistics on PostgreSQL. ``size``
    is in bytes: on DuckDB that of the blocks it has rows in (small tables share one, and
    what is only in the log is in none); on PostgreSQL with its indexes, of which
    ``index_size`` is the part. ``deleted_rows`` still take up room.

    The rest is of one system. DuckDB: ``row_groups``. PostgreSQL: when ANALYZE ran last, and how
    many rows have changed since; how often the table was read whole, how many rows that
    were in all, and how often it was read by an index; its uneven columns.
    """

    schema: str
    name: str
    rows: int
    size: int | None
    deleted_rows: int | None
    indexes: tuple[IndexAnalysis, ...] = ()
    row_groups: RowGroups | None = None
    index_size: int | None = None
    last_analyzed: datetime | None = None
    changed_rows: int | None = None
    sequential_scans: int | None = None
    sequential_rows: int | None = None
    index_scans: int | None = None
    skew: tuple[ColumnSkew, ...] = ()

    @property
    def deleted_share(self) -> float:
        """The share of deleted rows among all that are stored."""
        deleted = self.deleted_rows or 0
        return deleted / (self.rows + deleted) if deleted else 0.0


@dataclass(frozen=True, slots=True)
class Analysis:
    """What ``analyze()`` has found.

    ``name`` is that of the file, or of the database. ``size`` is in bytes: that of the file, or
    of the database on the server; ``log_size`` that of the write-ahead log, and
    ``log_limit`` what it is written back at, or kept below. A DuckDB file has ``blocks`` of
    ``block_size`` bytes, and some are free; the others have no such figures.

    ``counted_since`` is when PostgreSQL began to count scans, None if that was never begun
    anew. ``slow_statements`` were slow in this process, by ``slow_query=`` of the
    database; ``server_statements`` took most time on the server, None if it does not
    record that.

    ``advice`` are sentences with cause and remedy, what matters most first; ``notes`` say
    what could not be looked at, and why.
    """

    system: str
    name: str
    tables: tuple[TableAnalysis, ...]
    missing_indexes: tuple[MissingIndex, ...] = ()
    size: int | None = None
    log_size: int | None = None
    log_limit: int | None = None
    block_size: int | None = None
    blocks: int | None = None
    free_blocks: int | None = None
    counted_since: datetime | None = None
    slow_statements: tuple[SlowStatement, ...] = ()
    server_statements: tuple[SlowStatement, ...] | None = None
    notes: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def free_share(self) -> float:
        """The share of free blocks in the file."""
        return self.free_blocks / self.blocks if self.free_blocks and self.blocks else 0.0
