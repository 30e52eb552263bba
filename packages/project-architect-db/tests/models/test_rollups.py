"""Sums by day equal a full recomputation, whatever was written and by which door."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, inspect, select

from andamios_orm.bulk import bulk_create, bulk_delete, bulk_update
from project_architect_db.analytics.metrics import KINDS
from project_architect_db.models import (
    Build,
    Conversation,
    ConversationMessage,
    Deployment,
    Document,
    DocumentAccess,
    Project,
    Repository,
    rollups,
)
from project_architect_db.queries import BulkOperations
from project_architect_db.repositories import ProjectRepository

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database, Session
    from andamios_orm.testing.clock import FrozenClock

    Values = Callable[..., dict[str, Any]]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

MEASURES: dict[type[Any], Any] = {
    Project: rollups.of_project,
    Conversation: rollups.of_conversation,
    ConversationMessage: rollups.of_message,
    Document: rollups.of_document,
    DocumentAccess: rollups.of_access,
    Build: rollups.of_build,
    Deployment: rollups.of_deployment,
}
KEPT = [name for name, kind in KINDS.items() if kind.is_kept]
"""Those that somebody reads; a measure that counts for others fails here."""


async def kept(session: Session) -> Counter[rollups.Sum]:
    """Return the sums as they are kept."""
    found: Counter[rollups.Sum] = Counter()
    for kind in KEPT:
        for day, key, total in await session.execute(rollups.totals(kind)):
            found[rollups.Sum(day, kind, key)] = total
    return found


async def recomputed(session: Session) -> Counter[rollups.Sum]:
    """Return the sums of all rows that are there."""
    found: Counter[rollups.Sum] = Counter()
    for model, measure in MEASURES.items():
        names = inspect(model).column_attrs.keys()
        for row in await session.scalars(select(model)):
            if getattr(row, "deleted_at", None) is None:
                for key, amount in measure({name: getattr(row, name) for name in names}):
                    found[key] += amount
    return Counter({key: total for key, total in found.items() if total})


@pytest.mark.slow
async def test_each_kind_of_row_counts_for_something(
    database: Database, project_values: Values
) -> None:
    project = Project(
        **project_values(architecture={"framework": "FastAPI", "services": 3}, status="active"),
        conversations=[
            Conversation(messages=[{"role": "user", "content": "two words", "tokens": 3}])
        ],
        documents=[Document(name="a", content="four", accesses=[DocumentAccess()])],
        repositories=[
            Repository(
                name="api",
                builds=[Build(status="succeeded")],
                deployments=[Deployment(status="failed")],
            )
        ],
    )
    async with database.transaction() as session:
        await ProjectRepository(session).create(project)

    async with database.session() as session:
        sums = await kept(session)
        assert sums == await recomputed(session)
    assert {(each.kind, each.key): total for each, total in sums.items()} == {
        ("project.status", "active"): 1,
        ("project.framework", "FastAPI"): 1,
        ("project.complexity", "20"): 1,
        ("conversation.phase", "project_idea"): 1,
        ("message.role", "user"): 1,
        ("message.words", "user"): 2,
        ("message.tokens", "user"): 3,
        ("document.type", "other"): 1,
        ("document.bytes", "other"): 4,
        ("document.access", ""): 1,
        ("build.status", "succeeded"): 1,
        ("deployment.status", "failed"): 1,
    }


async def test_a_completed_project_counts_by_the_day_of_its_completion(
    database: Database, project_values: Values, frozen_clock: FrozenClock
) -> None:
    projects = ProjectRepository(database)
    project = await projects.create(project_values())
    frozen_clock.tick(86_400)
    await projects.update(project.id, {"status": "completed"})

    async with database.session() as session:
        day = dt.date(2026, 1, 2)
        (completed,) = await session.execute(rollups.totals("project.completed", since=day))
        before = await session.execute(
            rollups.totals("project.completed", until=dt.date(2026, 1, 1))
        )
        assert tuple(completed) == (day, "", 1)
        assert before.all() == []


async def test_a_change_that_counts_for_nothing_leaves_nothing(
    database: Database, project_values: Values
) -> None:
    projects = ProjectRepository(database)
    project = await projects.create(project_values())

    await projects.update(project.id, {"name": "Other"})

    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(rollups.deltas)) == 1


async def test_a_commit_that_undoes_itself_leaves_nothing(
    database: Database, project_values: Values
) -> None:
    async with database.transaction() as session:
        projects = ProjectRepository(session)
        project = await projects.create(project_values())
        await projects.delete(project.id)

    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(rollups.deltas)) == 0


async def test_merging_changes_no_sum(database: Database, project_values: Values) -> None:
    projects = ProjectRepository(database)
    keys = [
        (await projects.create(project_values(status=status))).id
        for status in ("draft", "active", "active")
    ]
    await projects.delete(keys[2])
    async with database.session() as session:
        before = await kept(session)

    async with database.transaction() as session:
        await BulkOperations.bulk_analytics_refresh(session)

    async with database.session() as session:
        assert await kept(session) == before
        assert await session.scalar(select(func.count()).select_from(rollups.deltas)) == 2
    async with database.transaction() as session:
        assert await rollups.compact(session) == 0


async def test_merging_nothing_is_nothing(database: Database) -> None:
    async with database.transaction() as session:
        assert await rollups.compact(session) == 0


class Writing:
    """Random writes of projects, by one door or another."""

    def __init__(self, session: Session, chance: random.Random, values: Values) -> None:
        """Write in ``session``."""
        self.session = session
        self.projects = ProjectRepository(session)
        self.chance = chance
        self.values = values

    def row(self) -> dict[str, Any]:
        """Return the values of some project."""
        plan = {"framework": self.chance.choice("abc"), "services": self.chance.randrange(20)}
        status = self.chance.choice(["draft", "active", "completed", "archived"])
        return self.values(status=status, architecture=plan)

    async def write(self) -> None:
        """Do one of all that can be done."""
        keys = [project.id for project in await self.projects.list(limit=20)]
        some = self.chance.sample(keys, min(3, len(keys)))
        if some:
            await self.change(some)
        else:
            await self.projects.create(self.row())

    async def change(self, some: list[int]) -> None:
        """Do one of all that can be done where there are projects."""
        door = self.chance.randrange(8)
        if door == 0:
            await self.projects.create(self.row())
        elif door == 1:
            await bulk_create(self.session, Project, [self.row() for _ in range(3)])
        elif door == 2:
            await self.projects.update(some[0], self.row())
        elif door == 3:
            await bulk_update(self.session, Project, [{"id": key, **self.row()} for key in some])
        elif door == 4:
            await self.projects.delete(some[0])
        elif door == 5:
            await bulk_delete(self.session, Project, some[:2], purge=self.chance.random() < 0.3)
        elif door == 6:
            await rollups.compact(self.session)
        else:
            await self.restore()

    async def restore(self) -> None:
        """Take back a deletion, if there was one."""
        deleted = self.projects.with_deleted()
        gone = await deleted.first(Project.deleted_at.is_not(None))
        if gone is not None:
            await self.projects.restore(gone.id)


@pytest.mark.slow
async def test_sums_equal_a_recomputation_after_random_writes(
    database: Database, project_values: Values, rounds: Callable[[int, int, int], int]
) -> None:
    chance = random.Random(7)

    for _ in range(rounds(12, 200, 10_000)):
        async with database.transaction() as session:
            await Writing(session, chance, project_values).write()

    async with database.session() as session:
        assert await kept(session) == await recomputed(session)
