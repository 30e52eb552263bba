"""Rows of a table that a stage names: found, read as they are, and told to the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, and_, inspect, select

from andamios_orm.bulk.arrow import ArrowColumn
from andamios_orm.bulk.recording import keeps_history
from andamios_orm.bulk.stage import run
from andamios_orm.core.seen import SeenVersions
from andamios_orm.exceptions import RowRefusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement

    from andamios_orm.bulk.stage import Staged
    from andamios_orm.bulk.target import Target
    from andamios_orm.bulk.work import Work

__all__ = [
    "key_columns",
    "match",
    "read_matching",
    "refresh",
    "require_unique",
    "touched",
    "visible",
]


def match(target: Target, stage: Staged, names: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a row of the table is the one in the stage."""
    return and_(*(target.columns[name] == stage[name] for name in names))


def visible(target: Target) -> list[ColumnElement[bool]]:
    """Return the condition that a row was not deleted, if the model has such rows."""
    return [] if target.deleted is None else [target.columns[target.deleted].is_(None)]


def key_columns(target: Target, keys: Iterable[Any]) -> dict[str, Sequence[Any]]:
    """Return keys by column: values, tuples, dicts, or instances of the model.

    Raises:
        BulkRefused: something is no key of the model.
    """
    rows, errors = [], []
    for number, key in enumerate(keys):
        parts = _parts(target, key)
        if parts is None:
            wanted = ", ".join(target.key)
            errors.append(RowRefusal(number, wanted, "it is no key of the model", repr(key)))
        else:
            rows.append(parts)
    target.refuse(errors)
    columns = zip(*rows, strict=True) if rows else ([] for _ in target.key)
    return {name: list(column) for name, column in zip(target.key, columns, strict=True)}


def _parts(target: Target, key: Any) -> tuple[Any, ...] | None:
    if isinstance(key, target.model):
        return tuple(getattr(key, name) for name in target.key)
    if isinstance(key, dict):
        return tuple(key[name] for name in target.key) if key.keys() == {*target.key} else None
    if isinstance(key, tuple):
        return key if len(key) == len(target.key) else None
    return (key,) if len(target.key) == 1 and key is not None else None


def require_unique(
    target: Target, names: Sequence[str], columns: Mapping[str, Sequence[Any]]
) -> None:
    """Refuse rows that lack one of ``names``, or have the same values as an earlier row.

    Raises:
        BulkRefused: each such row is named.
    """
    errors = []
    seen: dict[Any, int] = {}
    for row, values in enumerate(zip(*(_values(columns[name]) for name in names), strict=True)):
        if None in values:
            name = names[values.index(None)]
            errors.append(target.refusal(row, name, "it says which row is meant", None))
        elif (first := seen.setdefault(values, row)) != row:
            shown = values[0] if len(values) == 1 else values
            reason = f"row {first} is the same one"
            errors.append(target.refusal(row, ", ".join(names), reason, shown))
    target.refuse(errors)


def _values(column: Sequence[Any]) -> Sequence[Any]:
    return column.values() if isinstance(column, ArrowColumn) else column


async def read_matching(
    work: Work, stage: Staged, names: Iterable[str], *where: ColumnElement[bool], lock: bool = False
) -> list[dict[str, Any]]:
    """Return the rows that the stage names, by attribute: their keys, and what is recorded.

    With ``lock`` they are to be changed.

    Raises:
        StaleVersion: one was seen by the transaction before another changed it.
    """
    target = work.target
    wanted = touched(work)
    statement: Select[Any] = select(*(target.columns[name] for name in wanted)).where(
        match(target, stage, names), *where
    )
    if lock and work.connection.dialect.name != "duckdb":
        statement = statement.with_for_update(of=target.table)
    rows = [dict(zip(wanted, row, strict=True)) for row in await run(work.connection, statement)]
    if lock:
        await _refuse_changed(work, rows)
    return rows


async def _refuse_changed(work: Work, rows: list[dict[str, Any]]) -> None:
    """Raise if the transaction has seen one of these rows in another version."""
    target, session = work.target, work.session.sync_session
    if target.version is not None and isinstance(session, SeenVersions) and session.seen:
        versions = {tuple(row[name] for name in target.key): row[target.version] for row in rows}
        await work.session.run_sync(lambda _: session.compare_rows(target.mapper, versions))


def touched(work: Work) -> list[str]:
    """Return the attributes of a changed row that its change record needs."""
    target = work.target
    if keeps_history(work):
        return list(target.columns)
    tenant = getattr(target.model, "__tenant__", None)
    known = [*target.key, *([target.version] if target.version else [])]
    return [*known, tenant] if tenant is not None and tenant not in known else known


async def refresh(work: Work, keys: Iterable[Any], *, gone: bool = False) -> None:
    """Make instances in the session show what happened to the rows with these keys."""
    session, target = work.session.sync_session, work.target
    loaded = {
        state.key[1]: instance
        for instance in session.identity_map.values()
        if isinstance(instance, target.model) and (state := inspect(instance)).key is not None
    }
    if not loaded:
        return
    met = [key for each in keys if (key := each if isinstance(each, tuple) else (each,)) in loaded]
    if not met:
        return
    if gone:
        for key in met:
            session.expunge(loaded[key])
        return
    columns = [target.columns[name] for name in target.key]
    for start in range(0, len(met), _AT_ONCE):
        part = met[start : start + _AT_ONCE]
        chosen = [and_(*(c == v for c, v in zip(columns, key, strict=True))) for key in part]
        from sqlalchemy import or_

        await work.session.scalars(
            select(target.model)
            .where(or_(*chosen))
            .execution_options(populate_existing=True, autoflush=False)
        )


_AT_ONCE = 200
