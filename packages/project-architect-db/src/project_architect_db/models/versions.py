"""Earlier contents of documents, written down by whatever changes the content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, insert, select

from andamios_orm.core import record_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from andamios_orm.models import WrittenRow

__all__ = ["keep"]

_KEPT: Final = ("content", "size", "digest", "changed_at", "changed_by", "note", "revision")
_AT_ONCE: Final = 1_000


def keep(connection: Connection, rows: Sequence[WrittenRow], model: type[Any]) -> None:
    """Write a row of ``model`` for each document of ``rows`` whose content was another one."""
    changed = {
        row.before["id"]: row.before
        for row in rows
        if row.before is not None
        and row.after is not None
        and row.before["digest"] != row.after["digest"]
    }
    if not changed:
        return
    numbers = _numbers(connection, model, sorted(changed))
    new = [
        {
            "document_id": key,
            "number": numbers.get(key, 0) + 1,
            **{name: before[name] for name in _KEPT},
        }
        for key, before in changed.items()
    ]
    statement = insert(model.__table__).returning(model.__table__.c.id)
    keys = connection.execute(statement, new).scalars().all()
    record_batch(connection, model, "bulk_create", keys)


def _numbers(connection: Connection, model: type[Any], keys: Sequence[int]) -> dict[int, int]:
    """Return the highest number of a version that each document has."""
    table = model.__table__.c
    found: dict[int, int] = {}
    for start in range(0, len(keys), _AT_ONCE):
        chosen = table.document_id.in_(keys[start : start + _AT_ONCE])
        statement = select(table.document_id, func.max(table.number)).where(chosen)
        found.update(
            (key, number)
            for key, number in connection.execute(statement.group_by(table.document_id))
        )
    return found
