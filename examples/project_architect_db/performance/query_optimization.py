"""Slow ways to ask, and the fast ones beside them.

Shows typed columns in place of paths into documents, counts in place of lists, ``load=`` in place
of a query for each row, cursors in place of offsets, columns in place of instances, answers
that are kept, and the plan of a query.

Prints the time of each pair, asked once, or the number of statements. How far the two are apart
depends on the rows: documents as short as these are parsed in no time, so the typed column wins
by little here, and by more the longer they are; counts and kept answers win by far. Costs: none
of the fast ways is longer to write; a kept answer takes memory until what it was made of changes.

Edge cases: a path into the document is right for what is asked rarely; ``load=`` of thousands
of children reads all of them; a cursor knows the next page and not the tenth.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from andamios_orm import run
from andamios_orm.queries.aggregations import avg, count
from andamios_orm.testing.budgets import QueryBudget
from project_architect_db.core import DatabaseEngine
from project_architect_db.models import Project
from project_architect_db.queries import BulkOperations, QueryBuilder
from project_architect_db.repositories import DocumentRepository, ProjectRepository

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY = 20_000


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the block took."""
    before = time.perf_counter()
    yield
    print(f"  {what:44} {(time.perf_counter() - before) * 1000:8.1f} ms")


async def fill(engine: DatabaseEngine) -> None:
    """Store projects, some of them with documents."""
    rows: list[dict[str, Any]] = [
        {
            "name": f"project {number:06}",
            "project_idea": "A scaffold for the data of a team",
            "status": "active" if number % 3 else "draft",
            "architecture": {
                "framework": "FastAPI" if number % 2 else "Django",
                "dependencies": number % 40,
            },
        }
        for number in range(MANY)
    ]
    async with engine.transaction() as session:
        created = await BulkOperations.bulk_insert_projects(session, rows)
        documents = [
            {"project_id": project.id, "name": f"Plan {number}", "content": "One step"}
            for project in created[:20]
            for number in range(3)
        ]
        await DocumentRepository(session).bulk_create(documents)


async def typed_columns(engine: DatabaseEngine) -> None:
    """What is asked often is a column; what is in the document is parsed for each row."""
    print("active projects with a framework:")
    async with engine.session() as session:
        active = QueryBuilder(Project, session).filter(status="active")
        with timed("by a path into the document"):
            slow = await active.filter_json("architecture", "$.framework", "FastAPI").count()
        with timed("by the typed column"):
            fast = await active.filter(framework="FastAPI").count()
    assert slow == fast


async def counts(engine: DatabaseEngine) -> None:
    """Ask the database for the number, not for the rows."""
    print("how many are drafts:")
    projects = ProjectRepository(engine)
    with timed("len(list(...))"):
        slow = len(await projects.list(limit=None, status="draft"))
    with timed("count(...)"):
        fast = await projects.count(status="draft")
    assert slow == fast


async def loaded_at_once(engine: DatabaseEngine) -> None:
    """One query for all children, not one for each parent: ``QueryBudget`` counts them."""
    print("documents of 20 projects:")
    async with engine.session() as session:
        projects, documents = ProjectRepository(session), DocumentRepository(session)
        with QueryBudget(100) as slow:
            listed = await projects.list(20, order_by="id")
            one_by_one = [len(await documents.get_by_project(each.id)) for each in listed]
        with QueryBudget(2) as fast:
            listed = await projects.list(20, order_by="id", load=[Project.documents])
            at_once = [len(each.documents) for each in listed]
    assert one_by_one == at_once
    print(f"  a query for each: {len(slow.spent)} statements, load=: {len(fast.spent)}")


async def pages(engine: DatabaseEngine) -> None:
    """A cursor goes on where the page ended; an offset counts from the first row."""
    print("a page far behind:")
    async with engine.session() as session:
        by_name = QueryBuilder(Project, session).order_by("name")
        cursor = (await by_name.cursor_page(MANY - 100)).next  # as one who has read so far
        with timed("limit and offset"):
            far = await by_name.offset(MANY - 100).limit(50).all()
        with timed("after a cursor"):
            near = await by_name.cursor_page(50, cursor)
    assert [each.id for each in near.items] == [each.id for each in far]


async def kept_answers(engine: DatabaseEngine) -> None:
    """What a dashboard asks again and again is computed once, until something changes."""
    print("projects and complexity by framework:")
    by_framework = (
        QueryBuilder(Project)
        .group_by("framework")
        .aggregate(projects=count(), complexity=avg("complexity_score"))
        .cached()
    )
    rows: list[dict[str, Any]] = []
    for what in ("asked", "asked again"):
        with timed(what):
            async with engine.session() as session:
                rows = await by_framework.with_session(session).dicts()
    await ProjectRepository(engine).create({"name": "one more", "project_idea": "It changes it"})
    async with engine.session() as session:
        changed = await by_framework.with_session(session).dicts()
    assert len(changed) == len(rows) + 1
    print("  and after a change it is right:", len(changed), "groups")


async def plan(engine: DatabaseEngine) -> None:
    """How the database goes about it."""
    async with engine.session() as session:
        query = QueryBuilder(Project, session).filter(framework="FastAPI").limit(3)
        print("the plan has", len((await query.explain()).splitlines()), "lines")


async def main() -> None:
    """Compare the ways on a database in memory."""
    async with DatabaseEngine("duckdb:///:memory:") as engine:
        await engine.initialize()
        await fill(engine)
        for compare in (typed_columns, counts, loaded_at_once, pages, kept_answers, plan):
            await compare(engine)


if __name__ == "__main__":
    run(main())
