"""Sessions that compare versions where a transaction is no snapshot.

At READ COMMITTED each statement sees what is committed by then. A transaction that reads a
row, computes, and writes it by its key would overwrite what another committed in between:
the row is read again to be written, so its version is the newest. Here the version that was
seen first counts, as it does on a snapshot. Rows that the transaction itself has changed,
by statements that do not tell which, are known by the transaction that PostgreSQL notes in
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Text,
    case,
    cast,
    event,
    false,
    func,
    inspect,
    literal_column,
    select,
)
from sqlalchemy.orm import Session as SyncSession

from andamios_orm.core.freshness import TransactionNumber
from andamios_orm.exceptions import StaleVersion
from andamios_orm.models import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.orm import InstanceState, Mapper

__all__ = ["SNAPSHOTS", "SeenVersions", "sees_changes"]

SNAPSHOTS = "andamios_snapshots"
"""The execution option of an engine whose transactions are snapshots."""
_MOST = 10_000


def sees_changes(engine: AsyncEngine | None) -> bool:
    """Return whether a transaction of ``engine`` may see what others commit meanwhile."""
    if engine is None or engine.dialect.name != "postgresql":
        return False
    return not engine.get_execution_options().get(SNAPSHOTS, False)


class SeenVersions(SyncSession):
    """Remembers which versions its transaction saw first, of the last rows that it read."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.seen: dict[Any, Any] = {}
        self.blind = False  # whether a statement has changed rows, and nobody knows which

    def compare(self) -> None:
        """Raise if a row that is to be flushed was seen in an older version.

        Raises:
            StaleVersion: another transaction changed the row meanwhile.
        """
        for instance in (*self.dirty, *self.deleted) if self.seen else ():
            state: InstanceState[Any] = inspect(instance)
            actual = _version(state)
            self._refuse_other(state.mapper, state.key, actual)

    def compare_rows(self, mapper: Mapper[Any], versions: Mapping[tuple[Any, ...], Any]) -> None:
        """Raise if one of these rows, by primary key, was seen in another version.

        Raises:
            StaleVersion: another transaction changed the row meanwhile.
        """
        for key, actual in versions.items():
            self._refuse_other(mapper, mapper.identity_key_from_primary_key(key), actual)

    def _refuse_other(self, mapper: Mapper[Any], key: Any, actual: Any) -> None:
        expected = self.seen.get(key)
        if expected is None or actual is None or expected == actual:
            return
        if self.blind and self._is_own(mapper, key[1]):
            self.seen[key] = actual
            return
        raise StaleVersion(
            f"{mapper.class_.__name__} {', '.join(map(str, key[1]))} had version {expected} when "
            f"this transaction read it and has version {actual}: read it again, in a new "
            f"transaction",
            expected=expected,
            actual=actual,
        )

    def _is_own(self, mapper: Mapper[Any], key: tuple[Any, ...]) -> bool:
        """Return whether this transaction itself made the version of a row that it sees.

        It sees no other transaction that is in progress.
        """
        base = mapper.base_mapper
        row = select(_IS_IN_PROGRESS).select_from(base.local_table)
        parts = zip(base.primary_key, key, strict=True)
        found = self.connection({"mapper": base}).scalar(
            row.where(*(column == value for column, value in parts))
        )
        return found is True

    def note(self, instance: object) -> None:
        """Remember the version of a row that has just been read."""
        state: InstanceState[Any] = inspect(instance)
        version = _version(state)
        if version is None or state.key in self.seen:
            return
        if len(self.seen) >= _MOST:
            del self.seen[next(iter(self.seen))]
        self.seen[state.key] = version


_EPOCH: Final = 1 << 32
_SAVEPOINTS: Final = 1 << 20
"""How many of them a transaction may have had; each has a number of its own."""
_OWN: Final = cast(cast(func.pg_current_xact_id(), Text), BigInteger)
_NOTED: Final = cast(cast(literal_column("xmin"), Text), BigInteger)
# A row notes the lower half of a number: the newest that can be meant.
_LATEST: Final = _OWN + _SAVEPOINTS
_MAKER: Final = _LATEST - func.mod(_LATEST - _NOTED, _EPOCH, type_=BigInteger)
_IS_IN_PROGRESS: Final = case(
    (
        _MAKER >= _OWN,
        func.pg_xact_status(cast(cast(_MAKER, Text), TransactionNumber)) == "in progress",
    ),
    else_=false(),
)


def _version(state: InstanceState[Any]) -> Any:
    column = state.mapper.version_id_col
    if column is None:
        return None
    return state.dict.get(state.mapper.get_property_by_column(column).key)


@event.listens_for(SeenVersions, "loaded_as_persistent")
def _note_loaded(session: SeenVersions, instance: object) -> None:
    session.note(instance)


@event.listens_for(Row, "refresh", propagate=True)
def _note_refreshed(instance: Row, context: Any, _attributes: Any) -> None:
    session = getattr(context, "session", None)  # none if an UPDATE of its own sets the values
    if isinstance(session, SeenVersions):
        session.note(instance)


@event.listens_for(SeenVersions, "after_flush")
def _forget_own(session: SeenVersions, _context: Any) -> None:
    """Forget rows that the transaction has changed: nobody else can, before its end."""
    for instance in (*session.new, *session.dirty, *session.deleted):
        session.seen.pop(inspect(instance, raiseerr=True).key, None)


@event.listens_for(SeenVersions, "after_commit")
@event.listens_for(SeenVersions, "after_rollback")
def _forget_all(session: SeenVersions) -> None:
    if not session.in_nested_transaction():  # the end of a savepoint is not that of all
        session.seen.clear()
        session.blind = False
