"""Sessions that compare versions where a transaction is no snapshot.

At READ COMMITTED each statement sees what is committed by then. A transaction that reads a
row, computes, and writes it by its key would overwrite what another committed in between:
the row is read again to be written, so its version is the newest. Here the version that was
seen first counts, as it does on a snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event, inspect
from sqlalchemy.orm import Session as SyncSession

from andamios_orm.exceptions import StaleVersion
from andamios_orm.models import Row

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.orm import InstanceState

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

    def compare(self) -> None:
        """Raise if a row that is to be changed was seen in an older version.

        Raises:
            StaleVersion: another transaction changed the row meanwhile.
        """
        if not self.seen:
            return
        for instance in (*self.dirty, *self.deleted):
            state: InstanceState[Any] = inspect(instance)
            expected = self.seen.get(state.key)
            actual = _version(state)
            if expected is not None and actual is not None and expected != actual:
                raise StaleVersion(
                    f"{instance!r} had version {expected} when this transaction read it and has "
                    f"version {actual}: read it again, in a new transaction",
                    expected=expected,
                    actual=actual,
                )

    def note(self, instance: object) -> None:
        """Remember the version of a row that has just been read."""
        state: InstanceState[Any] = inspect(instance)
        version = _version(state)
        if version is None or state.key in self.seen:
            return
        if len(self.seen) >= _MOST:
            del self.seen[next(iter(self.seen))]
        self.seen[state.key] = version


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
    session.seen.clear()
