"""Different values for many rows, in one UPDATE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, and_, case, or_, select, update

from andamios_orm.bulk.arrow import ArrowColumn
from andamios_orm.bulk.matching import match, read_matching, refresh, require_unique, visible
from andamios_orm.bulk.recording import keeps_history, record, removed, written
from andamios_orm.bulk.rows import MISSING, holds
from andamios_orm.bulk.stage import Given, run, staged
from andamios_orm.bulk.target import target_of
from andamios_orm.bulk.work import Work, bind, dialect_of, read_rows
from andamios_orm.exceptions import NotFound, StaleVersion
from andamios_orm.models.derived import UNCHANGED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.bulk.rows import Batch
    from andamios_orm.bulk.stage import Staged
    from andamios_orm.bulk.target import Target

__all__ = ["bulk_update", "update_batch"]


async def bulk_update(
    session: AsyncSession, model: type[Any], rows: Any, *, schema: type[Any] | None = None
) -> int:
    """Return how many rows of ``model`` were changed: each row has its key and new values.

    Rows need not have the same fields; what a row does not say stays as it is. A row
    with a ``version`` is changed only if it still has that version. Of a pydantic model
    only the fields that were set count. Nothing is committed.

    Raises:
        BulkRefused: some rows are wrong, or two of them are the same one.
        NotFound: ``key`` lists the keys that no row has; nothing was written.
        StaleVersion: ``expected`` and ``actual`` have versions by key; nothing was written.
    """
    target = target_of(model)
    batch = read_rows(rows, target, schema, partial=True)
    if batch.count == 0:
        return 0
    given = prepare(target, batch)
    bind(target, dialect_of(session), {name: each.present for name, each in given.items()})
    work = await Work.begin(session, target)
    changes = await update_batch(work, given)
    if changes is None:
        return batch.count
    await record(work, "bulk_update", **changes)
    return batch.count


class _Column:
    """The values of one column, which rows have one, and which column it follows, if any."""

    def __init__(self, values: Sequence[Any], source: str | None = None) -> None:
        self.source = source
        partly = not hasattr(values, "array") and holds(values, MISSING)
        self.flags = [value is not MISSING for value in values] if partly else None
        self.values = values
        self.present = [value for value in values if value is not MISSING] if partly else values


def prepare(target: Target, batch: Batch) -> dict[str, _Column]:
    """Return the columns of a batch by attribute, if they are the caller's to change.

    Raises:
        BulkRefused: a field is unknown or kept by the library, or a row has no key.
    """
    target.require_known(batch.columns)
    target.refuse(
        target.refusal(None, name, target.kept[name], None)
        for name in batch.columns
        if name in target.kept and name not in {*target.key, target.version}
    )
    target.refuse(
        target.refusal(None, name, "it says which row is meant", None)
        for name in target.key
        if name not in batch.columns
    )
    keys = {
        name: [None if value is MISSING else value for value in batch.columns[name]]
        for name in target.key
    }
    require_unique(target, target.key, keys)
    given = {name: _Column(values) for name, values in batch.columns.items()}
    return {**given, **_following(target, batch)}


def _following(target: Target, batch: Batch) -> dict[str, _Column]:
    """Return the columns that follow from those of a batch."""
    found: dict[str, _Column] = {}
    for name, rule in target.derived.items():
        source = batch.columns.get(rule.source)
        if source is not None and name not in batch.columns:
            values = source.values() if isinstance(source, ArrowColumn) else source
            made = [MISSING if value is MISSING else rule.function(value) for value in values]
            made = [MISSING if value is UNCHANGED else value for value in made]
            found[name] = _Column(made, rule.source)
    return found


async def update_batch(work: Work, given: dict[str, _Column]) -> dict[str, Any] | None:
    """Change rows, and return what to record of it; None if there was nothing to change.

    Raises:
        NotFound: some keys have no row.
        StaleVersion: some rows have another version than was expected.
    """
    target = work.target
    changed = [name for name in given if name not in {*target.key, target.version}]
    async with staged(work.connection, _stage(work, given)) as stage:
        before = await read_matching(work, stage, target.key, *visible(target), lock=True)
        await _refuse_missing(work, stage, given, before)
        if not changed:
            return None
        assignments = _assignments(target, given, changed, stage)
        statement = (
            update(target.table)
            .values({target.columns[name]: value for name, value in assignments.items()})
            .where(match(target, stage, target.key))
        )
        await run(work.connection, statement)
        _check_keys(work, given, changed)
        after = await read_matching(work, stage, target.key) if keeps_history(work) else None
    return await changes_of(work, before, after)


def _check_keys(work: Work, given: dict[str, _Column], changed: list[str]) -> None:
    """Check at COMMIT what the changed columns refer to, and what refers to them."""
    written(work, {name: given[name].present for name in changed})
    referred = {
        key.column
        for table in work.target.table.metadata.tables.values()
        for key in table.foreign_keys
    }
    if any(work.target.columns[name] in referred for name in changed):
        removed(work, None)


async def changes_of(
    work: Work, before: list[dict[str, Any]], after: list[dict[str, Any]] | None
) -> dict[str, Any]:
    """Return what to record of changed rows, and make the session's instances show it."""
    target = work.target
    columns = {name: [row[name] for row in before] for name in target.key}
    keys = target.keys_of(columns)
    await refresh(work, keys)
    found: dict[str, Any] = {"keys": keys}
    tenant = getattr(target.model, "__tenant__", None)
    if tenant is not None:
        found["tenants"] = [row[tenant] for row in before]
    if after is not None:
        by_key = {tuple(row[name] for name in target.key): row for row in after}
        found["before"] = before
        found["after"] = [by_key[tuple(row[name] for name in target.key)] for row in before]
    return found


