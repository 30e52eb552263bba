"""Sessions that never commit by themselves, and warn when work is about to be lost."""

from __future__ import annotations

import inspect
import sys
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, object_mapper
from sqlalchemy.orm import Session as SyncSession
from sqlalchemy.orm.exc import StaleDataError

from andamios_orm.core.flushes import forget_flush, note_attached, note_earlier, record_flush
from andamios_orm.core.integrity import watch_session
from andamios_orm.core.recording import record_statement
from andamios_orm.core.seen import SeenVersions, sees_changes
from andamios_orm.core.transaction import Transaction
from andamios_orm.exceptions import StaleVersion, UncommittedChanges

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from types import FrameType, TracebackType

    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Session", "SessionManager"]

ResultT = TypeVar("ResultT")


class _Session(SyncSession):
    """What runs inside ``Session``: remembers whether anything waits to be committed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.uncommitted: str | None = None

    def wrote(self, name: str) -> None:
        """Remember that a statement changed rows of ``name``, and none knows which."""
        self.uncommitted = name

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write what changed.

        Raises:
            StaleVersion: a row has a newer version than the one that was read.
        """
        watch_session(self)
        try:
            super().flush(objects)
        except StaleDataError as error:
            raise StaleVersion(f"a row was changed meanwhile: {error}") from error

    def commit(self) -> None:
        """Commit; when that fails, its error says all there is to say."""
        try:
            super().commit()
        finally:
            self.uncommitted = None


class _ReadingAnew(_Session, SeenVersions):
    """The same where a transaction is no snapshot."""

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write what changed.

        Raises:
            StaleVersion: a row has a newer version than the one that was read first.
        """
        self.compare()
        super().flush(objects)

    def wrote(self, name: str) -> None:
        """Remember that a statement changed rows: which, only the database knows."""
        super().wrote(name)
        self.blind = True


@event.listens_for(_Session, "after_flush")
def _note_flush(session: _Session, _context: Any) -> None:
    changed = [*session.new, *session.dirty, *session.deleted]
    session.uncommitted = type(changed[0]).__name__ if changed else "rows"


event.listen(_Session, "after_flush", record_flush)
event.listen(_Session, "after_rollback", forget_flush)
event.listen(_Session, "after_begin", note_earlier)
event.listen(_Session, "detached_to_persistent", note_attached)


@event.listens_for(_Session, "deleted_to_persistent")
def _forget_assumed(session: _Session, instance: object) -> None:
    """Forget what a deletion assumed of relations, when a savepoint takes it back."""
    session.expire(instance, list(object_mapper(instance).relationships.keys()))


@event.listens_for(_Session, "do_orm_execute")
def _note_statement(state: ORMExecuteState) -> Any:
    if not isinstance(state.session, _Session) or not (
        state.is_insert or state.is_update or state.is_delete
    ):
        return None
    watch_session(state.session)
    table = getattr(state.statement, "table", None)
    state.session.wrote(str(getattr(table, "name", "a table")))
    return record_statement(state)


@event.listens_for(_Session, "after_rollback")
def _note_rollback(session: _Session) -> None:
    session.uncommitted = None


@event.listens_for(_Session, "after_commit")
def _note_commit(session: _Session) -> None:
    if not session.in_nested_transaction():  # the end of a savepoint commits nothing
        session.uncommitted = None


class Session(AsyncSession):
    """An ``AsyncSession`` whose instances stay usable after a commit.

    Closing it with writes that were flushed and never committed warns with
    ``UncommittedChanges``: they are rolled back.
    """

    sync_session_class = _Session

    def __init__(self, bind: AsyncEngine | None = None, **options: Any) -> None:
        """Bind to an engine; ``expire_on_commit`` is off unless it is asked for."""
        options.setdefault("expire_on_commit", False)
        if sees_changes(bind):
            options.setdefault("sync_session_class", _ReadingAnew)
        super().__init__(bind, **options)

    async def close(self) -> None:
        """Roll back what was not committed, and give the connection back."""
        try:
            self._warn()
        finally:  # a warning may be an error
            if self.in_transaction():
                await super().close()
            else:  # there is no connection to wait for
                self.sync_session.close()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; an error on its way out needs no warning beside it."""
        if kind is not None and isinstance(self.sync_session, _Session):
            self.sync_session.uncommitted = None
        try:
            self._warn()
        finally:
            if self.in_transaction():
                await super().__aexit__(kind, error, traceback)
            else:  # which nothing can cut short
                await self.close()

    def _warn(self) -> None:
        inner = self.sync_session
        if isinstance(inner, _Session) and inner.uncommitted is not None:
            written, inner.uncommitted = inner.uncommitted, None
            warnings.warn(
                f"a session was closed with changes to {written} that were flushed and not "
                f"committed; they are rolled back. Call commit(), or use transaction()",
                UncommittedChanges,
                stacklevel=_level_of_the_caller(),
            )


def _level_of_the_caller() -> int:
    """Return the stack level of the block that closed a session, beyond ours and contextlib's."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - what warnings itself uses
    level = 2
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_PASSED):
        frame, level = frame.f_back, level + 1
    return level


_PASSED = ("andamios_orm.core.", "contextlib")


class SessionManager:
    """Hands out sessions and transactions of one engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Serve sessions of ``engine``."""
        self.engine = engine

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Yield a session; what is not committed inside is rolled back."""
        async with Session(self.engine) as session:
            yield session

    def transaction(self, *, retry: bool | int = False, write: bool = False) -> Transaction:
        """Return a transaction that commits on success and rolls back on any error.

        With ``write=True`` it takes DuckDB's write gate from its start. With
        ``retry`` it is a loop, because only the caller can repeat what it read;
        ``run_in_transaction`` does the same for a function::

            async for attempt in database.transaction(retry=True):
                async with attempt as session:
                    ...
        """
        return Transaction(self._open, retry=retry, write=write)

    async def run_in_transaction(
        self,
        work: Callable[[Session], Awaitable[ResultT]],
        *,
        retry: bool | int = True,
        write: bool = False,
    ) -> ResultT:
        """Return what ``work`` returns, a unit of work: all it stores, or nothing.

        It is called with a session, for any number of repositories, and called anew in
        a new transaction when another writer was first.

        Raises:
            WriteConflict: the last attempt lost as well.
            StaleVersion: likewise.
        """
        results: list[ResultT] = []
        async for attempt in self.transaction(retry=retry, write=write):
            async with attempt as session:
                results.append(await work(session))
        return results[-1]

    async def execute_in_transaction(
        self,
        steps: Iterable[Callable[[Session], Awaitable[Any] | Any]],
        *,
        retry: bool | int = False,
        write: bool = False,
    ) -> list[Any]:
        """Return the results of ``steps``, each called with the session, all or nothing."""
        calls = list(steps)

        async def work(session: Session) -> list[Any]:
            results = []
            for step in calls:
                result = step(session)
                results.append(await result if inspect.isawaitable(result) else result)
            return results

        return await self.run_in_transaction(work, retry=retry, write=write)

    def _open(self) -> Session:
        return Session(self.engine)
