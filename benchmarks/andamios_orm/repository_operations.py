"""One row through a repository: made, changed, listed, with and without feed and parent check."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from andamios_orm import Database, run
from andamios_orm.repositories import BaseRepository
from benchmarks.andamios_orm.documents import (
    FOLDERS,
    Contenders,
    Document,
    Filed,
    Given,
    Stock,
    Unrecorded,
    bindable,
    opened,
    values,
)
from benchmarks.measure import Bound, Figure, Places, Scale, Values, keys, measured

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FIGURES", "whole_run"]

Connection = duckdb.DuckDBPyConnection

INSERT = """
INSERT INTO {table} (name, content, status, priority, score, public, settings, created_at,
    updated_at{parent})
VALUES ($name, $content, $status, $priority, $score, $public, $settings, $created_at,
    $updated_at{parent_value})
RETURNING id
"""
INSERTS = {
    "unrecorded": INSERT.format(table="unrecorded", parent="", parent_value=""),
    "filed": INSERT.format(table="filed", parent=", folder_id", parent_value=", $folder_id"),
}
CHANGE = "UPDATE unrecorded SET content = $1, priority = $2 WHERE id = $3"
LIST = """
SELECT id, name, content, status, priority, score, public, settings, created_at, updated_at
FROM document ORDER BY id LIMIT $1
"""


# ---- a new row -----------------------------------------------------------------------


def raw_create(connection: Connection, given: Given) -> Any:
    """Insert a row and get its key."""
    cursor = connection.cursor()
    cursor.begin()
    key = cursor.execute(INSERTS["unrecorded"], bindable(given)).fetchone()
    cursor.commit()
    return key


def raw_filed(connection: Connection, given: Given) -> Any:
    """Insert a row that has a parent, and get its key."""
    cursor = connection.cursor()
    cursor.begin()
    key = cursor.execute(INSERTS["filed"], bindable(given)).fetchone()
    cursor.commit()
    return key


def sync_create(engine: Engine, given: Given) -> Stock:
    """Insert it in a session of the stock dialect."""
    with Session(engine, expire_on_commit=False) as session:
        document = Stock(**given)
        session.add(document)
        session.commit()
    return document


async def unrecorded_create(database: Database, given: Given) -> Unrecorded:
    """Create it through a repository, of a model without feed."""
    async with database.transaction() as session:
        return await BaseRepository(session, Unrecorded).create(given)


async def recorded_create(database: Database, given: Given) -> Document:
    """Create it through a repository, with its record in the feed."""
    async with database.transaction() as session:
        return await BaseRepository(session, Document).create(given)


async def filed_create(database: Database, given: Given) -> Filed:
    """Create it through a repository, with its record, and its parent looked up."""
    async with database.transaction() as session:
        return await BaseRepository(session, Filed).create(given)


async def single_create(database: Database, given: Given) -> Unrecorded:
    """Create it through a repository that is bound to the database."""
    return await BaseRepository(database, Unrecorded).create(given)


# ---- a changed row -------------------------------------------------------------------


def raw_update(connection: Connection, key: int, content: str) -> Any:
    """Change a row and get it back."""
    cursor = connection.cursor()
    cursor.begin()
    row = cursor.execute(f"{CHANGE} RETURNING *", [content, 3, key]).fetchone()
    cursor.commit()
    return row


def raw_update_blind(connection: Connection, key: int, content: str) -> Any:
    """Change a row and get nothing back but the count."""
    cursor = connection.cursor()
    cursor.begin()
    count = cursor.execute(CHANGE, [content, 3, key]).fetchone()
    cursor.commit()
    return count


def sync_update(engine: Engine, key: int, content: str) -> Stock:
    """Change it in a session of the stock dialect."""
    with Session(engine, expire_on_commit=False) as session:
        document = session.get_one(Stock, key)
        document.content = content
        document.priority = 3
        session.commit()
    return document


async def unrecorded_update(database: Database, key: int, content: str) -> Unrecorded:
    """Change it through a repository, of a model without feed."""
    async with database.transaction() as session:
        documents = BaseRepository(session, Unrecorded)
        return await documents.update(key, {"content": content, "priority": 3})


async def recorded_update(database: Database, key: int, content: str) -> Document:
    """Change it through a repository, with its record in the feed."""
    async with database.transaction() as session:
        documents = BaseRepository(session, Document)
        return await documents.update(key, {"content": content, "priority": 3})


# ---- lists -----------------------------------------------------------------------------


def raw_list(connection: Connection, count: int) -> Any:
    """Read the first rows, in the order of their keys."""
    cursor = connection.cursor()
    cursor.begin()
    rows = cursor.execute(LIST, [count]).fetchall()
    cursor.rollback()
    return rows


def sync_list(engine: Engine, count: int) -> Any:
    """Read them as instances in a session of the stock dialect."""
    with Session(engine) as session:
        return session.scalars(select(Stock).order_by(Stock.id).limit(count)).all()


async def repository_list(database: Database, count: int) -> list[Document]:
    """Read them as instances through a repository."""
    async with database.session() as session:
        return await BaseRepository(session, Document).list(count)


_READ_FIRST = "an instance comes back and an unknown key raises, so the row is read first"

FIGURES = (
    Figure(
        "repository_create",
        "repository, one new row, without feed",
        {"raw": raw_create, "sync": sync_create, "alone": single_create, "ours": unrecorded_create},
        (Bound(1.8, "raw"),),
        target=1.0,
        note="DuckDB itself takes this long to insert a row and commit",
    ),
    Figure(
        "repository_create_checked",
        "repository, one new row, its parent looked up and its change recorded",
        {"raw": raw_filed, "ours": filed_create},
        (Bound(2.8, "raw"),),
        target=1.0,
        note="DuckDB itself takes this long to insert a row and commit",
    ),
    Figure(
        "feed_create",
        "what the feed adds to one new row",
        {"raw": raw_create, "without": unrecorded_create, "ours": recorded_create},
        (Bound(0.6, "raw", beyond="without"),),
    ),
    Figure(
        "repository_update",
        "repository, one changed row, without feed",
        {
            "raw": raw_update,
            "blind": raw_update_blind,
            "sync": sync_update,
            "ours": unrecorded_update,
        },
        (Bound(2.0, "raw"), Bound(2.0, "blind", reason=_READ_FIRST)),
        target=1.0,
        note="DuckDB itself takes this long to change a row and commit",
    ),
    Figure(
        "feed_update",
        "what the feed adds to one changed row (raw: one new row)",
        {"raw": raw_create, "without": unrecorded_update, "ours": recorded_update},
        (Bound(0.6, "raw", beyond="without"),),
    ),
    Figure(
        "list_100",
        "repository, 100 rows as instances",
        {"raw": raw_list, "sync": sync_list, "ours": repository_list},
        (Bound(3.0, "raw"),),
    ),
    Figure(
        "list_10000",
        "repository, 10,000 rows as instances",
        {"raw": raw_list, "sync": sync_list, "ours": repository_list},
        (Bound(6.0, "raw"),),
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run; single rows are judged in memory, lists on a file."""
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "memory": run(_measure(None, scale)),
            "file": run(_measure(Path(folder), scale)),
        }
    listed = {"file": found["file"], "memory": found["memory"]}
    return {
        figure.name: {
            place: each[figure.name]
            for place, each in (listed if figure.name.startswith("list") else found).items()
        }
        for figure in FIGURES
    }


