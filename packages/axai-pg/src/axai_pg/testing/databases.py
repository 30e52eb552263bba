"""The database of a test run, for each of its processes one, on one server."""

from __future__ import annotations

import dataclasses
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import delete

from andamios_orm.testing.parallel import MAIN, worker_id
from axai_pg.data.config import PostgresConnectionConfig, Settings
from axai_pg.data.isolation import IsolatedSession, Scope
from axai_pg.data.models import Organization
from axai_pg.utils.db_initializer import DatabaseInitializer, DatabaseInitializerConfig

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

    from axai_pg.data.config import DatabaseManager

__all__ = [
    "TestDatabase",
    "axai_shared_config",
    "axai_shared_database",
    "axai_shared_organization",
]

_REASON: Final = "test"
_NO_SERVER: Final = (
    "{reason}. Or set POSTGRES_HOST and the like, or pip install 'axai-pg[testing]', which brings "
    "a server for Python 3.12 or newer"
)


class TestDatabase:
    """A database with all tables, and sessions on it."""

    __test__ = False

    def __init__(self, initializer: DatabaseInitializer, *, may_drop: bool) -> None:
        """Set it up."""
        self.initializer = initializer
        self._may_drop = may_drop
        self._settings = Settings.from_env()
        initializer.setup_database(load_sample_data=self._settings.load_sample_data)

    @property
    def manager(self) -> DatabaseManager:
        """The manager of the database, of whose login nobody warns: it is that of a test."""
        manager = self.initializer.get_database_manager()
        manager.isolation.warned = True
        return manager

    def reset(self) -> None:
        """Drop it and set it up anew.

        Raises:
            ConfigurationError: it was there before the tests, and AXAI_AUTO_DROP_DB is not set.
        """
        self.initializer.reset_database(
            load_sample_data=self._settings.load_sample_data, force=self._may_drop
        )

    def close(self) -> None:
        """Drop it if it was made for the tests, or may be dropped."""
        if self._may_drop or self.initializer.has_made_it:
            self.initializer.teardown_database(force=self._may_drop)

    @contextmanager
    def system_session(self) -> Iterator[IsolatedSession]:
        """Yield a session of an operator, which commits in the end."""
        with self.manager.system_scope(_REASON) as session:
            yield session

    @contextmanager
    def rolled_back(self, org_id: uuid.UUID | None = None) -> Iterator[IsolatedSession]:
        """Yield a session, of an operator or in an organisation, of which nothing stays."""
        scope = Scope.system(_REASON) if org_id is None else Scope(org_id)
        manager = self.manager
        with manager._engine.connect() as connection:  # noqa: SLF001 - around a session
            outer = connection.begin()
            try:
                with IsolatedSession(
                    connection,
                    scope=scope,
                    isolation=manager.isolation,
                    join_transaction_mode="create_savepoint",
                ) as session:
                    yield session
            finally:
                outer.rollback()

    @contextmanager
    def organization(self) -> Iterator[Organization]:
        """Yield an organisation that is there for everybody, until it is removed with its rows."""
        with self.system_session() as session:
            made = Organization(name="Test")
            session.add(made)
        yield made
        with self.system_session() as session:
            session.execute(delete(Organization).where(Organization.id == made.id))


def _given(config: PostgresConnectionConfig) -> PostgresConnectionConfig:
    """Return where the database of this process is, on a server that the environment names."""
    worker = worker_id()
    name = config.database if worker == MAIN else f"{config.database}_{worker}"
    return dataclasses.replace(config, database=name)


@pytest.fixture(scope="session")
def axai_shared_config(request: pytest.FixtureRequest) -> PostgresConnectionConfig:
    """Return where the database of this process is; nothing is made yet."""
    if os.environ.get("POSTGRES_HOST"):
        return _given(PostgresConnectionConfig.from_env())
    try:
        databases: Any = request.getfixturevalue("andamios_postgres_databases")
    except pytest.skip.Exception as skipped:
        pytest.fail(_NO_SERVER.format(reason=skipped.msg), pytrace=False)
    return PostgresConnectionConfig.from_url(databases.create())


@pytest.fixture(scope="session")
def axai_shared_database(axai_shared_config: PostgresConnectionConfig) -> Iterator[TestDatabase]:
    """Yield the database of this process."""
    given = bool(os.environ.get("POSTGRES_HOST"))
    config = DatabaseInitializerConfig(axai_shared_config)
    with DatabaseInitializer(config) as initializer:
        database = TestDatabase(initializer, may_drop=not given or Settings.from_env().auto_drop_db)
        yield database
        database.close()


@pytest.fixture
def axai_shared_organization(axai_shared_database: TestDatabase) -> Iterator[Organization]:
    """Yield the organisation of a test."""
    with axai_shared_database.organization() as organization:
        yield organization
