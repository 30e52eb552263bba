"""Sums by day of rows that SQL has written: what ``models.rollups`` keeps, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Date, cast, func, insert, literal, select

from andamios_orm.queries.times import utc_time
from project_architect_db.analytics.metrics import KINDS
from project_architect_db.models.rollups import deltas

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Executable

    from project_architect_db.analytics.metrics import Kind

__all__ = ["sums"]


def sums(keys: Mapping[str, range]) -> Iterator[Executable]:
    """Yield the statements that add what the rows with ``keys``, by table, count for."""
    for kind in KINDS.values():
        chosen = keys[kind.model.__tablename__] if kind.is_kept else None
        if chosen:
            yield _added(kind, chosen)


def _added(kind: Kind, keys: range) -> Executable:
    rows = (
        select(
            cast(utc_time(kind.moment), Date).label("day"),
            kind.key.label("key"),
            kind.amount.label("amount"),
        )
        .where(kind.model.id.between(keys[0], keys[-1]))
        .where(kind.moment.is_not(None), kind.key.is_not(None))
    )
    each = rows.subquery().c
    added = cast(func.sum(each.amount), BigInteger)
    statement = (
        select(each.day, literal(kind.name), each.key, added)
        .group_by(each.day, each.key)
        .having(added != 0)
    )
    return insert(deltas).from_select(["day", "kind", "key", "delta"], statement)
