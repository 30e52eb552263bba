"""Sums of several kinds in one statement: those that are kept by day, or made of the rows.

Both give the same, and which one is asked only decides how long it takes. A kept sum has
rows whose conversation, document or repository is deleted, for these rows stay: they are
few, and are taken off when it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    String,
    cast,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from project_architect_db.analytics.metrics import KINDS, Kind
from project_architect_db.analytics.scope import Scope, local_time, whole
from project_architect_db.models import rollups

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select, SelectBase

__all__ = ["are_kept", "sums"]

_DAYS: frozenset[str] = frozenset({"day", "week", "month", "quarter", "year"})


def are_kept(kinds: Sequence[str], scope: Scope, step: str | None = None) -> bool:
    """Return whether the sums by day can answer: they know no viewer, no zone and no hour."""
    in_days = step is None or (step in _DAYS and scope.timezone == "UTC")
    return scope.is_summed_up and in_days and all(KINDS[name].is_kept for name in kinds)


def sums(kinds: Sequence[str], scope: Scope, step: str | None = None) -> SelectBase:
    """Return the statement for kind, key, total, and the step, if one is named.

    A step is what a clock in the time zone of ``scope`` shows when it begins. Without one it
    is left out. The order is not defined.
    """
    if are_kept(kinds, scope, step):
        return _kept(kinds, scope, step)
    parts = [_of_rows(KINDS[name], scope, step) for name in kinds]
    return parts[0] if len(parts) == 1 else union_all(*parts)


# ---- out of the rows -------------------------------------------------------------------


def _of_rows(kind: Kind, scope: Scope, step: str | None) -> Select[Any]:
    """Return the sums of one kind, out of the rows that count."""
    columns = [kind.key.label("key"), kind.amount.label("amount")]
    if step is not None:
        columns.append(_step(step, _shown(kind.moment, scope)).label("step"))
    rows = (
        select(*columns)
        .where(kind.moment.is_not(None), kind.key.is_not(None))
        .where(*scope.counts(kind.model), *scope.during(kind.moment))
        .subquery()
    )
    by = [rows.c.key] if step is None else [rows.c.key, rows.c.step]
    total = cast(func.sum(rows.c.amount), BigInteger).label("total")
    chosen = select(literal(kind.name, String()).label("kind"), rows.c.key, total, *by[1:])
    return chosen.select_from(rows).group_by(*by)


def _shown(moment: Any, scope: Scope) -> ColumnElement[Any]:
    """Return what a clock shows; a day is taken as it is."""
    if isinstance(moment.type, Date):
        return cast(moment, DateTime())
    return local_time(moment, scope.timezone)


def _step(unit: str, time: Any) -> ColumnElement[dt.datetime]:
    # The unit is one of a fixed list, and no value of a caller.
    name: ColumnElement[str] = literal_column(f"'{unit}'", String())
    return cast(func.date_trunc(name, time), DateTime())


# ---- out of what is kept by day ----------------------------------------------------------


def _kept(kinds: Sequence[str], scope: Scope, step: str | None) -> Select[Any]:
    """Return the sums of all kinds, out of those by day."""
    table = rollups.deltas.c
    kept = select(table.kind, table.key, table.day, table.delta).where(
        table.kind.in_(list(kinds)), *scope.during(table.day)
    )
    left = [_of_deleted(KINDS[name], scope) for name in kinds if KINDS[name].stays]
    all_of_them = union_all(kept, *left).subquery() if left else kept.subquery()
    columns = all_of_them.c
    by = [columns.kind, columns.key]
    if step is not None:
        by.append(_step(step, cast(columns.day, DateTime())).label("step"))
        all_of_them = select(*by, columns.delta).subquery()
        columns = all_of_them.c
        by = [columns.kind, columns.key, columns.step]
    total = cast(func.sum(columns.delta), BigInteger)
    chosen = select(columns.kind, columns.key, total.label("total"), *by[2:])
    return chosen.group_by(*by).having(total != 0)


def _of_deleted(kind: Kind, scope: Scope) -> Select[Any]:
    """Return what to take off: rows whose parent is deleted, by day."""
    key, parent = scope.parent_of(kind.model)
    rows = (
        select(
            kind.key.label("key"),
            cast(local_time(kind.moment, "UTC"), Date).label("day"),
            kind.amount.label("amount"),
        )
        .where(key.in_(select(parent.id).where(parent.deleted_at.is_not(None))))
        .where(*scope.during(kind.moment))
        .subquery()
    )
    taken = -whole(func.sum(rows.c.amount))
    name = literal(kind.name, String()).label("kind")
    return select(name, rows.c.key, rows.c.day, taken.label("delta")).group_by(
        rows.c.key, rows.c.day
    )
