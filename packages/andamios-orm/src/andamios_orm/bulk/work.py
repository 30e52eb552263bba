"""A bulk operation on its session: flushed first, inside the gate, its rows read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from andamios_orm.bulk.arrow import ArrowColumn
from andamios_orm.bulk.checks import Binder
from andamios_orm.bulk.rows import Batch, batch_of
from andamios_orm.bulk.stage import Given
from andamios_orm.core.transaction import take_gate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

    from andamios_orm.bulk.target import Target

__all__ = ["Work", "dialect_of", "read_rows"]


@dataclass(frozen=True, slots=True)
class Work:
    """The connection of a session on which a bulk runs, and the model it is about."""

    session: AsyncSession
    connection: AsyncConnection
    target: Target

    @classmethod
    async def begin(cls, session: AsyncSession, target: Target) -> Work:
        """Flush what the session has, and enter the write gate."""
        if session.sync_session.autoflush:
            await session.flush()
        await take_gate(session)  # type: ignore[arg-type]  # any AsyncSession has a connection
        connection = await session.connection()
        return cls(session, connection, target)

    def columns(
        self, given: Mapping[str, Sequence[Any]], sent: Mapping[str, Sequence[Any]]
    ) -> dict[str, Given]:
        """Return columns of the model in the form that a stage takes."""
        return {
            name: Given(self.target.columns[name].type, _best(values, sent[name]), sent[name])
            for name, values in given.items()
        }

    def bind(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """Return what to send for ``columns``.

        Raises:
            BulkRefused: a value does not fit its column.
        """
        return bind(self.target, self.connection.dialect, columns)


def _best(given: Sequence[Any], sent: Sequence[Any]) -> Sequence[Any]:
    """Return Python's values, or the Arrow column that knows how to make them."""
    return sent if isinstance(sent, ArrowColumn) else given


def bind(
    target: Target, dialect: Dialect, columns: Mapping[str, Sequence[Any]]
) -> dict[str, Sequence[Any]]:
    """Return what to send for ``columns``.

    Raises:
        BulkRefused: a value does not fit its column.
    """
    binder = Binder(target, dialect)
    sent = binder.bind(columns)
    target.refuse(binder.errors)
    return sent


def dialect_of(session: AsyncSession) -> Dialect:
    """Return the dialect of the session's database, without connecting to it."""
    return session.sync_session.get_bind().dialect


def read_rows(
    rows: Any, target: Target, schema: type[Any] | None, *, partial: bool = False
) -> Batch:
    """Return ``rows`` as columns, in the words of ``schema`` if there is one.

    With ``partial`` only what the rows say themselves counts, no default of a schema. What was
    read already, to be looked at by the caller of a bulk, is taken as it is.

    Raises:
        BulkRefused: the schema or the model has no use for some of them.
    """
    if isinstance(rows, Batch):
        return rows
    if schema is None:
        return batch_of(rows, target, partial=partial)
    from andamios_orm.bulk.schemas import validated

    return validated(rows, schema, target, partial=partial)
