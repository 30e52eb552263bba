"""What hands out sessions, each a transaction of one organisation."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import event

from andamios_orm.core import Session, create_engine
from andamios_orm.core.blocking import create_blocking_engine
from axai_pg.data.config import health
from axai_pg.data.config.connection import PostgresPoolConfig
from axai_pg.data.config.pinging import ping_rested
from axai_pg.data.isolation import IsolatedSession, Isolation, Scope, watch
from axai_pg.exceptions import NotInitialized

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.pool import ConnectionPoolEntry

    from axai_pg.data.config.connection import PostgresConnectionConfig

__all__ = ["DatabaseManager"]

_HEALTH_TIMEOUT = 5.0


class DatabaseManager:
    """A database whose sessions are each in one organisation, or in none.

    ``initialize()`` makes the one that ``get_instance()`` gives to a whole program; one that
    is made directly belongs to whoever makes it. Nothing is opened before the first scope.
    """

    _instance: ClassVar[DatabaseManager | None] = None

    def __init__(
        self,
        conn_config: PostgresConnectionConfig,
        pool_config: PostgresPoolConfig | None = None,
        *,
        require_unprivileged: bool = False,
    ) -> None:
        """Describe a database.

        Raises:
            ConfigurationError: something in it makes no sense.
        """
        self.conn_config = conn_config
        self.pool_config = pool_config or PostgresPoolConfig()
        self.isolation = Isolation(require_unprivileged=require_unprivileged)
        settings = self.pool_config.settings(conn_config.url)
        self._engine = create_blocking_engine(settings)
        self._async_engine = create_engine(settings)
        for engine in (self._engine, self._async_engine.sync_engine):
            watch(engine)
            if self.pool_config.pool_pre_ping:
                ping_rested(engine)
            if not self.pool_config.prepared_statements:
                event.listen(engine, "connect", _prepare_nothing)

    def __repr__(self) -> str:
        """Return where the database is, without the password."""
        return f"{type(self).__name__}({self.conn_config.url!r})"

    # ---- the one of a program ----------------------------------------------------

    @classmethod
    def initialize(
        cls,
        conn_config: PostgresConnectionConfig,
        pool_config: PostgresPoolConfig | None = None,
        *,
        require_unprivileged: bool = False,
    ) -> DatabaseManager:
        """Return the manager of this program; one that there was before is disposed of.

        With ``require_unprivileged`` a login that could see all organisations is refused by
        the first scope; without, it is warned of once, and scopes act as another role.

        Raises:
            ConfigurationError: something in it makes no sense.
        """
        manager = cls(conn_config, pool_config, require_unprivileged=require_unprivileged)
        before, DatabaseManager._instance = DatabaseManager._instance, manager
        if before is not None:
            before.dispose()
        return manager

    @classmethod
    def get_instance(cls) -> DatabaseManager:
        """Return the manager of this program.

        Raises:
            NotInitialized: there is none.
        """
        if DatabaseManager._instance is None:
            raise NotInitialized
        return DatabaseManager._instance

    @contextmanager
    def as_instance(self) -> Iterator[None]:
        """Be the manager of the program for a while, as in a test."""
        before, DatabaseManager._instance = DatabaseManager._instance, self
        try:
            yield
        finally:
            DatabaseManager._instance = before

    def dispose(self) -> None:
        """Close all connections that nobody uses, and be the manager of the program no more.

        Those in use are closed when they come back.
        """
        if DatabaseManager._instance is self:
            DatabaseManager._instance = None
        for pool in (self._engine.pool, self._async_engine.sync_engine.pool):
            event.listen(pool, "checkin", _close)
        self._engine.dispose()
        closing = self._async_engine.dispose()
        with suppress(StopIteration):  # psycopg closes at once: nothing in it waits
            closing.send(None)
        closing.close()

    # ---- scopes of an organisation -----------------------------------------------

    @contextmanager
    def session_scope(
        self, org_id: uuid.UUID | str | None = None, user_id: uuid.UUID | str | None = None
    ) -> Iterator[IsolatedSession]:
        """Yield a session in an organisation; commit in the end, or roll back on any error.

        Without an organisation it opens, and refuses to touch a table of organisations.

        Raises:
            OrganizationChanged: it is inside a scope of another organisation.
            OrganizationRequired: from the session, in a scope without one.
            ValueRefused: a key is no UUID.
        """
        with self._session(Scope.of(org_id, user_id)) as session:
            yield session

    @asynccontextmanager
    async def async_session_scope(
        self, org_id: uuid.UUID | str | None = None, user_id: uuid.UUID | str | None = None
    ) -> AsyncIterator[Session]:
        """Yield an async session in an organisation, as ``session_scope()`` does a blocking one.

        Raises:
            OrganizationChanged: it is inside a scope of another organisation.
            OrganizationRequired: from the session, in a scope without one.
            ValueRefused: a key is no UUID.
        """
        async with self._async_session(Scope.of(org_id, user_id)) as session:
            yield session

    # ---- scopes of an operator ---------------------------------------------------

    @contextmanager
    def system_scope(
        self, reason: str, *, user_id: uuid.UUID | str | None = None
    ) -> Iterator[IsolatedSession]:
        """Yield a session of an operator, who sees the rows of all organisations.

        The audit log has who it was and the ``reason``, also when all is rolled back.

        Raises:
            ConfigurationError: the login is no operator's.
            OrganizationChanged: it is inside a scope of an organisation.
            ValueRefused: the reason is empty; the key is no UUID.
        """
        scope = Scope.system(reason, user_id)
        with scope.entered(self), self._engine.begin() as connection:
            self.isolation.note(connection, scope)
        with self._session(scope) as session:
            yield session

    @asynccontextmanager
    async def async_system_scope(
        self, reason: str, *, user_id: uuid.UUID | str | None = None
    ) -> AsyncIterator[Session]:
        """Yield an async session of an operator, as ``system_scope()`` does a blocking one.

        Raises:
            ConfigurationError: the login is no operator's.
            OrganizationChanged: it is inside a scope of an organisation.
            ValueRefused: the reason is empty; the key is no UUID.
        """
        scope = Scope.system(reason, user_id)
        with scope.entered(self):
            async with self._async_engine.begin() as connection:
                await connection.run_sync(self.isolation.note, scope)
        async with self._async_session(scope) as session:
            yield session

    # ---- beside them -------------------------------------------------------------

    async def check_health(self, *, timeout: float = _HEALTH_TIMEOUT) -> health.DatabaseHealth:
        """Return how the database is; one that does not answer is reported, not raised."""
        return await health.check(self._async_engine, self.isolation, timeout)

    @contextmanager
    def _session(self, scope: Scope) -> Iterator[IsolatedSession]:
        with (
            scope.entered(self),
            IsolatedSession(
                self._engine, scope=scope, isolation=self.isolation, close_resets_only=False
            ) as session,
        ):
            yield session
            if session.in_transaction():
                session.commit()

    @asynccontextmanager
    async def _async_session(self, scope: Scope) -> AsyncIterator[Session]:
        with scope.entered(self):
            async with Session(
                self._async_engine,
                sync_session_class=IsolatedSession,
                scope=scope,
                isolation=self.isolation,
                close_resets_only=False,
            ) as session:
                yield session
                if session.in_transaction():
                    await session.commit()


def _prepare_nothing(_connection: object, record: ConnectionPoolEntry) -> None:
    """Let psycopg send each statement anew, however often it is asked for."""
    driver: Any = record.driver_connection
    driver.prepare_threshold = None


def _close(_connection: object, record: ConnectionPoolEntry) -> None:
    """Close a connection that has come back to a pool that nobody takes from any more."""
    record.invalidate()
