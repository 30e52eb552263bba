"""Sums of several kinds in one statement: those that are kept by day, or made of the rows.

Both give the same, and which one is asked only decides how long it takes. A kept sum has
rows whose conversation, document or repository is deleted, for these rows stay: they are
few, and are taken off when it is read.
"""

from __future__ import annotations

from dataclasses import replace
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

from andamios_orm.queries.times import local_time, quarter_hour, utc_time
from project_architect_db.analytics.metrics import KINDS, Kind
from project_architect_db.analytics.scope import Scope, remembered, whole
from project_architect_db.models import rollups

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from sqlalchemy import ColumnElement, CompoundSelect, Select, Subquery

__all__ = ["are_kept", "sums"]

_DAYS: frozenset[str] = frozenset({"day", "week", "month", "quarter", "year"})


def are_kept(kinds: Iterable[str], scope: Scope, step: str | None = None) -> bool:
    """Return whether the sums by day can answer: they know no viewer, no zone and no hour."""
    in_days = step is None or (step in _DAYS and scope.timezone == "UTC")
    return scope.is_summed_up and in_days and all(KINDS[name].is_kept for name in kinds)


@remembered
def sums(
    kinds: tuple[str, ...], scope: Scope, step: str | None = None
) -> Select[Any] | CompoundSelect[Any]:
    """Return the statement for kind, key, total, and the step, if one is named.

    A step is what a clock in the time zone of ``scope`` shows when it begins. Without one it
    is left out. The order is not defined.
    """
    if are_kept(kinds, scope, step):
        return _kept(kinds, replace(scope, timezone="UTC"), step)  # whose days they are
    parts = [_of_rows(KINDS[name], scope, step) for name in kinds]
    return parts[0] if len(parts) == 1 else union_all(*parts)


# ---- out of the rows -------------------------------------------------------------------


def _of_rows(kind: Kind, scope: Scope, step: str | None) -> Select[Any]:
    """Return the sums of one kind, out of the rows that count."""
    columns = [kind.key.label("key"), kind.amount.label("amount")]
    if step is not None:
        columns.append(_clock(kind.moment, scope).label("clock"))
    rows = (
        select(*columns)
        .where(kind.moment.is_not(None), kind.key.is_not(None))
        .where(*scope.counts(kind.model), *scope.during(kind.moment))
        .subquery()
    )
    if step is not None:
        rows = _by_step(rows, step, scope)
    by = [rows.c.key] if step is None else [rows.c.key, rows.c.step]
    total = cast(func.sum(rows.c.amount), BigInteger).label("total")
    chosen = select(literal(kind.name, String()).label("kind"), rows.c.key, total, *by[1:])
    return chosen.select_from(rows).group_by(*by)


def _clock(moment: Any, scope: Scope) -> ColumnElement[Any]:
    """Return what a clock shows, or, of a time zone, a moment of which few are different."""
    if isinstance(moment.type, Date):
        return cast(moment, DateTime())
    return utc_time(moment) if scope.timezone == "UTC" else quarter_hour(moment)


def _by_step(rows: Subquery, step: str, scope: Scope) -> Subquery:
    """Return the rows with their step; what clocks of a zone show is asked once for many."""
    clock: Any = rows.c.clock
    if clock.type.timezone:
        quarters = (
            select(rows.c.key, clock, func.sum(rows.c.amount).label("amount"))
            .group_by(rows.c.key, clock)
            .subquery()
        )
        rows, clock = quarters, local_time(quarters.c.clock, scope.timezone)
    return select(rows.c.key, rows.c.amount, _step(step, clock).label("step")).subquery()


def _step(unit: str, time: Any) -> ColumnElement[dt.datetime]:
    # The unit is one of a fixed list, and no value of a caller.
    name: ColumnElement[str] = literal_column(f"'{unit}'", String())
    return cast(func.date_trunc(name, time), DateTime())


# ---- out of what is kept by day ----------------------------------------------------------


def _kept(kinds: tuple[str, ...], scope: Scope, step: str | None) -> Select[Any]:
    """Return the sums of all kinds, out of those by day."""
    table = rollups.deltas.c
    kept = select(table.kind, table.key, table.day, table.delta).where(
        table.kind.in_(list(kinds)), *scope.during(table.day)
    )
    left = _of_deleted(kinds, scope)
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


def _of_deleted(kinds: tuple[str, ...], scope: Scope) -> list[Select[Any]]:
    """Return what to take off: rows whose parent is deleted, by day; each table is read once."""
    by_model: dict[type[Any], list[Kind]] = {}
    for name in kinds:
        if KINDS[name].stays:
            by_model.setdefault(KINDS[name].model, []).append(KINDS[name])
    return [part for model in by_model for part in _of_deleted_rows(by_model[model], scope)]


def _of_deleted_rows(kinds: list[Kind], scope: Scope) -> Iterator[Select[Any]]:
    first = kinds[0]
    key, parent = scope.parent_of(first.model)
    rows = (
        select(
            first.key.label("key"),
            cast(utc_time(first.moment), Date).label("day"),
            *(kind.amount.label(_label(kind)) for kind in kinds),
        )
        .where(key.in_(select(parent.id).where(parent.deleted_at.is_not(None))))
        .where(*scope.during(first.moment))
        .subquery()
    )
    amounts = (whole(func.sum(rows.c[_label(kind)])).label(_label(kind)) for kind in kinds)
    by = (rows.c.key, rows.c.day)
    gone = select(*by, *amounts).group_by(*by).cte(f"of_deleted_{first.model.__tablename__}")
    for kind in kinds:
        name = literal(kind.name, String()).label("kind")
        yield select(name, gone.c.key, gone.c.day, (-gone.c[_label(kind)]).label("delta"))


def _label(kind: Kind) -> str:
    return kind.name.replace(".", "_")