async def _measure(folder: Path | None, scale: Scale) -> dict[str, dict[str, Values]]:
    async with opened(folder, rows=scale.rows) as contenders:
        found = await _lists(contenders, scale)
        found |= await _creates(contenders, scale)
        return found | await _updates(contenders, scale)


def _given() -> Iterator[Given]:
    for number in itertools.count():
        yield {**values(number), "folder_id": 1 + number % FOLDERS}


def _unfiled() -> Iterator[Given]:
    return (values(number) for number in itertools.count())


async def _creates(contenders: Contenders, scale: Scale) -> dict[str, dict[str, Values]]:
    raw, sync, database = contenders.raw, contenders.sync, contenders.database
    given = [_unfiled() for _ in range(5)]
    filed = [_given() for _ in range(2)]
    times = await measured(
        {
            "raw": lambda: raw_create(raw, next(given[0])),
            "sync": lambda: sync_create(sync, next(given[1])),
            "unrecorded": lambda: unrecorded_create(database, next(given[2])),
            "recorded": lambda: recorded_create(database, next(given[3])),
            "alone": lambda: single_create(database, next(given[4])),
            "raw filed": lambda: raw_filed(raw, next(filed[0])),
            "filed": lambda: filed_create(database, next(filed[1])),
        },
        scale,
    )
    return {
        "repository_create": _picked(
            times, raw="raw", sync="sync", alone="alone", ours="unrecorded"
        ),
        "repository_create_checked": _picked(times, raw="raw filed", ours="filed"),
        "feed_create": _picked(times, raw="raw", without="unrecorded", ours="recorded"),
    }


async def _updates(contenders: Contenders, scale: Scale) -> dict[str, dict[str, Values]]:
    raw, sync, database = contenders.raw, contenders.sync, contenders.database
    numbers = [(1 + key for key in keys(contenders.rows)) for _ in range(5)]
    contents = [(f"what it says {number}" for number in itertools.count()) for _ in range(5)]
    arguments = [lambda at=at: (next(numbers[at]), next(contents[at])) for at in range(5)]
    given = _unfiled()
    times = await measured(
        {
            "raw": lambda: raw_update(raw, *arguments[0]()),
            "blind": lambda: raw_update_blind(raw, *arguments[1]()),
            "sync": lambda: sync_update(sync, *arguments[2]()),
            "unrecorded": lambda: unrecorded_update(database, *arguments[3]()),
            "recorded": lambda: recorded_update(database, *arguments[4]()),
            "insert": lambda: raw_create(raw, next(given)),
        },
        scale,
    )
    return {
        "repository_update": _picked(
            times, raw="raw", blind="blind", sync="sync", ours="unrecorded"
        ),
        "feed_update": _picked(times, raw="insert", without="unrecorded", ours="recorded"),
    }


async def _lists(contenders: Contenders, scale: Scale) -> dict[str, dict[str, Values]]:
    few = replace(scale, rounds=max(1, scale.rounds // 3), block=3, idle=scale.idle // 3)
    many = replace(few, block=1, idle=scale.idle // 10)
    return {
        "list_100": await _listed(contenders, 100, few),
        "list_10000": await _listed(contenders, 10_000, many),
    }


async def _listed(contenders: Contenders, count: int, scale: Scale) -> dict[str, Values]:
    return await measured(
        {
            "raw": lambda: raw_list(contenders.raw, count),
            "sync": lambda: sync_list(contenders.sync, count),
            "ours": lambda: repository_list(contenders.database, count),
        },
        scale,
    )


def _picked(times: dict[str, Values], **names: str) -> dict[str, Values]:
    """Return the contenders that ``names`` asks for, by what they are in the figure."""
    return {
        when: {name: each[contender] for name, contender in names.items()}
        for when, each in times.items()
    }
