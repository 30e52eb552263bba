"""What a transaction still has to do before its COMMIT, and who is told after it.

Writers add entries to the ledger of their connection. Before COMMIT the entries of a
kind are settled together: keys are checked first, changes recorded after that. What
a savepoint rolled back is forgotten. On DuckDB the statements of a settlement travel
in the hop of COMMIT itself; on PostgreSQL they are ordinary statements before it.
"""

from __future__ import annotations

import logging
import weakref
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from andamios_orm.core.commits import commits_through, take_changed
from andamios_orm.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Dialect, Engine, Executable
    from sqlalchemy.engine import RootTransaction

    from andamios_orm.core.commits import Changed
    from andamios_orm.dialect.calls import AtCommit, Further, Row

__all__ = [
    "Entry",
    "Ledger",
    "before_commit",
    "is_watched",
    "on_commit",
    "refuse_autocommit",
    "watch",
]

logger = logging.getLogger("andamios_orm.ledger")

# What is kept in the ``info`` of a connection.
_LEDGER = "andamios.ledger"
_ANNOUNCED = "andamios.announced"
_FAILURE = "andamios.failure"

# What is kept on the dialect of an engine that is watched.
_LISTENERS = "_andamios_commit_listeners"


EntryT = TypeVar("EntryT", bound="Entry")


class Entry(ABC):
    """Something to do before COMMIT, together with the other entries of its class."""

    turn: ClassVar[int] = 50
    """When its class is settled: lower numbers first; keys have 10, changes 50."""
    announced: ClassVar[bool] = False
    """Whether those who called ``on_commit()`` are told of a commit with such entries."""

    @classmethod
    @abstractmethod
    def settle(cls, connection: Connection, entries: Sequence[Self]) -> None:
        """Do what ``entries`` ask for; an error rolls the transaction back.

        Statements go through ``before_commit()``.
        """


class Ledger:
    """What one transaction has to settle: ``Ledger.of(connection).add(entry)``."""

    def __init__(self, transaction: RootTransaction) -> None:
        """Belong to ``transaction``."""
        self._entries: list[tuple[Entry, tuple[str, ...]]] = []
        self._transaction = weakref.ref(transaction)

    @classmethod
    def of(cls, connection: Connection) -> Ledger:
        """Return the ledger of the transaction that ``connection`` is in.

        Raises:
            ConfigurationError: it is in none, or in AUTOCOMMIT.
        """
        found = cls._open(connection)
        if found is not None:
            return found
        transaction = connection.get_transaction()
        if transaction is None:
            raise ConfigurationError("there is no transaction: begin one before the first change")
        refuse_autocommit(connection)
        ledger = connection.info[_LEDGER] = cls(transaction)
        return ledger

    @classmethod
    def _open(cls, connection: Connection) -> Ledger | None:
        """Return the ledger that was opened in this transaction, if one was."""
        if connection.invalidated:
            return None
        found: Ledger | None = connection.info.get(_LEDGER)
        return found if found is not None and found.belongs_to(connection) else None

    @classmethod
    def holds(cls, connection: Connection, kind: type[Entry]) -> bool:
        """Return whether the transaction of ``connection`` still has to settle such entries."""
        ledger = cls._open(connection)
        return ledger is not None and bool(ledger.entries(kind))

    def entries(self, kind: type[EntryT]) -> list[EntryT]:
        """Return the entries of a class that it still has to settle."""
        return [entry for entry, _ in self._entries if type(entry) is kind]

    def belongs_to(self, connection: Connection) -> bool:
        """Return whether ``connection`` is in the transaction of this ledger."""
        return self._transaction() is connection.get_transaction()

    def add(self, entry: Entry) -> None:
        """Keep ``entry`` for the settlement, unless a savepoint it is in is rolled back."""
        transaction = self._transaction()
        inside = () if transaction is None else tuple(_savepoints(transaction.connection))
        self._entries.append((entry, inside))

    def forget_since(self, savepoint: str) -> None:
        """Drop what was added inside ``savepoint``, which was rolled back."""
        self._entries = [kept for kept in self._entries if savepoint not in kept[1]]

    def settle(self, connection: Connection) -> bool:
        """Settle all entries, and return whether one of them is announced."""
        announced = False
        while self._entries:
            kind = min((type(entry) for entry, _ in self._entries), key=lambda kind: kind.turn)
            entries = [entry for entry, _ in self._entries if type(entry) is kind]
            self._entries = [kept for kept in self._entries if type(kept[0]) is not kind]
            kind.settle(connection, entries)
            announced = announced or kind.announced
        return announced


