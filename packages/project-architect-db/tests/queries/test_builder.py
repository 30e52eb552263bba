"""Queries and bulk operations as they are promised, letter for letter."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func

from andamios_orm.exceptions import BulkRefused, NotFound
from project_architect_db.models import Project
from project_architect_db.queries import BulkOperations, QueryBuilder
from project_architect_db.repositories import ProjectRepository
from project_architect_db.schemas import ProjectCreate

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Session
    from andamios_orm.testing.clock import FrozenClock

    Values = Callable[..., dict[str, Any]]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


@pytest.fixture
async def rows(session: Session, project_values: Values) -> list[Project]:
    """Return three projects: one is a draft, two have FastAPI."""
    values = [
        project_values(
            name=f"p{number}",
            status="draft" if number == 2 else "active",
            architecture={"framework": "FastAPI" if number else "Django", "complexity_score": 40},
        )
        for number in range(3)
    ]
    return await ProjectRepository(session).add_many(values)


async def test_a_query_is_put_together_as_promised(session: Session, rows: list[Project]) -> None:
    now = dt.datetime.now(dt.UTC)
    start, end = now - dt.timedelta(days=1), now + dt.timedelta(days=1)

    found = await (
        QueryBuilder(Project, session)
        .filter(status="active")
        .filter_by_date_range("created_at", start, end)
        .filter_json("architecture", "$.framework", "FastAPI")
        .order_by(Project.created_at.desc())
        .limit(50)
        .all()
    )

    assert [project.name for project in found] == ["p1"]


async def test_an_aggregate_reads_the_document_as_promised(
    session: Session, rows: list[Project]
) -> None:
    row = await (
        QueryBuilder(Project, session)
        .filter(status="active")
        .aggregate(
            [
                func.count().label("total"),
                func.avg(func.json_extract("architecture", "$.complexity_score")).label(
                    "avg_complexity"
                ),
            ]
        )
        .first()
    )

    assert row is not None
    assert (row.total, row.avg_complexity) == (2, 40)


async def test_projects_are_inserted_in_bulk(session: Session, project_values: Values) -> None:
    created = await BulkOperations.bulk_insert_projects(
        session, [project_values(name="a", architecture={"framework": "x"}), project_values()]
    )
    schemas = [ProjectCreate.model_validate(project_values(name="schema"))]
    (one,) = await BulkOperations.bulk_insert_projects(session, schemas)

    assert [project.framework for project in created] == ["x", None]
    assert (one.name, one.version) == ("schema", 1)
    with pytest.raises(BulkRefused):
        await BulkOperations.bulk_insert_projects(session, [{"name": "no idea"}])


async def test_a_status_is_set_in_bulk(
    session: Session, rows: list[Project], frozen_clock: FrozenClock
) -> None:
    keys = [project.id for project in rows]
    await BulkOperations.bulk_update_status(session, keys[:1], "completed")
    frozen_clock.tick(60)

    assert await BulkOperations.bulk_update_status(session, keys, "completed") == 3

    first, second, third = rows
    assert first.completed_at is not None
    assert second.completed_at == third.completed_at == frozen_clock.now()
    assert first.completed_at < frozen_clock.now()
    with pytest.raises(NotFound):
        await BulkOperations.bulk_update_status(session, [99], "draft")
    with pytest.raises(BulkRefused, match="only 'draft', 'active'"):
        await BulkOperations.bulk_update_status(session, keys, "lost")
