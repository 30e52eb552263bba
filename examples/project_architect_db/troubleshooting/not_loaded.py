"""``NotLoaded``: a list of projects, and a touch of their documents.

Shows the failure, the words of the error, and the cures: ``load=``, reading by key, a count
in place of the rows, and a test that notices a query for each row.

Prints each of them. Costs: ``load=`` is one statement for each relation, however many rows;
a query for each row is what it prevents.

Edge cases: ``get`` and ``get_by_id`` of a project load conversations, documents and
repositories by themselves, without messages; after a bulk or a stream nothing is loaded;
a read schema such as ``ProjectSchema`` touches relations, and pydantic wraps the error, so a
list takes ``ProjectSummary``.
"""

from __future__ import annotations

from pydantic import ValidationError

from andamios_orm import run
from andamios_orm.exceptions import NotLoaded
from andamios_orm.queries.aggregations import count
from andamios_orm.testing.budgets import BudgetExceeded, QueryBudget
from project_architect_db.core import DatabaseEngine
from project_architect_db.models import Document, Project
from project_architect_db.queries import QueryBuilder
from project_architect_db.repositories import DocumentRepository, ProjectRepository
from project_architect_db.schemas import ProjectSchema, ProjectSummary

IDEA = "A scaffold for the data of a team"


async def fails(projects: ProjectRepository) -> None:
    """A list loads nothing beside the projects, and a schema that wants more says so."""
    [project, *_] = await projects.list(order_by="id")
    try:
        print(project.documents)
    except NotLoaded as error:
        print("the error:", str(error).partition(" or select(")[0])
    try:
        ProjectSchema.model_validate(project)
    except ValidationError as error:
        print("in a schema:", error.errors()[0]["msg"].partition(" is not loaded:")[0], "…")


async def cured(engine: DatabaseEngine) -> None:
    """Say what is wanted: all of them, those of one, or how many there are."""
    projects = ProjectRepository(engine)
    listed = await projects.list(order_by="id", load=[Project.documents])
    print("cure 1, load=:", [len(project.documents) for project in listed])
    whole = ProjectSchema.model_validate(await projects.get(listed[0].id))
    print("cure 2, by key:", [document.name for document in whole.documents])
    summaries = [ProjectSummary.model_validate(each) for each in await projects.list()]
    print("cure 3, a summary:", [each.name for each in summaries])
    async with engine.session() as session:
        counted = QueryBuilder(Document, session).group_by("project_id").aggregate(n=count())
        print("cure 4, a count:", await counted.order_by("project_id").dicts())


async def noticed(engine: DatabaseEngine) -> None:
    """A test with a budget finds the loop that asks for each row."""
    projects, documents = ProjectRepository(engine), DocumentRepository(engine)
    try:
        with QueryBudget(2):
            for project in await projects.list():
                await documents.get_by_project(project.id)
    except BudgetExceeded as error:
        print("in a test:", str(error).splitlines()[0])


async def main() -> None:
    """Fail, and be cured, on a database in memory."""
    async with DatabaseEngine("duckdb:///:memory:") as engine:
        await engine.initialize()
        projects = ProjectRepository(engine)
        for name in ("Torre", "Puente", "Muro"):
            project = await projects.create({"name": name, "project_idea": IDEA})
            await DocumentRepository(engine).create({"project_id": project.id, "name": "Plan"})
        await fails(projects)
        await cured(engine)
        await noticed(engine)


if __name__ == "__main__":
    run(main())
