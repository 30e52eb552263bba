"""The fixtures give a database, a session and a project to tests that ask for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from project_architect_db.repositories import ProjectRepository
from project_architect_db.testing import parallel
from project_architect_db.testing.database import TestDatabaseManager
from project_architect_db.testing.fixtures import (  # noqa: F401 - that is how one gets them
    db_session,
    sample_project,
    test_db_manager,
    worker_id,
)

if TYPE_CHECKING:
    from andamios_orm import Session
    from project_architect_db.models import Project

pytestmark = [pytest.mark.integration, pytest.mark.db]


async def test_a_sample_project_is_in_the_session(
    db_session: Session,  # noqa: F811
    sample_project: Project,  # noqa: F811
) -> None:
    found = await ProjectRepository(db_session).get(sample_project.id)

    assert found.name == "Sample project"
    assert found.is_sample


async def test_the_database_is_a_file_of_this_worker(
    test_db_manager: TestDatabaseManager,  # noqa: F811
    worker_id: str,  # noqa: F811
) -> None:
    assert test_db_manager.worker_id == worker_id == parallel.worker_id()
    assert await asyncio.to_thread(test_db_manager.db_path.exists)
    assert not TestDatabaseManager.__test__


@pytest.mark.slow
async def test_a_manager_works_without_fixtures() -> None:
    manager = TestDatabaseManager()
    await manager.setup()
    async with manager.session() as session:
        assert await ProjectRepository(session).count() == 0

    await manager.teardown()

    assert not await asyncio.to_thread(manager.db_path.exists)
