"""Faults of a database that come when a test wants them: ``with faults.conflict(database): ...``.

The database is real, and so is what it answers: on PostgreSQL another connection ends this
one or holds the lock, and the server itself refuses; on DuckDB see ``breaking.py``.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from andamios_orm.exceptions import AndamiosError, ConfigurationError, DatabaseFault
from andamios_orm.testing.kinds import Countdown, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

    from sqlalchemy import Connection

    from andamios_orm.core import Database

__all__ = ["FaultNotReached", "Faults"]

Target = "Database | AsyncEngine | AsyncSession"

_LOCK: Final = 0x616E_6461  # any number: nobody else takes it in a test
_REFUSE: Final = "DO $$ BEGIN RAISE EXCEPTION '{}' USING ERRCODE = '{}'; END $$"
_ANSWERS: Final = {
    Kind.CONFLICT: _REFUSE.format("could not serialize access due to concurrent update", "40001"),
    Kind.DISK_FULL: _REFUSE.format("could not extend file: No space left on device", "53100"),
    Kind.INTERRUPT: "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(10)",
}


class FaultNotReached(AndamiosError, AssertionError):
    """A block ended before the statement, or the commit, that was to fail."""


class Faults:
    """Makes one statement, or one commit, of a database fail in a block.

    ``statement`` is which one, counted from 1 in the block; with ``commit=True`` it is the
    first commit. What is raised is what production would raise.
    """

    def __init__(self) -> None:
        """Begin without faults."""
        self._blocks = ExitStack()

    def conflict(
        self,
        target: Database | AsyncEngine | AsyncSession,
        *,
        statement: int = 1,
        commit: bool = False,
    ) -> AbstractContextManager[None]:
        """Return a block in which another writer was first: ``WriteConflict``."""
        return self._block(Kind.CONFLICT, target, statement, commit=commit)

    def lock(
        self, target: Database | AsyncEngine | AsyncSession, *, statement: int = 1
    ) -> AbstractContextManager[None]:
        """Return a block in which another holds the lock for longer than one may wait.

        On DuckDB it is the write gate, which only a transaction's first write asks for, and
        ``statement`` counts those: ``WriteGateTimeout``. On PostgreSQL it is an
        ``OperationalError`` with the code 55P03.
        """
        return self._block(Kind.LOCK, target, statement, commit=False)

    def interrupt(
        self, target: Database | AsyncEngine | AsyncSession, *, statement: int = 1
    ) -> AbstractContextManager[None]:
        """Return a block in which a statement is cancelled while it runs."""
        return self._block(Kind.INTERRUPT, target, statement, commit=False)

    def disk_full(
        self,
        target: Database | AsyncEngine | AsyncSession,
        *,
        statement: int = 1,
        commit: bool = False,
    ) -> AbstractContextManager[None]:
        """Return a block in which there is no space left: ``DiskFull``."""
        return self._block(Kind.DISK_FULL, target, statement, commit=commit)

    def lost_connection(
        self,
        target: Database | AsyncEngine | AsyncSession,
        *,
        statement: int = 1,
        commit: bool = False,
    ) -> AbstractContextManager[None]:
        """Return a block in which the database goes away.

        On PostgreSQL the server ends the connection: ``DatabaseUnavailable``, and at a
        commit ``CommitOutcomeUnknown``. On DuckDB the instance breaks: SQLAlchemy's
        ``DatabaseError`` and ``CommitOutcomeUnknown``; the next transaction opens a file
        anew, a memory database is gone.
        """
        return self._block(Kind.LOST_CONNECTION, target, statement, commit=commit)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._blocks.close()

    @contextmanager
    def _block(
        self,
        kind: Kind,
        target: Database | AsyncEngine | AsyncSession,
        statement: int,
        *,
        commit: bool,
    ) -> Iterator[None]:
        if statement < 1:
            raise ConfigurationError(f"statement={statement}: they are counted from 1")
        countdown = Countdown(_engine(target), 1 if commit else statement)
        with _broken(kind, countdown, commit=commit):
            yield
        if not countdown.is_over:
            what = "commit" if commit else f"statement {statement}"
            raise FaultNotReached(f"the block ended before the {kind.value}: there was no {what}")


def _engine(target: Database | AsyncEngine | AsyncSession) -> AsyncEngine:
    found: Any = target.bind if isinstance(target, AsyncSession) else target
    engine = found if isinstance(found, AsyncEngine) else getattr(found, "engine", None)
    if not isinstance(engine, AsyncEngine):
        raise ConfigurationError(f"{target!r} has no engine whose statements could fail")
    return engine


def _broken(kind: Kind, countdown: Countdown, *, commit: bool) -> AbstractContextManager[None]:
    if countdown.engine.dialect.name == "postgresql":
        return _broken_postgresql(kind, countdown, commit=commit)
    from andamios_orm.testing import breaking

    if kind is Kind.LOCK:
        return breaking.break_lock(countdown)
    return (breaking.break_commit if commit else breaking.break_statement)(kind, countdown)


@contextmanager
def _broken_postgresql(kind: Kind, countdown: Countdown, *, commit: bool) -> Iterator[None]:
    engine = countdown.engine.sync_engine
    inside = False

    def strike(connection: Connection, *_: object) -> None:
        nonlocal inside
        if inside or not countdown.is_due():
            return
        inside = True
        try:
            _strike(kind, connection)
        finally:
            inside = False

    def strike_commit(connection: Connection) -> None:
        try:
            strike(connection)
        except DatabaseFault:
            # PostgreSQL rolls back what it refuses to commit.
            connection.dialect.do_rollback(connection.connection)
            raise

    def strike_savepoint(connection: Connection, name: str, _context: object) -> None:
        try:
            strike(connection)
        except DatabaseFault:
            connection._rollback_to_savepoint_impl(name)  # noqa: SLF001 - a savepoint has no object here
            raise

    # A session whose commit ends a savepoint sends no COMMIT.
    listeners: dict[str, Callable[..., None]] = (
        {"commit": strike_commit, "release_savepoint": strike_savepoint}
        if commit
        else {"before_cursor_execute": strike}
    )
    for name, listener in listeners.items():
        event.listen(engine, name, listener, insert=True)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            event.remove(engine, name, listener)


def _strike(kind: Kind, connection: Connection) -> None:
    """Let the server refuse, or end the connection so that what is sent next fails."""
    if kind in _ANSWERS:
        connection.exec_driver_sql(_ANSWERS[kind])
    else:
        _strike_from_beside(kind, connection)


def _strike_from_beside(kind: Kind, connection: Connection) -> None:
    """Let another connection end this one, or hold what it asks for."""
    import psycopg

    url = connection.engine.url.set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as rival:
        if kind is Kind.LOST_CONNECTION:
            rival.execute("SELECT pg_terminate_backend(%s, 5000)", [_process(connection)])
            return
        rival.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        connection.exec_driver_sql("SET LOCAL lock_timeout = '10ms'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _process(connection: Connection) -> int:
    driver: Any = connection.connection.driver_connection
    number: int = (
        driver.get_server_pid() if hasattr(driver, "get_server_pid") else driver.info.backend_pid
    )
    return number
