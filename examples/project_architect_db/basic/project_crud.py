"""A project from its idea to its archive: create, read, update, delete, restore.

Shows ``DatabaseEngine``, ``ProjectRepository`` and the schemas: what a project says of
itself, what follows from it, who may see it, and how it was before.

Prints what each step did. Costs: a create is one statement, a read by key four (the project
and what belongs to it), an update two; each call is a transaction of its own.

Edge cases: a status that there is none of names those there are; a change that another
one was faster than raises ``StaleVersion``; a viewer does not even find what is not theirs.
"""

from __future__ import annotations

from andamios_orm import run
from andamios_orm.exceptions import NotFound, StaleVersion, ValueRefused
from project_architect_db.core import DatabaseEngine
from project_architect_db.models import Project, ProjectStatus
from project_architect_db.repositories import ProjectRepository
from project_architect_db.schemas import ProjectCreate, ProjectSchema, ProjectUpdate


async def create_project_example(engine: DatabaseEngine) -> Project:
    """A new project; its framework and its complexity follow from its architecture."""
    project = await ProjectRepository(engine).create(
        ProjectCreate(
            name="Andamios",
            project_idea="A scaffold for the data of a team",
            architecture={"framework": "FastAPI", "services": ["api", "worker"]},
            owner="ana",
        )
    )
    print("created:", project.name, project.status, project.framework, project.complexity_score)
    return project


async def read(engine: DatabaseEngine, key: int) -> None:
    """By key with what belongs to it, by status, by a part of its name."""
    projects = ProjectRepository(engine)
    schema = ProjectSchema.model_validate(await projects.get_by_id(key))
    print("read:", schema.name, "with", len(schema.documents), "documents")
    print("drafts:", [each.name for each in await projects.list_by_status("draft")])
    print("found:", [each.name for each in await projects.search_by_name("ANDA")])
    try:
        await projects.list_by_status("lost")
    except ValueRefused as error:
        print("refused:", error.reason)


async def update(engine: DatabaseEngine, key: int) -> None:
    """A change names the version it has seen, and is refused if that is no longer so."""
    projects = ProjectRepository(engine)
    project = await projects.update(key, ProjectUpdate(status=ProjectStatus.COMPLETED, version=1))
    print("completed:", project.completed_at is not None, "version", project.version)
    try:
        await projects.update(key, ProjectUpdate(name="Other", version=1))
    except StaleVersion as error:
        print("stale:", error.expected, "is", error.actual, "by now")
    history = await projects.history(key)
    print("it was:", [version.after["status"] for version in history if version.after])


async def share(engine: DatabaseEngine, key: int) -> None:
    """Who is no member does not find the project."""
    eva = ProjectRepository(engine, viewer="eva")
    try:
        await eva.get(key)
    except NotFound as error:
        print("for eva:", str(error).splitlines()[0])
    await ProjectRepository(engine).add_member(key, "eva")
    print("for eva, a member:", (await eva.get(key)).name)


async def delete(engine: DatabaseEngine, key: int) -> None:
    """A deleted project is out of sight until it is restored."""
    projects = ProjectRepository(engine)
    await projects.delete(key)
    print("after delete:", await projects.count())
    await projects.restore(key)
    print("after restore:", await projects.count())


async def main() -> None:
    """Run the steps on a database in memory."""
    async with DatabaseEngine("duckdb:///:memory:") as engine:
        await engine.initialize()
        project = await create_project_example(engine)
        for step in (read, update, share, delete):
            await step(engine, project.id)


if __name__ == "__main__":
    run(main())
