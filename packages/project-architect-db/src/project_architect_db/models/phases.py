"""The phases that conversations leave, written down by whatever changes their phase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from andamios_orm.core import record_batch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from andamios_orm.models import WrittenRow

__all__ = ["keep"]


def keep(connection: Connection, rows: Sequence[WrittenRow], model: type[Any]) -> None:
    """Write a row of ``model`` for each conversation of ``rows`` that has left its phase."""
    left = [
        _left(row.before, row.after)
        for row in rows
        if row.before is not None
        and row.after is not None
        and row.before["phase"] != row.after["phase"]
    ]
    if left:
        statement = insert(model.__table__).returning(model.__table__.c.id)
        keys = connection.execute(statement, left).scalars().all()
        record_batch(connection, model, "bulk_create", keys)


def _left(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    entered_at, left_at = before["phase_entered_at"], after["phase_entered_at"]
    return {
        "conversation_id": before["id"],
        "phase": before["phase"],
        "entered_at": entered_at,
        "left_at": left_at,
        "seconds": (left_at - entered_at).total_seconds(),
    }
