"""What PostgreSQL is asked before a kept result is used, because others write there too.

One statement in the transaction of the session that reads: its snapshot, whether it
has written, and whether it sees a change that the snapshot of the kept result did not.
Positions alone cannot tell: transactions commit in another order than they are numbered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Integer,
    String,
    Text,
    bindparam,
    cast,
    column,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import OID
from sqlalchemy.types import UserDefinedType

from andamios_orm.core.positions import SHIFT, added_to_numbers
from andamios_orm.models.feed import COMPACTED, PRUNED

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, Dialect, Select, Table

    from andamios_orm.core.dependence import Dependence
    from andamios_orm.models.feed import FeedTables

__all__ = ["Answer", "TransactionNumber", "parameters", "question"]


class TransactionNumber(UserDefinedType[int]):
    """The number of a transaction, ``xid8``."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return its name."""
        return "XID8"


class _Snapshot(UserDefinedType[str]):
    """Which transactions are visible, ``pg_snapshot``."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return its name."""
        return "PG_SNAPSHOT"


_CLASSES: Final = table(
    "pg_class", column("oid", OID), column("relrowsecurity", Boolean), schema="pg_catalog"
)


class Answer(NamedTuple):
    """What a transaction on PostgreSQL says of itself, and of a kept result."""

    snapshot: str
    """Which transactions it sees."""
    wrote: bool
    """Whether it has changed something itself."""
    restricted: bool
    """Whether row-level security decides what it sees of the tables."""
    guarded: bool
    """Whether row-level security is on for one of them, whomever it restricts."""
    changed: bool
    """Whether it sees a change that the kept result may lack."""


def question(dependence: Dependence, dialect: Dialect) -> Select[Any]:
    """Return the statement whose row is an ``Answer``; see ``parameters()``."""
    changed = [_changed(tables, names) for tables, names in dependence.feeds]
    tables = [_oid(each, dialect) for each in dependence.tables]
    restricted = [func.row_security_active(each, type_=Boolean).is_(True) for each in tables]
    asked: Select[Any] = select(  # type: ignore[assignment]  # five columns, all of them known
        cast(func.pg_current_snapshot(), Text),
        func.pg_current_xact_id_if_assigned(type_=Text).is_not(None),
        or_(false(), *restricted),
        select(literal(1)).where(_CLASSES.c.oid.in_(tables), _CLASSES.c.relrowsecurity).exists(),
        or_(false(), *changed),
    )
    return asked


def parameters(snapshot: str | None) -> dict[str, Any]:
    """Return what ``question()`` is asked with: the snapshot of a kept result, if there is one."""
    return {"snapshot": snapshot, "oldest": oldest(snapshot)}


def oldest(snapshot: str | None) -> int | None:
    """Return the number of the first transaction that a snapshot may not show.

    >>> oldest("7:10:7,8")
    7
    """
    return None if snapshot is None else int(snapshot.partition(":")[0])


def _changed(tables: FeedTables, names: Collection[str]) -> ColumnElement[bool]:
    """Return whether a change of ``names`` is seen that a snapshot does not show.

    What retention has removed since may have been one: it counts until all transactions
    of the server that ran meanwhile have ended.
    """
    changes, followers = tables.changes, tables.followers
    shift = literal(SHIFT, Integer)
    added = added_to_numbers(tables)
    first = (added + bindparam("oldest", type_=BigInteger)).op("<<")(shift)
    number = func.greatest(changes.c.position.op(">>")(shift) - added, 3)
    shown = func.pg_visible_in_snapshot(
        cast(cast(number, Text), TransactionNumber),
        cast(bindparam("snapshot", type_=Text), _Snapshot),
        type_=Boolean,
    )
    unseen = select(literal(1)).where(
        changes.c.position >= first, changes.c.entity.in_(sorted(names)), not_(shown)
    )
    removed = select(literal(1)).where(
        followers.c.name.in_([PRUNED, COMPACTED]), followers.c.position >= first
    )
    return or_(unseen.exists(), removed.exists())


def _oid(named: Table, dialect: Dialect) -> ColumnElement[int]:
    name = dialect.identifier_preparer.format_table(named)
    return cast(func.to_regclass(literal(name, String)), OID)
