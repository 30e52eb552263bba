"""Projects keep their typed columns right through every door, and refuse what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from andamios_orm.bulk import bulk_create
from andamios_orm.core import ChangeFeed
from andamios_orm.exceptions import CheckViolation, DataFault
from andamios_orm.models import lint
from project_architect_db.models import Base, Project
from project_architect_db.repositories import ProjectRepository

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database, Session

    Values = Callable[..., dict[str, Any]]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

PLAN = {"framework": "FastAPI", "services": ["api"]}


async def test_typed_columns_are_filled_by_every_door(
    database: Database, project_values: Values
) -> None:
    async with database.transaction() as session:
        session.add(Project(**project_values(architecture=PLAN)))
        await bulk_create(session, Project, [project_values(architecture=PLAN)])
    await ProjectRepository(database).create(project_values(architecture=PLAN))

    async with database.session() as session:
        rows = (await session.execute(select(Project.framework, Project.complexity_score))).all()
    assert [tuple(row) for row in rows] == [("FastAPI", 8)] * 3


async def test_a_project_that_is_opened_again_is_not_completed(
    session: Session, project_values: Values
) -> None:
    projects = ProjectRepository(session)
    project = await projects.create(project_values(status="completed"))
    first = project.completed_at

    await projects.update(project.id, {"status": "completed", "name": "Other"})
    assert project.completed_at == first
    await projects.update(project.id, {"status": "archived"})
    assert project.completed_at == first
    await projects.update(project.id, {"status": "active"})

    assert project.completed_at is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"description": "x" * 5_001},
        {"project_idea": "too short"},
        {"project_idea": "x" * 10_001},
        {"status": "lost"},
        {"complexity_score": 101},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_the_database_itself_refuses_what_does_not_fit(
    session: Session, project_values: Values, wrong: dict[str, Any]
) -> None:
    values = {"status": "draft", **project_values(), **wrong}
    names = ", ".join(values)
    parameters = ", ".join(f":{name}" for name in values)

    with pytest.raises((CheckViolation, DataFault)):
        await session.execute(text(f"INSERT INTO projects ({names}) VALUES ({parameters})"), values)


@pytest.mark.slow
async def test_the_life_of_a_project_is_read_back(
    database: Database, project_values: Values
) -> None:
    projects = ProjectRepository(database)
    project = await projects.create(project_values())
    for status in ("active", "completed", "archived"):
        await projects.update(project.id, {"status": status})

    history = await projects.history(project.id)

    assert [each.after["status"] for each in history if each.after] == [
        "draft",
        "active",
        "completed",
        "archived",
    ]
    then = await projects.as_of(project.id, history[1].time)
    assert then is not None
    assert then["status"] == "active"
    changes = await ChangeFeed(database, Base).read(entities=[Project])
    assert [change.kind for change in changes] == ["create", "update", "update", "update"]


@pytest.mark.parametrize("system", ["duckdb", "postgresql"])
def test_every_index_of_the_models_is_of_use(system: str) -> None:
    findings = [each for each in lint(Base, system) if each.kind != "different"]

    assert findings == []
