"""What type checkers know of a repository: what each call gives, and what cannot be called."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, assert_type

import pytest
from sqlalchemy.ext.asyncio import AsyncSession  # noqa: TC002 - as callers write it
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, Session  # noqa: TC001 - as callers write it
from andamios_orm.bulk import Created, Upserted
from andamios_orm.repositories import (
    AnalyticsRepository,
    BaseRepository,
    GenericRepository,
    ReadOnlyRepository,
    operation,
)

pytestmark = pytest.mark.unit


class Base(DeclarativeBase):
    """The base of this table."""


class Project(Base):
    """A project."""

    __tablename__ = "projects"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]


class ProjectRepository(BaseRepository[Project]):
    """Projects, with a question of their own."""

    model = Project

    @operation()
    async def statuses(self, *, limit: int = 3) -> set[str]:
        """Return some of the statuses there are."""
        return {project.status for project in await self.list(limit)}


async def units(database: Database) -> None:
    """Say what a unit of work gives: what its function does."""

    async def work(session: Session) -> Project:
        return await ProjectRepository(session).get(1)

    assert_type(await database.run_in_transaction(work), Project)


async def reads(session: AsyncSession) -> None:
    """Say what each question gives; this is checked, never run."""
    projects = BaseRepository(session, Project)
    assert_type(projects, BaseRepository[Project])
    assert_type(await projects.get(1), Project)
    assert_type(await projects.get_by_id(1), Project | None)
    assert_type(await projects.get_one(status="a"), Project)
    assert_type(await projects.get_one_or_none(Project.status == "a"), Project | None)
    assert_type(await projects.first(), Project | None)
    assert_type(await projects.list(10, 20, Project.status == "a"), list[Project])
    assert_type(await projects.list(Project.status == "a", limit=10), list[Project])
    assert_type(await projects.list_and_count(), tuple[list[Project], int])
    assert_type(projects.stream(), AsyncGenerator[Project, None])
    assert_type(await projects.count(), int)
    assert_type(await projects.exists(), bool)
    assert_type(await ProjectRepository(session).statuses(limit=2), set[str])
    await ProjectRepository(session).statuses("two")  # type: ignore[call-arg, arg-type]  # the point
    Project.statsu  # type: ignore[attr-defined]  # noqa: B018 - the point


async def writes(session: AsyncSession) -> None:
    """Say what each change gives; this is checked, never run."""
    async with GenericRepository(session, Project) as projects:
        assert_type(projects, GenericRepository[Project])
    assert_type(await projects.create({"status": "a"}), Project)
    assert_type(await projects.add_many([]), list[Project])
    assert_type(await projects.update(1, {}), Project)
    assert_type(await projects.get_or_create(status="a"), tuple[Project, bool])
    assert_type(await projects.upsert_many([]), list[Project])
    assert_type(await projects.delete(1), bool)
    assert_type(await projects.delete_where(status="a"), int)
    assert_type(await projects.restore(1), Project)
    assert_type(await projects.bulk_create([]), Created[Project])
    assert_type(await projects.bulk_upsert([], match_fields=["id"]), Upserted)


async def less(session: AsyncSession) -> None:
    """A repository to read from has nothing to write with."""
    reader = ReadOnlyRepository(session, Project)
    assert_type(await reader.get(1), Project)
    await reader.create({})  # type: ignore[attr-defined]  # the point
    await reader.update(1, {})  # type: ignore[attr-defined]  # the point
    await reader.delete(1)  # type: ignore[attr-defined]  # the point
    analytics = AnalyticsRepository(session, Project)
    assert_type(await analytics.aggregate(), dict[str, Any])
    await analytics.purge(1)  # type: ignore[attr-defined]  # the point


def test_these_functions_are_for_type_checkers() -> None:
    assert {reads.__name__, writes.__name__, less.__name__} == {"reads", "writes", "less"}
