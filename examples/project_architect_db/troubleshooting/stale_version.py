"""``StaleVersion``: two people have edited the same project.

Shows the failure, the words of the error, and three cures: show the other one's change, apply
the own change to what is there now, or let a unit of work run again.

Prints each of them. Costs: the version is compared by the UPDATE itself, so it takes no
statement more.

Edge cases: without a version the last one wins; a message changes no version of its
conversation, so talking does not disturb who edits its title; a deleted project is
``NotFound`` and not stale.
"""

from __future__ import annotations

from andamios_orm import Session, run
from andamios_orm.exceptions import StaleVersion
from project_architect_db.core import DatabaseEngine
from project_architect_db.repositories import ProjectRepository


async def fails(projects: ProjectRepository, key: int) -> None:
    """Ana and Eva have both opened the form at the same version."""
    seen_by_both = (await projects.get(key)).version
    await projects.update(key, {"name": "Torre"}, version=seen_by_both)
    try:
        await projects.update(key, {"description": "A tower"}, version=seen_by_both)
    except StaleVersion as error:
        print("the error:", str(error).splitlines()[0])
        await show_the_other(projects, key, error.expected, error.actual)


async def show_the_other(
    projects: ProjectRepository, key: int, expected: object, actual: object
) -> None:
    """Cure 1: show what has changed in between, and ask."""
    for change in await projects.history(key):
        if change.before and change.after and change.before["version"] == expected:
            names = [
                name
                for name in ("name", "description")
                if change.before[name] != change.after[name]
            ]
            print(f"cure 1: between {expected} and {actual} somebody changed {names}")


async def apply_again(projects: ProjectRepository, key: int) -> None:
    """Cure 2: the changes do not touch each other, so apply ours to what is there now."""
    now = await projects.get(key)
    changed = await projects.update(key, {"description": "A tower"}, version=now.version)
    print("cure 2:", changed.name, "-", changed.description)


async def run_again(engine: DatabaseEngine, key: int) -> None:
    """Cure 3: a change that follows from what was read is a unit of work, which runs again."""

    async def lengthen(session: Session) -> str:
        projects = ProjectRepository(session)
        project = await projects.get(key)
        changed = await projects.update(key, {"description": f"{project.description}, high"})
        return changed.description or ""

    print("cure 3:", await engine.run_in_transaction(lengthen))


async def main() -> None:
    """Fail, and be cured, on a database in memory."""
    async with DatabaseEngine("duckdb:///:memory:") as engine:
        await engine.initialize()
        projects = ProjectRepository(engine)
        project = await projects.create({"name": "Tower", "project_idea": "A tower with a view"})
        await fails(projects, project.id)
        await apply_again(projects, project.id)
        await run_again(engine, project.id)


if __name__ == "__main__":
    run(main())
