"""Many new rows in one statement."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import insert, select

from andamios_orm.bulk.arrow import ArrowColumn
from andamios_orm.bulk.checks import Binder
from andamios_orm.bulk.copying import can_copy, copy_rows
from andamios_orm.bulk.created import Created
from andamios_orm.bulk.fill import fill
from andamios_orm.bulk.generated import make_values
from andamios_orm.bulk.recording import created, scan_ahead, written
from andamios_orm.bulk.stage import can_place, run, staged
from andamios_orm.bulk.target import target_of
from andamios_orm.bulk.work import Work, dialect_of, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.bulk.fill import Filled
    from andamios_orm.bulk.rows import Batch
    from andamios_orm.bulk.target import Target
    from andamios_orm.core.scans import Scan

__all__ = ["bulk_create", "create_batch", "create_prepared", "insert_batch", "prepare"]

ModelT = TypeVar("ModelT")


async def bulk_create(
    session: AsyncSession, model: type[ModelT], rows: Any, *, schema: type[Any] | None = None
) -> Created[ModelT]:
    """Return the new rows of ``model``: keys at once, instances when they are read.

    ``rows`` are dicts, pydantic models, dataclasses, new instances of the model, or
    columns of Arrow, Polars or pandas. Each is checked against ``schema``, a pydantic
    model, if it is given, and against the columns. Nothing is committed.

    Raises:
        BulkRefused: some rows are wrong; nothing was written, every one is named.
        DuplicateKey: a key or a unique value exists already; other rules raise likewise.
    """
    target = target_of(model)
    batch = read_rows(rows, target, schema)
    return await create_batch(session, target, batch)


async def create_batch(session: AsyncSession, target: Target, batch: Batch) -> Created[Any]:
    """Return the new rows of a batch.

    Raises:
        BulkRefused: some rows are wrong; nothing was written, every one is named.
    """
    filled, sent = prepare(target, batch, dialect_of(session))
    return await create_prepared(session, target, batch, filled, sent)


async def create_prepared(
    session: AsyncSession,
    target: Target,
    batch: Batch,
    filled: Filled,
    sent: dict[str, Sequence[Any]],
) -> Created[Any]:
    """Return the new rows of a batch, from what ``prepare()`` made of it."""
    if batch.count == 0:
        return Created(target, 0, {})
    work = await Work.begin(session, target)
    scan: Scan | None = None

    def look_ahead(arrays: Mapping[str, Any]) -> None:
        nonlocal scan
        scan = scan_ahead(work, _readable(filled.columns, sent), batch.count, arrays)

    meanwhile = None if filled.returned else look_ahead
    columns, arrays = await insert_batch(work, filled, sent, meanwhile=meanwhile)
    await created(work, columns, batch.count, arrays, scan=scan)
    return Created(target, batch.count, columns, batch.instances)


async def insert_batch(
    work: Work,
    filled: Filled,
    sent: dict[str, Sequence[Any]],
    *,
    meanwhile: Callable[[Mapping[str, Any]], None] | None = None,
) -> tuple[dict[str, Sequence[Any]], Mapping[str, Any]]:
    """Write prepared rows and return their columns, and those that were sent as Arrow.

    What the database made is among the columns. ``meanwhile`` is called with those of Arrow
    while DuckDB inserts them.
    """
    await _make_awaited(work, filled, sent)
    returned, arrays = await _insert(work, filled, sent, meanwhile)
    written(work, filled.columns)
    return {**_readable(filled.columns, sent), **returned}, arrays


def prepare(
    target: Target, batch: Batch, dialect: Dialect
) -> tuple[Filled, dict[str, Sequence[Any]]]:
    """Return the columns of new rows with their defaults, and what to send for them.

    Raises:
        BulkRefused: some rows are wrong.
    """
    target.require_known(batch.columns)
    if batch.instances is None:
        target.refuse(
            target.refusal(None, name, target.kept[name], None)
            for name in batch.columns
            if name in target.kept
        )
    filled = fill(batch, target)
    binder = Binder(target, dialect)
    given = {name: each for name, each in filled.columns.items() if name not in filled.awaited}
    sent = binder.bind(given)
    partly = {
        name: [value for value in filled.columns[name] if value is not None]
        for name in filled.awaited
    }
    binder.bind({name: values for name, values in partly.items() if values})
    target.refuse([*filled.errors, *binder.errors])
    return filled, sent


async def _make_awaited(work: Work, filled: Filled, sent: dict[str, Sequence[Any]]) -> None:
    """Put in what the database has to make before the rows are sent."""
    for name, rows in filled.awaited.items():
        made = await make_values(work.connection, work.target.columns[name], len(rows))
        values: Sequence[Any] = made
        if len(rows) < len(filled.columns[name]):
            values = list(filled.columns[name])
            for row, value in zip(rows, made, strict=True):
                values[row] = value
        filled.columns[name] = values
        sent.update(work.bind({name: values}))


async def _insert(
    work: Work,
    filled: Filled,
    sent: dict[str, Sequence[Any]],
    meanwhile: Callable[[Mapping[str, Any]], None] | None,
) -> tuple[dict[str, Sequence[Any]], Mapping[str, Any]]:
    """Write the rows and return the columns that the database has filled in, and those of Arrow."""
    target, connection = work.target, work.connection
    names = list(filled.columns)
    columns = [target.columns[name] for name in names]
    copies = not filled.returned and can_copy(connection, [column.type for column in columns])
    places = await can_place(connection)
    if copies and places:
        await copy_rows(connection, target.table, columns, [sent[name] for name in names])
        return {}, {}
    given = work.columns(filled.columns, sent)
    async with staged(connection, given, places=places, once=True) as stage:
        statement: Any = insert(target.table).from_select(
            [target.columns[name].name for name in names],
            select(*(stage[name] for name in names)),
            include_defaults=False,
        )
        wanted = [*target.key, *filled.returned] if filled.returned else []
        if wanted:
            statement = statement.returning(*(target.columns[name] for name in wanted))
        options: dict[str, Any] = {}
        if stage.tables:
            options["tables"] = stage.tables
            options["meanwhile"] = meanwhile and partial(meanwhile, stage.arrays)
        result = await run(connection, statement, **options)
        rows = result.all() if wanted else []
    if not wanted:
        return {}, stage.arrays
    width = len(target.key)
    by_key = {tuple(row[:width]): row[width:] for row in rows}
    keys = zip(*(_plain(filled.columns[name]) for name in target.key), strict=True)
    found = zip(*(by_key[key] for key in keys), strict=True)
    return dict(zip(filled.returned, found, strict=True)), stage.arrays


def _plain(values: Sequence[Any]) -> Sequence[Any]:
    return values.values() if isinstance(values, ArrowColumn) else values


def _readable(
    given: dict[str, Sequence[Any]], sent: dict[str, Sequence[Any]]
) -> dict[str, Sequence[Any]]:
    """Return the columns that instances are made of: as given, unless Arrow knows better."""
    return {
        name: sent[name] if isinstance(sent[name], ArrowColumn) else _plain(values)
        for name, values in given.items()
    }