def _stage(work: Work, given: dict[str, _Column]) -> dict[str, Given]:
    """Return the columns to stage, with a column of flags where only some rows have a value."""
    columns: dict[str, Given] = {}
    for name, each in given.items():
        type_ = work.target.columns[name].type
        sent = work.bind({name: each.present})[name]
        if each.flags is None:
            columns[name] = Given(type_, each.values, sent)
            continue
        columns[name] = Given(type_, _spread(each.flags, each.present), _spread(each.flags, sent))
        columns[f"{name} is given"] = Given(Boolean(), each.flags, each.flags)
    return columns


def _spread(flags: Sequence[bool], values: Sequence[Any]) -> list[Any]:
    following = iter(values)
    return [next(following) if flag else None for flag in flags]


def _assignments(
    target: Target, given: dict[str, _Column], changed: list[str], stage: Staged
) -> dict[str, Any]:
    """Return the new value of each column."""
    values: dict[str, Any] = {}
    for name in changed:
        column = target.columns[name]
        value: ColumnElement[Any] = stage[name]
        conditions: list[ColumnElement[bool]] = []
        if given[name].flags is not None:
            conditions.append(stage[f"{name} is given"])
        source = given[name].source
        if source is not None:  # it follows only where that changes
            conditions.append(target.columns[source].is_distinct_from(stage[source]))
        if conditions:
            value = case((and_(*conditions), value), else_=column)
        values[name] = value
    return {**kept_up(target), **values}


def kept_up(target: Target) -> dict[str, Any]:
    """Return what every update changes besides: version, time, author."""
    values: dict[str, Any] = {}
    for name, column in target.columns.items():
        onupdate: Any = column.onupdate
        if onupdate is not None:
            values[name] = onupdate.arg(None) if onupdate.is_callable else onupdate.arg
    if target.version is not None and target.mapper.version_id_generator:
        values[target.version] = target.columns[target.version] + 1
    return values


async def _refuse_missing(
    work: Work, stage: Staged, given: dict[str, _Column], found: list[dict[str, Any]]
) -> None:
    """Raise if a row is not there, or is not in the version that was expected."""
    target, name = work.target, work.target.version
    count = len(given[target.key[0]].values)
    expects = name is not None and name in given
    if len(found) == count and not expects:
        return
    table_key = target.columns[target.key[0]]
    wanted = [stage[part] for part in target.key]
    versions = [stage[name], target.columns[name]] if expects and name is not None else []
    wrong = [table_key.is_(None), *([versions[0] != versions[1]] if versions else [])]
    join = stage.table.outerjoin(
        target.table, match(target, stage, target.key) & _all(visible(target))
    )
    statement = select(table_key, *wanted, *versions).select_from(join).where(or_(*wrong))
    rows = (await run(work.connection, statement)).all()
    width = 1 + len(wanted)
    keys = [_key(row[1:width]) for row in rows if row[0] is None]
    if keys:
        raise NotFound(target.name, keys[0] if len(keys) == 1 else keys)
    if rows:
        expected = {_key(row[1:width]): row[width] for row in rows}
        actual = {_key(row[1:width]): row[width + 1] for row in rows}
        raise StaleVersion(
            f"{target.name} {', '.join(map(str, list(expected)[:_LISTED]))} "
            f"changed meanwhile ({len(rows)} in all): read them again",
            expected=expected,
            actual=actual,
        )


_LISTED = 10


def _key(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else tuple(parts)


def _all(conditions: list[ColumnElement[bool]]) -> Any:
    from sqlalchemy import and_, true

    return and_(true(), *conditions)
