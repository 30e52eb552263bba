"""What writers tell the change feed: single rows, statements, and batches.

``record_batch()`` leaves one record for many rows; what flushes leave is in ``flushes.py``. All
of them wait in the ledger of their connection until COMMIT.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal

from andamios_orm.core.commits import MOST_ROWS
from andamios_orm.core.ledger import Ledger
from andamios_orm.core.records import MOST_KEYS, Entity, Record, Version
from andamios_orm.core.scans import scan_of
from andamios_orm.core.texts import texts_of
from andamios_orm.models.actor import current_actor
from andamios_orm.models.written import WrittenRow, WrittenRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Table
    from sqlalchemy.engine import Dialect
    from sqlalchemy.orm import ORMExecuteState

    from andamios_orm.core.scans import Scan

__all__ = [
    "BatchKind",
    "record_batch",
    "record_creation",
    "record_statement",
    "remembered_of",
    "remembers",
    "version_of",
]

BatchKind = Literal[
    "bulk_create", "bulk_update", "bulk_upsert", "bulk_delete", "bulk_restore", "bulk_purge"
]

_CREATING = frozenset({"create", "bulk_create", "bulk_upsert"})
"""Kinds of changes of rows that may not have been there."""


# ---- single rows beside sessions -----------------------------------------------


def record_creation(
    connection: Connection,
    target: type[Any] | Table,
    rows: Sequence[Mapping[Any, Any]],
    actors: Sequence[str | None],
) -> None:
    """Record rows that were inserted one by one: their columns by name, and who acted."""
    entity = Entity.of(target)
    if entity is None:
        return
    ledger, dialect = Ledger.of(connection), connection.dialect
    for row, actor in zip(rows, actors, strict=True):
        values = {name: row[column.name] for name, column in entity.names.items()}
        key = entity.key_of(values, dialect)
        record = Record(entity.tables, entity.name, "create", key=key, actor=actor)
        record.tenant = entity.tenant_of(values, dialect)
        if entity.history:
            record.versions = [version_of(entity, key, None, values, dialect)]
        record.rows = remembered_of(entity, "create", [WrittenRow(None, values)], dialect)
        ledger.add(record)
    if entity.wrote is not None:
        names = entity.names.items()
        written = [{name: row[column.name] for name, column in names} for row in rows]
        entity.wrote(connection, [WrittenRow(None, values) for values in written])


# ---- batches -----------------------------------------------------------------------


def record_batch(  # noqa: PLR0913 - keys, and what is known of each
    connection: Connection,
    target: type[Any] | Table,
    kind: BatchKind,
    keys: Sequence[Any],
    *,
    tenants: Sequence[Any] | None = None,
    before: Sequence[Mapping[str, Any] | None] | None = None,
    after: Sequence[Mapping[str, Any] | None] | None = None,
    scan: Scan | None = None,
) -> None:
    """Record one batch of changed rows, before the COMMIT of the transaction.

    ``keys`` are values, or tuples of composite keys. ``tenants`` has the tenant of each
    row; rows of several tenants leave a record for each. ``before`` and ``after`` have
    the rows by attribute name, for models with history; ``scan`` is their history, if the
    caller has made it of them already.
    Nothing is recorded without keys, nor for a model that is off.
    """
    entity = Entity.of(target)
    if entity is None or not len(keys):
        return
    ledger, dialect = Ledger.of(connection), connection.dialect
    for tenant, places in _by_tenant(entity, tenants, len(keys), dialect):
        chosen = keys if places is None else [keys[place] for place in places]
        record = Record(
            entity.tables,
            entity.name,
            kind,
            actor=current_actor(),
            tenant=tenant,
            count=len(chosen),
        )
        _list_keys(record, entity, chosen, dialect)
        if entity.history and (before or after or kind == "bulk_purge"):
            if places is None and kind != "bulk_purge":
                record.scan = scan or scan_of(entity, keys, before, after, dialect)
                if record.scan is None:
                    record.texts = texts_of(entity, keys, before, after, dialect)
            if record.texts is None and record.scan is None:
                at = range(len(keys)) if places is None else places
                record.versions = [
                    version_of(
                        entity,
                        entity.key_text(keys[place], dialect),
                        before[place] if before is not None else None,
                        after[place] if after is not None else None,
                        dialect,
                        erased=kind == "bulk_purge",
                    )
                    for place in at
                ]
        rows = WrittenRows(before, after)
        if places is None and len(rows) == len(keys):
            record.rows = remembered_of(entity, kind, rows, dialect)
        ledger.add(record)


def remembers(model: Any, dialect: Dialect) -> bool:
    """Return whether rows of a model are remembered: on DuckDB, where nobody else writes."""
    return dialect.name == "duckdb" and bool(getattr(model, "__remembered__", ()))


def remembered_of(
    entity: Entity, kind: str, rows: Sequence[WrittenRow], dialect: Dialect
) -> list[WrittenRow] | None:
    """Return what is remembered of rows; None if that is nothing, or one is not known."""
    if not remembers(entity.model, dialect) or len(rows) > MOST_ROWS:
        return None
    found = [WrittenRow(*(_chosen(side, entity.remembered) for side in row)) for row in rows]
    is_known = all(
        row.after is not None if kind in _CREATING else row.before is not None for row in found
    )
    return found if is_known else None


def _chosen(values: Mapping[str, Any] | None, names: Sequence[str]) -> dict[str, Any] | None:
    return None if values is None else {name: _as_read(values.get(name)) for name in names}


def _as_read(value: Any) -> Any:
    """Return a moment as the database gives it back, which is in UTC."""
    is_aware = isinstance(value, dt.datetime) and value.tzinfo is not None
    return value.astimezone(dt.UTC) if is_aware else value


def _by_tenant(
    entity: Entity, tenants: Sequence[Any] | None, count: int, dialect: Any
) -> Iterator[tuple[str | None, list[int] | None]]:
    """Yield each tenant with the places of its rows, or None for all of them."""
    if tenants is None or entity.tenant_name is None:
        yield None, None
        return
    places: dict[Any, list[int]] = {}
    for place, tenant in enumerate(tenants):
        places.setdefault(tenant, []).append(place)
    for tenant, found in places.items():
        name = entity.tenant_of({entity.tenant_name: tenant}, dialect)
        yield name, None if len(found) == count else found


def _list_keys(record: Record, entity: Entity, keys: Sequence[Any], dialect: Any) -> None:
    """Put the keys into ``record``, or their range if they are many."""
    if len(keys) <= MOST_KEYS:
        record.keys = [entity.key_text(key, dialect) for key in keys]
        return
    try:
        first, last = min(keys), max(keys)
    except TypeError:
        first, last = min(keys, key=str), max(keys, key=str)
    record.first_key = entity.key_text(first, dialect)
    record.last_key = entity.key_text(last, dialect)


def version_of(
    entity: Entity,
    key: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    dialect: Any,
    *,
    erased: bool = False,
) -> Version:
    """Return what history keeps of a change of a row; nothing of its values if they are erased."""
    if erased:
        return Version(key, None, None)
    latest = after if after is not None else before
    number = latest.get(entity.version_name) if latest and entity.version_name else None
    return Version(
        key,
        None if before is None else entity.stored(before, dialect),
        None if after is None else entity.stored(after, dialect),
        number,
    )


# ---- statements of a session -------------------------------------------------------


def record_statement(state: ORMExecuteState) -> Any:
    """Run an INSERT, UPDATE or DELETE of a model, and record how many rows it changed.

    Which rows is not known: the record has a count and no keys, and no history.
    """
    mapper = state.bind_mapper
    entity = Entity.of(mapper) if mapper is not None else None
    if entity is None or not (state.is_insert or state.is_update or state.is_delete):
        return None
    result: Any = state.invoke_statement()
    kind = "create" if state.is_insert else "update" if state.is_update else "delete"
    count = _count(state, result)
    if count:
        connection = state.session.connection(bind_arguments={"mapper": mapper})
        actor = current_actor()
        Ledger.of(connection).add(
            Record(entity.tables, entity.name, f"bulk_{kind}", actor=actor, count=count)
        )
    return result


def _count(state: ORMExecuteState, result: Any) -> int:
    """Return how many rows a statement changed; where nobody knows, at least one."""
    given = state.parameters
    if state.is_insert and isinstance(given, (list, tuple)):
        return len(given)
    counted = getattr(result, "rowcount", -1)
    return int(counted) if counted >= 0 else 1
