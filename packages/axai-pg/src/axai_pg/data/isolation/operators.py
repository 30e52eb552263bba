"""What an operator changes in many organisations is told to each of them.

A statement of many rows, raw SQL and a link leave a change that says not whose the rows are.
In the scope of an organisation the database puts that one in; in an operator's nobody would
see the change but operators.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import select

from andamios_orm.core.ledger import Entry, Ledger
from andamios_orm.core.records import Record
from axai_pg.data.models import Organization

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from sqlalchemy import Connection

__all__ = ["ToldToAll"]


@dataclass(slots=True)
class ToldToAll(Entry):
    """Waits in a transaction of an operator, to tell each organisation of its changes.

    It tells of what and by whom: neither keys nor counts, which are of others, too.
    """

    turn: ClassVar[int] = Record.turn - 1

    organizations: frozenset[str] = field(default_factory=frozenset)
    """Those that are told although they may be gone by then."""

    @classmethod
    def present(cls, connection: Connection) -> Self:
        """Return what tells those that there are now."""
        return cls(_present(connection))

    @classmethod
    def settle(cls, connection: Connection, entries: Sequence[Self]) -> None:
        """Add a change for each organisation, beside the one that is nobody's."""
        ledger = Ledger.of(connection)
        untold = {
            (record.entity, _of_many(record.kind), record.actor): record
            for record in ledger.entries(Record)
            if record.tenant is None
        }
        if not untold:
            return
        known = _present(connection).union(*(each.organizations for each in entries))
        for (entity, kind, actor), record in untold.items():
            for tenant in sorted(known):
                ledger.add(Record(record.tables, entity, kind, actor=actor, tenant=tenant))


def _present(connection: Connection) -> frozenset[str]:
    return frozenset(map(str, connection.scalars(select(Organization.id))))


def _of_many(kind: str) -> str:
    """Return the kind of a change that names no row.

    >>> _of_many("create"), _of_many("bulk_delete")
    ('bulk_create', 'bulk_delete')
    """
    return kind if kind.startswith("bulk_") else f"bulk_{kind}"