def before_commit(
    connection: Connection,
    statement: Executable | str,
    parameters: Any = None,
    *,
    then: AtCommit | None = None,
    tables: Mapping[str, Any] | None = None,
) -> None:
    """Run ``statement`` before COMMIT, and call ``then`` with its rows.

    A string is the driver's own SQL. On DuckDB it runs in COMMIT's hop, on another
    thread: rows are as the driver gives them, and ``then`` must not use the
    connection. It may return one more statement, or raise to undo everything.
    ``tables`` of Arrow have their names for this statement, on DuckDB alone.
    """
    look = then or _ignore
    options: dict[str, Any] = {}
    if getattr(connection.dialect, "runs_at_commit", False):
        options = {"at_commit": look, "tables": tables}
    if isinstance(statement, str):
        result = connection.exec_driver_sql(statement, parameters, execution_options=options)
    else:
        result = connection.execute(statement, parameters, execution_options=options)
    if not options:
        further = look([tuple(row) for row in result] if result.returns_rows else [])
        if further is not None:
            before_commit(connection, further.text, further.params, then=further.at_commit)


def _ignore(_rows: list[Row]) -> Further | None:
    return None


def refuse_autocommit(connection: Connection) -> None:
    """Raise if ``connection`` commits by itself: then nothing can happen before COMMIT.

    Raises:
        ConfigurationError: it is in AUTOCOMMIT.
    """
    if getattr(connection.connection.dbapi_connection, "autocommit", False):
        raise ConfigurationError(
            "this connection is in AUTOCOMMIT, where nothing can be checked or recorded together "
            "with a change: use a transaction, or Core statements"
        )


# ---- engines -------------------------------------------------------------------


def watch(engine: Engine | AsyncEngine) -> None:
    """Make the transactions of ``engine`` settle their ledgers.

    Watching an engine twice is the same as watching it once.
    """
    target: Any = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    target = getattr(target, "_proxied", target)  # what execution_options() returns shares events
    if is_watched(target.dialect):
        return
    setattr(target.dialect, _LISTENERS, [])
    # First of all: a guard of PostgreSQL looks at the state in which COMMIT is sent.
    event.listen(target, "commit", _settle, insert=True)
    event.listen(target, "prepare_twophase", _settle, insert=True)
    event.listen(target, "commit_twophase", _settle, insert=True)
    event.listen(target, "rollback", _forget)
    event.listen(target, "rollback_twophase", _forget)
    event.listen(target, "rollback_savepoint", _forget_since)
    _tell_after(target.dialect, "do_commit")
    _tell_after(target.dialect, "do_commit_twophase")


def is_watched(dialect: Dialect) -> bool:
    """Return whether the engine of ``dialect`` is watched."""
    return hasattr(dialect, _LISTENERS)


def on_commit(engine: Engine | AsyncEngine, listener: Callable[[], object]) -> Callable[[], None]:
    """Call ``listener`` after commits of announced entries; return what ends it.

    It is called where the commit was awaited, must be quick, and may be called once too
    often: after a COMMIT that failed, too.
    """
    watch(engine)
    listeners = getattr(engine.dialect, _LISTENERS)
    listeners.append(listener)

    def end() -> None:
        listeners.remove(listener)

    return end


def _settle(connection: Connection, *_: object) -> None:
    """Settle the ledger before COMMIT; a failure rolls back."""
    ledger = Ledger._open(connection)  # noqa: SLF001 - the two are one
    if ledger is None or _FAILURE in connection.info:
        return
    try:
        if ledger.settle(connection):
            connection.info[_ANNOUNCED] = True
    except BaseException:
        _forget(connection)
        if not connection.invalidated:
            connection.dialect.do_rollback(connection.connection)
        raise


def _forget(connection: Connection, *_: object) -> None:
    if not connection.invalidated:
        connection.info.pop(_LEDGER, None)
        connection.info.pop(_ANNOUNCED, None)
        take_changed(connection.info)


def _forget_since(connection: Connection, name: str, _context: object) -> None:
    ledger = Ledger._open(connection)  # noqa: SLF001
    if ledger is not None:
        ledger.forget_since(name)


def _savepoints(connection: Connection) -> Iterator[str]:
    """Yield the names of the savepoints that ``connection`` is in."""
    nested: Any = connection.get_nested_transaction()
    while nested is not None:
        yield nested._savepoint  # noqa: SLF001 - the event of its rollback tells this name alone
        nested = nested._previous_nested  # noqa: SLF001


def _tell_after(dialect: Dialect, name: str) -> None:
    """Tell the listeners when a commit has returned; SQLAlchemy has no event for it."""
    commit = getattr(dialect, name)
    listeners = getattr(dialect, _LISTENERS)

    def commit_and_tell(connection: Any, *arguments: Any, **options: Any) -> None:
        info = connection.info
        changed = take_changed(info)
        commits = commits_through(dialect, connection) if changed else None
        if commits is not None:
            commits.begin(changed.keys())
        outcome: Changed = dict.fromkeys(changed)  # of one that fails nobody knows it
        try:
            commit(connection, *arguments, **options)
            outcome = changed
        finally:
            if commits is not None:
                commits.end(outcome)
            info.pop(_LEDGER, None)
            if info.pop(_ANNOUNCED, False):
                _tell(listeners)

    setattr(dialect, name, commit_and_tell)


def _tell(listeners: Sequence[Callable[[], object]]) -> None:
    for listener in tuple(listeners):
        try:
            listener()
        except Exception:
            logger.exception("a listener to commits failed")
