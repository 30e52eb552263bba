"""Thousands of projects at once: created, refused, changed, summed up, read again.

Shows ``BulkOperations``: ``bulk_insert_projects`` of dicts, schemas and Arrow columns,
``bulk_update_status``, ``bulk_analytics_refresh``; ``bulk_create`` of what belongs to projects;
aggregates and streams of the ``QueryBuilder``.

Prints what each step made. Costs: columns are checked and sent, not rows, so thousands take a
few statements; typed columns, sums by day and the change feed are part of it; pyarrow is
imported by the first bulk (about 35 MB), and an instance is made when it is read.

Edge cases: one row that is wrong refuses all of them, and the error has every wrong one;
nothing is committed before the transaction ends; a key that no project has raises
``NotFound``; bulk runs no hooks of repositories.
"""

from __future__ import annotations

import importlib
from typing import Any

from sqlalchemy import func

from andamios_orm import run
from andamios_orm.exceptions import BulkRefused, NotFound
from andamios_orm.queries.aggregations import avg, count
from project_architect_db.core import DatabaseEngine
from project_architect_db.models import Project
from project_architect_db.models.rollups import deltas
from project_architect_db.queries import BulkOperations, QueryBuilder
from project_architect_db.repositories import DocumentRepository
from project_architect_db.schemas import ProjectCreate

pa: Any = importlib.import_module("pyarrow")  # it comes without types
MANY = 5_000
FRAMEWORKS = ("FastAPI", "Django", "Flask", "React")


def projects(number: int) -> list[dict[str, Any]]:
    """Return rows as a program would have them."""
    return [
        {
            "name": f"project {index}",
            "project_idea": f"What team {index} has in mind",
            "architecture": {
                "framework": FRAMEWORKS[index % len(FRAMEWORKS)],
                "services": ["api", "worker"][: 1 + index % 2],
            },
        }
        for index in range(number)
    ]


async def bulk_processing_example(engine: DatabaseEngine) -> list[int]:
    """Create thousands of projects with a document each, and begin half of them."""
    async with engine.transaction() as session:
        created = await BulkOperations.bulk_insert_projects(session, projects(MANY))
        keys = [project.id for project in created[:2]]
        print(f"created: {len(created):,}, the first with the keys {keys}")
        print("typed columns:", created[0].framework, created[0].complexity_score)
        every = [project.id for project in created]
        documents = [
            {"project_id": key, "name": "Plan", "content": "One step at a time"} for key in every
        ]
        await DocumentRepository(session).bulk_create(documents)
        begun = await BulkOperations.bulk_update_status(session, every[::2], "active")
        print(f"begun: {begun:,}")
    return every


async def other_sources(engine: DatabaseEngine) -> None:
    """Schemas that were checked already, and columns that never were rows."""
    columns = pa.table(
        {
            "name": ["from columns", "from columns too"],
            "project_idea": ["It was a table before", "And so was this one"],
        }
    )
    schema = ProjectCreate(name="from a schema", project_idea="It was checked before")
    async with engine.transaction() as session:
        for source in (columns, [schema]):
            created = await BulkOperations.bulk_insert_projects(session, source)
            print("created:", [project.name for project in created])


async def what_is_refused(engine: DatabaseEngine, keys: list[int]) -> None:
    """Wrong rows are all named, and nothing is written."""
    rows = projects(1_000)
    rows[17]["name"] = ""
    rows[400]["status"] = "lost"
    try:
        async with engine.transaction() as session:
            await BulkOperations.bulk_insert_projects(session, rows)
    except BulkRefused as error:
        for each in error.errors:
            print(f"refused: row {each.row}, {each.field}: {each.message}")
    try:
        async with engine.transaction() as session:
            await BulkOperations.bulk_update_status(session, [*keys[:2], 999_999], "completed")
    except NotFound as error:
        print("refused:", error)


async def sums(engine: DatabaseEngine) -> None:
    """Groups from typed columns; sums by day are exact before and after they are merged."""
    async with engine.transaction() as session:
        groups = (
            QueryBuilder(Project, session)
            .filter(status="active")
            .group_by("framework")
            .aggregate(projects=count(), complexity=avg("complexity_score"))
        )
        for row in await groups.order_by("framework").dicts():
            print(f"  {row['framework']}: {row['projects']:,}, complexity {row['complexity']:.0f}")
        rows = [await session.scalar(func.count(deltas.c.delta).select())]
        await BulkOperations.bulk_analytics_refresh(session)
        rows.append(await session.scalar(func.count(deltas.c.delta).select()))
    print(f"sums by day: {rows[0]} rows, merged into {rows[1]}")


async def read_again(engine: DatabaseEngine) -> None:
    """More rows than one wants in memory come one by one."""
    longest = 0
    async with engine.session() as session:
        query = QueryBuilder(Project, session).filter(framework="FastAPI").order_by("id")
        async for project in query.stream():
            longest = max(longest, len(project.name))
    print("longest name:", longest, "letters")


async def main() -> None:
    """Run the steps on a database in memory."""
    async with DatabaseEngine("duckdb:///:memory:") as engine:
        await engine.initialize()
        keys = await bulk_processing_example(engine)
        await other_sources(engine)
        await what_is_refused(engine, keys)
        await sums(engine)
        await read_again(engine)


if __name__ == "__main__":
    run(main())
