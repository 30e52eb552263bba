"""Rows as they were: history, going back in time, erasure and retention."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, inspect, select
from sqlalchemy.dialects.postgresql import insert as upsert

from andamios_orm.core.followers import FollowerState
from andamios_orm.core.ledger import Ledger
from andamios_orm.core.positions import is_settled
from andamios_orm.core.records import Record, Version
from andamios_orm.exceptions import HistoryExpired
from andamios_orm.models.actor import current_actor
from andamios_orm.models.clock import now
from andamios_orm.models.feed import COMPACTED, PRUNED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Select
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.orm import Mapper

    from andamios_orm.core.records import Entity
    from andamios_orm.models.feed import FeedTables

__all__ = ["RowVersion", "compact", "erase", "of_key", "prune", "pruned", "rewound"]

_GONE = frozenset({"purge", "bulk_purge", "erase"})


@dataclass(frozen=True, slots=True)
class RowVersion:
    """One change of one row, with the row before and after it (None: there was none)."""

    entity: str
    key: str
    position: int
    time: dt.datetime
    actor: str | None
    kind: str
    version: int | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    tenant: str | None = None


async def of_key(
    connection: AsyncConnection, entity: Entity, key: Any, since: dt.datetime | None
) -> list[RowVersion]:
    """Return the versions of one row, the oldest first."""
    history = entity.tables.history
    statement = _versions(entity).where(history.c.key == entity.key_text(key, connection.dialect))
    if since is not None:
        statement = statement.where(history.c.time >= since)
    rows = await connection.execute(statement)
    return [RowVersion(**row) for row in rows.mappings()]


def _versions(entity: Entity) -> Select[Any]:
    """Return the versions of an entity in the order in which rows were changed.

    On PostgreSQL that is the order of times: a transaction may have begun to write,
    and so have its position, before another one, and change the same row after it.
    """
    history = entity.tables.history
    return (
        select(history)
        .where(history.c.entity == entity.name)
        .order_by(history.c.time, history.c.position)
    )


async def rewound(
    connection: AsyncConnection, entity: Entity, time: dt.datetime, key: Any
) -> dict[str, dict[str, Any]]:
    """Return rows by key as they were at ``time``: as they are, with later changes undone.

    Raises:
        HistoryExpired: the row that was asked for has been erased since.
    """
    rows = await connection.run_sync(_current, entity, key)
    history = entity.tables.history
    statement = _versions(entity).where(history.c.time > time)
    if key is not None:
        statement = statement.where(history.c.key == entity.key_text(key, connection.dialect))
    seen: set[str] = set()
    for version in (await connection.execute(statement)).mappings():
        found = version["key"]
        if found in seen:
            continue
        seen.add(found)
        rows.pop(found, None)
        if version["kind"] in _GONE:
            if key is not None:
                raise HistoryExpired(
                    f"the history of {entity.name} {found} was erased", time=version["time"]
                )
        elif version["before"] is not None:
            rows[found] = version["before"]
    return rows


def _current(connection: Connection, entity: Entity, key: Any) -> dict[str, dict[str, Any]]:
    """Return the rows as they are stored now, by key."""
    mapper: Mapper[Any] = inspect(entity.model)
    names = list(dict.fromkeys([*entity.key_names, *entity.columns]))
    columns = [mapper.columns[name] for name in names]
    statement = select(*columns).select_from(mapper.persist_selectable)
    if key is not None:
        statement = statement.where(*_matches(entity, mapper, key))
    found = {}
    for row in connection.execute(statement):
        values = dict(zip(names, row, strict=True))
        dialect = connection.dialect
        found[entity.key_of(values, dialect)] = entity.stored(values, dialect)
    return found


def _matches(entity: Entity, mapper: Mapper[Any], key: Any) -> list[Any]:
    if isinstance(key, dict):
        key = [key[name] for name in entity.key_names]
    values = key if isinstance(key, (tuple, list)) else [key]
    columns = [mapper.columns[name] for name in entity.key_names]
    return [column == value for column, value in zip(columns, values, strict=True)]


async def erase(connection: AsyncConnection, entity: Entity, key: Any) -> None:
    """Remove the history of one row, and leave a change that says so."""
    history = entity.tables.history
    name = entity.key_text(key, connection.dialect)
    await connection.execute(
        delete(history).where(history.c.entity == entity.name, history.c.key == name)
    )
    record = Record(
        entity.tables,
        entity.name,
        "erase",
        key=name,
        actor=current_actor(),
        versions=[Version(name, None, None)],
    )
    await connection.run_sync(lambda inner: Ledger.of(inner).add(record))


# ---- retention -------------------------------------------------------------------


async def pruned(connection: AsyncConnection, tables: FeedTables) -> FollowerState | None:
    """Return up to where retention has removed changes, or None if it never has."""
    followers = tables.followers
    statement = select(followers).where(followers.c.name == PRUNED)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else FollowerState(row.name, row.position, row.time)


async def prune(connection: AsyncConnection, tables: FeedTables, before: dt.datetime | int) -> int:
    """Remove what is older, and note up to where; return how many changes there were."""
    changes, history = tables.changes, tables.history
    # Nothing that is held back: a running transaction may store a change in front of it.
    settled = is_settled(tables, connection.dialect.name)
    last = select(func.max(changes.c.position)).where(settled)
    if isinstance(before, dt.datetime):
        last = last.where(changes.c.time < before)
    else:
        last = last.where(changes.c.position < before)
    bound = await connection.scalar(last)
    if bound is None:
        return 0
    newest = await connection.scalar(
        select(func.max(changes.c.time)).where(changes.c.position <= bound)
    )
    removed: Any = await connection.execute(delete(changes).where(changes.c.position <= bound))
    await connection.execute(delete(history).where(history.c.position <= bound))
    await _note_removed(connection, tables, PRUNED, bound, newest)
    return int(removed.rowcount)


async def _note_removed(
    connection: AsyncConnection, tables: FeedTables, name: str, position: int, time: dt.datetime
) -> None:
    """Note under ``name`` up to where changes have been removed."""
    followers = tables.followers
    statement = upsert(followers).values(name=name, position=position, time=time)
    changed = {
        each.name: func.greatest(each, statement.excluded[each.name])
        for each in (followers.c.position, followers.c.time)
    }
    await connection.execute(
        statement.on_conflict_do_update(index_elements=[followers.c.name], set_=changed)
    )


async def compact(connection: AsyncConnection, tables: FeedTables, before: int) -> int:
    """Remove changes of single rows that were changed again before ``before``."""
    changes, later = tables.changes, tables.changes.alias("later")
    again = (
        select(later.c.position)
        .where(
            later.c.entity == changes.c.entity,
            later.c.key == changes.c.key,
            later.c.position > changes.c.position,
            later.c.position < before,
        )
        .exists()
    )
    statement = delete(changes).where(changes.c.key.is_not(None), again)
    removed: Any = await connection.execute(statement)
    if removed.rowcount:
        await _note_removed(connection, tables, COMPACTED, before - 1, now())
    return int(removed.rowcount)
