"""The same question again: from the database, and from the cache."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from andamios_orm import Database, run
from andamios_orm.queries import QueryBuilder
from andamios_orm.queries.aggregations import avg, count
from andamios_orm.repositories import BaseRepository
from benchmarks.andamios_orm.documents import Document, opened
from benchmarks.measure import Bound, Figure, Places, Scale, Values, measured

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FIGURES", "whole_run"]

Connection = duckdb.DuckDBPyConnection

SUMMARY = """
SELECT status, priority, count(*), avg(score) FROM document
GROUP BY status, priority ORDER BY status, priority
"""
NEWEST = """
SELECT id, name, content, status, priority, score, public, settings, created_at, updated_at
FROM document WHERE status = 'active' ORDER BY created_at DESC, id LIMIT 100
"""
COUNT = "SELECT count(*) FROM document WHERE status = 'active' AND priority >= 2"


def _asked(connection: Connection, text: str) -> Any:
    cursor = connection.cursor()
    cursor.begin()
    rows = cursor.execute(text).fetchall()
    cursor.rollback()
    return rows


def raw_summary(connection: Connection) -> Any:
    """Count the documents of each status and priority."""
    return _asked(connection, SUMMARY)


def raw_newest(connection: Connection) -> Any:
    """Read the 100 newest documents that are active."""
    return _asked(connection, NEWEST)


def raw_count(connection: Connection) -> Any:
    """Count some documents."""
    return _asked(connection, COUNT)


BY_STATUS = (
    QueryBuilder(Document)
    .group_by("status", "priority")
    .aggregate(documents=count(), score=avg("score"))
    .order_by("status", "priority")
)
ACTIVE = QueryBuilder(Document).filter(status="active").order_by("-created_at").limit(100)


async def summary(database: Database, query: QueryBuilder[Any]) -> Sequence[Any]:
    """Ask with a builder that is kept."""
    async with database.session() as session:
        return await query.with_session(session).all()


async def newest(database: Database, query: QueryBuilder[Any]) -> Sequence[Any]:
    """Ask for dicts with a builder that is kept."""
    async with database.session() as session:
        return await query.with_session(session).dicts()


async def counted(documents: BaseRepository[Document]) -> int:
    """Ask a repository, which makes its statement anew."""
    return await documents.count(status="active", priority__ge=2)


_COPIES = "an instance is made for each reader, cached or not: ask for dicts or a schema"
_BUILT = "the statement is built anew for each call: keep a builder where it matters"

FIGURES = (
    Figure(
        "cached_summary",
        "15 groups of 100,000 rows, asked again, from the cache",
        {"raw": raw_summary, "query": summary, "ours": summary},
        (Bound(0.1, "query"),),
    ),
    Figure(
        "cached_dicts",
        "100 rows as dicts, asked again, from the cache",
        {"raw": raw_newest, "query": newest, "ours": newest},
        (Bound(0.1, "query"),),
    ),
    Figure(
        "cached_instances",
        "100 rows as instances, asked again, from the cache",
        {"raw": raw_newest, "query": summary, "ours": summary},
        (Bound(0.1, "query", reason=_COPIES),),
    ),
    Figure(
        "cached_count",
        "a count through a repository, asked again, from the cache",
        {"raw": raw_count, "query": counted, "ours": counted},
        (Bound(0.1, "query", reason=_BUILT),),
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run, on a file and in memory."""
    with tempfile.TemporaryDirectory() as folder:
        found = {"file": run(_measure(Path(folder), scale)), "memory": run(_measure(None, scale))}
    return {
        figure.name: {place: each[figure.name] for place, each in found.items()}
        for figure in FIGURES
    }


async def _measure(folder: Path | None, scale: Scale) -> dict[str, dict[str, Values]]:
    async with opened(folder, rows=scale.rows) as contenders:
        raw, database = contenders.raw, contenders.database
        documents = BaseRepository(database, Document)
        kept_summary, kept_newest, kept = BY_STATUS.cached(), ACTIVE.cached(), documents.cached()
        return {
            "cached_summary": await measured(
                {
                    "raw": lambda: raw_summary(raw),
                    "query": lambda: summary(database, BY_STATUS),
                    "ours": lambda: summary(database, kept_summary),
                },
                scale,
            ),
            "cached_dicts": await measured(
                {
                    "raw": lambda: raw_newest(raw),
                    "query": lambda: newest(database, ACTIVE),
                    "ours": lambda: newest(database, kept_newest),
                },
                scale,
            ),
            "cached_instances": await measured(
                {
                    "raw": lambda: raw_newest(raw),
                    "query": lambda: summary(database, ACTIVE),
                    "ours": lambda: summary(database, kept_newest),
                },
                scale,
            ),
            "cached_count": await measured(
                {
                    "raw": lambda: raw_count(raw),
                    "query": lambda: counted(documents),
                    "ours": lambda: counted(kept),
                },
                scale,
            ),
        }
