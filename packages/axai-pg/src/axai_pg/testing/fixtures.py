"""Fixtures for pytest; importing any one of them into a test module is enough.

========================== ========================================================
``axai_db_config``         where the database of the tests is
``axai_test_db``           its ``DatabaseInitializer``: it is set up, and goes in the end
``axai_db_session``        a session of an operator; rolled back, even after a commit
``axai_clean_db_session``  a session of an operator; what it commits stays
``axai_db_manager``        its ``DatabaseManager``, the one of the program during the test
``axai_reset_db``          the database, dropped and made anew before the test
``axai_org``               an organisation, which is removed after the test
``axai_org_session``       a session in it; rolled back, even after a commit
========================== ========================================================

The server is that of ``POSTGRES_HOST`` if it is set, else one that is started for the run.
Workers of pytest-xdist share it, and have a database each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from andamios_orm.exceptions import MissingExtra

try:
    import pytest
except ImportError as error:
    raise MissingExtra("pytest is not installed: pip install 'axai-pg[testing]'") from error

from axai_pg.testing import databases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axai_pg.data.config import DatabaseManager, PostgresConnectionConfig
    from axai_pg.data.isolation import IsolatedSession
    from axai_pg.data.models import Organization
    from axai_pg.testing.databases import TestDatabase
    from axai_pg.utils import DatabaseInitializer

__all__ = [
    "axai_clean_db_session",
    "axai_db_config",
    "axai_db_manager",
    "axai_db_session",
    "axai_org",
    "axai_org_session",
    "axai_reset_db",
    "axai_test_db",
]


def _shared(request: pytest.FixtureRequest, name: str) -> Any:
    """Return a fixture of ``databases``, which nobody has to import.

    A fixture that is imported belongs to the module that imports it. So that all modules
    share one database, that one belongs to a plugin.
    """
    plugins = request.config.pluginmanager
    if not plugins.is_registered(databases):
        plugins.register(databases, "axai_pg")
    return request.getfixturevalue(name)


def _database(request: pytest.FixtureRequest) -> TestDatabase:
    found: TestDatabase = _shared(request, "axai_shared_database")
    return found


@pytest.fixture(scope="session")
def axai_db_config(request: pytest.FixtureRequest) -> PostgresConnectionConfig:
    """Return where the database of the tests is; by itself this makes no database."""
    found: PostgresConnectionConfig = _shared(request, "axai_shared_config")
    return found


@pytest.fixture(scope="session")
def axai_test_db(request: pytest.FixtureRequest) -> DatabaseInitializer:
    """Return the initializer of the database, which is set up, and goes after the last test."""
    return _database(request).initializer


@pytest.fixture
def axai_db_session(request: pytest.FixtureRequest) -> Iterator[IsolatedSession]:
    """Yield a session of an operator, of which nothing stays, whatever it commits."""
    with _database(request).rolled_back() as session:
        yield session


@pytest.fixture
def axai_clean_db_session(request: pytest.FixtureRequest) -> Iterator[IsolatedSession]:
    """Yield a session of an operator; what it writes is committed in the end, and stays."""
    with _database(request).system_session() as session:
        yield session


@pytest.fixture
def axai_db_manager(request: pytest.FixtureRequest) -> Iterator[DatabaseManager]:
    """Yield the manager of the database; ``get_instance()`` gives it during the test."""
    manager = _database(request).manager
    with manager.as_instance():
        yield manager


@pytest.fixture
def axai_reset_db(request: pytest.FixtureRequest) -> DatabaseInitializer:
    """Return the initializer of the database, after dropping it and setting it up anew."""
    database = _database(request)
    database.reset()
    return database.initializer


@pytest.fixture
def axai_org(request: pytest.FixtureRequest) -> Organization:
    """Return an organisation; it is removed after the test, with all that it has."""
    found: Organization = _shared(request, "axai_shared_organization")
    return found


@pytest.fixture
def axai_org_session(
    request: pytest.FixtureRequest,
) -> Iterator[IsolatedSession]:
    """Yield a session in the organisation of ``axai_org``, of which nothing stays."""
    database = _database(request)
    organization: Organization = _shared(request, "axai_shared_organization")
    with database.rolled_back(organization.id) as session:
        yield session
