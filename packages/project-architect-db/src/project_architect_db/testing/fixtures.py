"""Fixtures for pytest: ``pytest_plugins = ["project_architect_db.testing.fixtures"]``.

=================== ===================================================================
``worker_id``       which worker of the run this is; ``main`` without several
``test_db_manager`` a DuckDB file of this test, with the tables of the package
``db_session``      a session on it; what is not committed is rolled back
``sample_project``  a project in that session, flushed
=================== ===================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from project_architect_db.testing import parallel
from project_architect_db.testing.database import TestDatabaseManager
from project_architect_db.testing.factories import ProjectFactory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from andamios_orm import Session
    from project_architect_db.models import Project

__all__ = ["db_session", "sample_project", "test_db_manager", "worker_id"]


@pytest.fixture(scope="session")
def worker_id() -> str:
    """Return which worker of a parallel run this is, or ``main``."""
    return parallel.worker_id()


@pytest_asyncio.fixture
async def test_db_manager(worker_id: str) -> AsyncIterator[TestDatabaseManager]:
    """Yield a database in a file of its own, with the tables of the package."""
    async with TestDatabaseManager(worker_id) as manager:
        yield manager


@pytest_asyncio.fixture
async def db_session(test_db_manager: TestDatabaseManager) -> AsyncIterator[Session]:
    """Yield a session; what the test has not committed is rolled back."""
    async with test_db_manager.session() as session:
        yield session
        await session.rollback()


@pytest_asyncio.fixture
async def sample_project(db_session: Session) -> Project:
    """Return a project in the session of the test, flushed and not committed."""
    return await ProjectFactory.create(db_session, name="Sample project")
