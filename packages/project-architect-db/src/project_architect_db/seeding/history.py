"""The history of seeded projects: a project as it was created, as the change feed keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import BigInteger, String, cast, func, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from andamios_orm.core.ledger import Entry, before_commit
from andamios_orm.core.positions import SHIFT, added_to_numbers
from andamios_orm.models import UTCDateTime
from andamios_orm.models.feed import feed_tables
from project_architect_db.models import Base, Project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

__all__ = ["ProjectHistory"]

_SECONDS = {"duckdb": "%Y-%m-%dT%H:%M:%S+00:00", "postgresql": 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'}


@dataclass(slots=True)
class ProjectHistory(Entry):
    """The projects with ``keys`` are new; their change record is settled before."""

    turn: ClassVar[int] = 55

    keys: range

    @classmethod
    def settle(cls, connection: Connection, entries: Sequence[ProjectHistory]) -> None:
        """Write the history of all of them with one statement each, in the hop of COMMIT."""
        tables = feed_tables(Base.metadata)
        table, change = Project.__table__, tables.changes.c
        own = change.entity == table.name
        dialect = connection.dialect.name
        if dialect == "postgresql":  # others may have committed later positions
            number = added_to_numbers(tables) + cast(
                cast(func.pg_current_xact_id(), String), BigInteger
            )
            own &= change.position.op(">>")(literal(SHIFT)) == number
        last = select(func.max(change.position)).where(own).scalar_subquery()
        records = select(tables.changes).where(change.position == last).subquery()
        record = records.c
        for entry in entries:
            rows = select(
                literal(table.name),
                cast(table.c.id, String),
                record.position,
                record.time,
                record.actor,
                record.kind,
                table.c.version,
                _stored(dialect),
            ).join_from(table, records, table.c.id.between(entry.keys[0], entry.keys[-1]))
            names = ["entity", "key", "position", "time", "actor", "kind", "version", "after"]
            before_commit(connection, insert(tables.history).from_select(names, rows))


def _stored(dialect: str) -> ColumnElement[Any]:
    """Return a project as JSON: times as Python writes them, and everything else as it is.

    Nothing of a seeded project is so large that only its hash would be kept.
    """
    make = func.jsonb_build_object if dialect == "postgresql" else func.json_object
    parts: list[Any] = []
    for column in Project.__table__.columns:
        value: Any = column
        if isinstance(column.type, UTCDateTime):
            moment = func.timezone("UTC", column)
            write = func.to_char if dialect == "postgresql" else func.strftime
            value = write(moment, _SECONDS[dialect])
        parts += [literal(column.name), value]
    return make(*parts, type_=JSONB)
