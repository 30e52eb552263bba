"""Sessions of which nothing stays, whatever they commit.

All that such a session does is in one transaction of one connection, begun by its first
statement and rolled back after the test. On PostgreSQL a commit ends a savepoint, so that
a rollback goes back to the last commit. DuckDB has no SAVEPOINT: there a commit is a flush,
and a rollback, or an error, takes everything back since the test began.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.util import greenlet_spawn

from andamios_orm.core import Session
from andamios_orm.core.session import _Session
from andamios_orm.dialect.greenlets import in_greenlet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from andamios_orm.testing.lending import Settling

__all__ = ["rolled_back", "session_of"]

_JOINING: Final = {"postgresql": "create_savepoint", "duckdb": "rollback_only"}
_RESTART: Final = text("SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence")


class _RolledBack(_Session):
    """What runs inside: binds to one connection, which its first statement opens."""

    outer: Connection | None = None

    def get_bind(self, *arguments: Any, **options: Any) -> Engine | Connection:
        """Return the connection; the engine, while nothing was sent and nothing can be."""
        if self.outer is not None:
            return self.outer
        engine = super().get_bind(*arguments, **options)
        if isinstance(engine, Connection) or not in_greenlet():
            return engine
        self.outer = engine.connect()
        self.outer.begin()
        return self.outer


@contextmanager
def rolled_back(engine: AsyncEngine, settle: Settling) -> Iterator[Session]:
    """Yield a session on ``engine`` of which nothing stays."""
    system = engine.dialect.name
    session = Session(
        engine, sync_session_class=_RolledBack, join_transaction_mode=_JOINING[system]
    )
    try:
        yield session
    finally:
        settle(_undo(session, restart=system == "postgresql"))


@contextmanager
def session_of(engine: AsyncEngine, settle: Settling) -> Iterator[Session]:
    """Yield a session on ``engine``; what is not committed is rolled back, without a warning."""
    session = Session(engine)
    try:
        yield session
    finally:
        settle(_close(session))


async def _close(session: Session) -> None:
    inner: Any = session.sync_session
    inner.uncommitted = None
    await session.close()


async def _undo(session: Session, *, restart: bool) -> None:
    inner: Any = session.sync_session
    outer: Connection | None = inner.outer
    with suppress(SQLAlchemyError):  # the connection broke: then nothing stays either
        await _close(session)
    if outer is not None:
        await greenlet_spawn(_end, outer, restart)


def _end(outer: Connection, restart: bool) -> None:  # noqa: FBT001 - greenlet_spawn's way
    """Roll back, and give the connection back."""
    try:
        if restart:
            _restart_sequences(outer)
        outer.rollback()
    finally:
        outer.close()


def _restart_sequences(outer: Connection) -> None:
    """Let the next test count from one: sequences are in no transaction."""
    try:
        outer.execute(_RESTART)
    except SQLAlchemyError:  # of a transaction that has failed before
        outer.rollback()
        outer.execute(_RESTART)
