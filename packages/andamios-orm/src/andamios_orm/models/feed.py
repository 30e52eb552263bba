"""The tables of the change feed, as ordinary tables on an application's metadata.

==================== ============================================================
``andamios_changes`` what was changed: one row for each change, or for each batch
``andamios_history`` rows before and after, of models with ``__history__``
``andamios_followers`` how far each follower has come, and what retention removed
==================== ============================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    PrimaryKeyConstraint,
    String,
    Table,
)
from sqlalchemy.dialects.postgresql import JSONB

if TYPE_CHECKING:
    from sqlalchemy import MetaData

__all__ = [
    "BASE",
    "CHANGES",
    "COMPACTED",
    "FOLLOWERS",
    "HISTORY",
    "PRUNED",
    "FeedTables",
    "feed_tables",
    "kept_with",
    "kept_with_of",
]

CHANGES: Final = "andamios_changes"
HISTORY: Final = "andamios_history"
FOLLOWERS: Final = "andamios_followers"

PRUNED: Final = "andamios:pruned"
"""The row of the followers that says up to where retention has removed changes."""
COMPACTED: Final = "andamios:compacted"
"""The row of the followers that says up to where compaction has removed changes."""
BASE: Final = "andamios:base"
"""The row of the followers that PostgreSQL's transaction ids are added to."""

_KEY: Final = "andamios_feed"
_KEPT_WITH: Final = "andamios_kept_with"
_JSON = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


@dataclass(frozen=True, slots=True)
class FeedTables:
    """The three tables of one metadata."""

    changes: Table
    history: Table
    followers: Table


def feed_tables(metadata: MetaData) -> FeedTables:
    """Return the tables of the feed on ``metadata``, made at the first call.

    >>> from sqlalchemy import MetaData
    >>> metadata = MetaData()
    >>> feed_tables(metadata) is feed_tables(metadata)
    True
    >>> sorted(metadata.tables)
    ['andamios_changes', 'andamios_followers', 'andamios_history']
    """
    found: FeedTables | None = metadata.info.get(_KEY)
    if found is None:
        found = metadata.info[_KEY] = FeedTables(
            _changes(metadata), _history(metadata), _followers(metadata)
        )
    return found


def kept_with(*tables: str) -> dict[str, Any]:
    """Return the ``info`` of a table that changes only when rows of ``tables`` do.

    ``Table("totals", Base.metadata, ..., info=kept_with("orders"))``: the library writes such
    a table in the transaction of what it follows from, without a record of its own. So a
    cached result that reads it is as old as the last change of ``tables``.
    """
    return {_KEPT_WITH: tables}


def kept_with_of(table: Table) -> tuple[str, ...] | None:
    """Return the names of the tables that ``table`` is kept with; None if it is with none."""
    found: tuple[str, ...] | None = table.info.get(_KEPT_WITH)
    return found


def _changes(metadata: MetaData) -> Table:
    return Table(
        CHANGES,
        metadata,
        Column("position", BigInteger, autoincrement=False),
        Column("time", DateTime(timezone=True), nullable=False),
        Column("actor", String),
        Column("entity", String, nullable=False),
        Column("key", String),
        Column("kind", String, nullable=False),
        Column("count", BigInteger, nullable=False),
        Column("keys", _JSON),
        Column("first_key", String),
        Column("last_key", String),
        Column("tenant", String),
        _key("position"),
    )


def _history(metadata: MetaData) -> Table:
    return Table(
        HISTORY,
        metadata,
        Column("entity", String),
        Column("key", String),
        Column("position", BigInteger, autoincrement=False),
        Column("time", DateTime(timezone=True), nullable=False),
        Column("actor", String),
        Column("kind", String, nullable=False),
        Column("version", BigInteger),
        Column("before", _JSON),
        Column("after", _JSON),
        Column("tenant", String),
        _key("entity", "key", "position"),
    )


def _followers(metadata: MetaData) -> Table:
    return Table(
        FOLLOWERS,
        metadata,
        Column("name", String, primary_key=True),
        Column("position", BigInteger, nullable=False),
        Column("time", DateTime(timezone=True), nullable=False),
    )


def _key(*columns: str) -> PrimaryKeyConstraint:
    """Return a key for PostgreSQL; on DuckDB positions are in order, an index only costs."""
    key = PrimaryKeyConstraint(*columns)
    key.ddl_if(dialect="postgresql")
    return key
