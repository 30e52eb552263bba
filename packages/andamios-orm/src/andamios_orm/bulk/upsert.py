"""Rows that are created or updated, depending on whether there is one like them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Integer, literal, select, text

from andamios_orm.bulk.create import insert_batch
from andamios_orm.bulk.create import prepare as prepare_new
from andamios_orm.bulk.matching import match, require_unique, visible
from andamios_orm.bulk.recording import new_rows, record
from andamios_orm.bulk.rows import MISSING, Batch
from andamios_orm.bulk.stage import Given, run, staged
from andamios_orm.bulk.target import target_of
from andamios_orm.bulk.update import prepare as prepare_changed
from andamios_orm.bulk.update import update_batch
from andamios_orm.bulk.work import Work, bind, dialect_of, read_rows
from andamios_orm.exceptions import ConfigurationError, DuplicateKey, WriteConflict
from andamios_orm.models.unique import unique_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.bulk.target import Target

__all__ = ["Upserted", "bulk_upsert"]


class Upserted(NamedTuple):
    """How many rows were created and updated, and the keys in the order of the input."""

    created: int
    updated: int
    ids: list[Any]


async def bulk_upsert(
    session: AsyncSession,
    model: type[Any],
    rows: Any,
    *,
    match_fields: Sequence[str],
    schema: type[Any] | None = None,
) -> Upserted:
    """Return how many rows were created and how many, with equal ``match_fields``, updated.

    Rows that were soft-deleted do not match. On PostgreSQL give ``match_fields`` a
    unique constraint; without one the table is locked against other writers. Nothing is
    committed.

    Raises:
        BulkRefused: some rows are wrong, two of them are the same one, several existing
            rows match one, or one has the key of a row that was soft-deleted.
        WriteConflict: another transaction created such a row: run it again.
    """
    target = target_of(model)
    names = _match_fields(target, match_fields)
    batch = read_rows(rows, target, schema)
    if batch.count == 0:
        return Upserted(0, 0, [])
    target.require_known(batch.columns)
    _require_fields(target, names, batch)
    dialect = dialect_of(session)
    kept = {name: batch.columns.pop(name) for name in names if name in target.generated}
    prepare_new(target, batch, dialect)
    batch.columns.update(kept)
    matching = bind(target, dialect, {name: batch.columns[name] for name in names})
    work = await Work.begin(session, target)
    await _exclude_others(work, names)
    keys = await _existing(work, {name: batch.columns[name] for name in names}, matching)
    return await _write(work, batch, keys, names)


def _match_fields(target: Target, names: Sequence[str]) -> list[str]:
    if not names:
        raise ConfigurationError("match_fields is empty: name what tells that a row exists")
    target.require_known(names)
    return list(names)


def _require_fields(target: Target, names: list[str], batch: Batch) -> None:
    target.refuse(
        target.refusal(None, name, "it says which row is meant", None)
        for name in names
        if name not in batch.columns
    )
    columns = {
        name: [None if value is MISSING else value for value in batch.columns[name]]
        for name in names
    }
    require_unique(target, names, columns)


async def _exclude_others(work: Work, names: list[str]) -> None:
    """Keep other writers out where no constraint of the database would."""
    if work.connection.dialect.name == "duckdb" or _is_unique(work.target, names):
        return
    table = work.connection.dialect.identifier_preparer.format_table(work.target.table)
    await run(work.connection, text(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"))


def _is_unique(target: Target, names: list[str]) -> bool:
    wanted = {target.columns[name] for name in names}
    return wanted in unique_columns(target.table)


async def _existing(
    work: Work, given: dict[str, Sequence[Any]], sent: dict[str, Sequence[Any]]
) -> dict[int, Any]:
    """Return the key of the existing row for each row that has one.

    Raises:
        BulkRefused: a row has several, or has the key of one that was deleted.
    """
    target = work.target
    by_key = {*target.key} <= given.keys()  # then a deleted row is in the way
    deleted = target.columns[target.deleted] if by_key and target.deleted else literal(None)
    numbers = list(range(len(next(iter(given.values())))))
    columns = {**work.columns(given, sent), "row": Given(Integer(), numbers, numbers)}
    async with staged(work.connection, columns) as stage:
        own = (target.columns[name] for name in target.key)
        statement = select(stage["row"], deleted, *own).where(match(target, stage, given))
        statement = statement if by_key else statement.where(*visible(target))
        found: Any = (await run(work.connection, statement)).all()
    keys: dict[int, Any] = {}
    errors = []
    for row, gone, *key in found:
        if row in keys or gone is not None:
            reason = "several rows match it" if gone is None else "it was deleted: restore() it"
            errors.append(target.refusal(row, ", ".join(given), reason, None))
        keys[row] = tuple(key)
    target.refuse(errors)
    return keys


async def _write(work: Work, batch: Batch, keys: dict[int, Any], names: list[str]) -> Upserted:
    """Update the rows that exist, create the others, and leave one record of both."""
    target = work.target
    old = [row for row in range(batch.count) if row in keys]
    new = [row for row in range(batch.count) if row not in keys]
    changes: dict[str, Any] = {"keys": []}
    ids: dict[int, Any] = {row: key[0] if len(key) == 1 else key for row, key in keys.items()}
    if old:
        changed = _changed(target, batch.only(old), [keys[row] for row in old], names)
        changes = await update_batch(work, prepare_changed(target, changed)) or changes
    if new:
        created = await _create(work, batch.only(new), names)
        ids.update(zip(new, target.keys_of(created), strict=True))
        nothing = [None] * len(changes["keys"])
        for name, values in new_rows(work, created, len(new)).items():
            changes[name] = [*changes.get(name, nothing), *values]
        if "before" in changes:
            changes["before"] = [*changes["before"], *([None] * len(new))]
    await record(work, "bulk_upsert", **changes)
    return Upserted(len(new), len(old), [ids[row] for row in range(batch.count)])


def _changed(target: Target, batch: Batch, keys: list[Any], names: list[str]) -> Batch:
    """Return the rows that exist with the keys they have, without what they were found by."""
    for name in names:
        del batch.columns[name]
    for place, name in enumerate(target.key):
        batch.columns[name] = [key[place] for key in keys]
    return batch


async def _create(work: Work, batch: Batch, names: list[str]) -> dict[str, Sequence[Any]]:
    """Return the columns of the rows that are new."""
    target = work.target
    for name in target.generated & {*names}:
        del batch.columns[name]
    try:
        prepared = prepare_new(target, batch, work.connection.dialect)
        columns, _ = await insert_batch(work, *prepared)
    except DuplicateKey as duplicate:
        if {*duplicate.columns} != {target.columns[name].name for name in names}:
            raise
        raise WriteConflict(
            f"another transaction created a {target.name} that this one would have updated: "
            f"run it again"
        ) from duplicate
    return columns
