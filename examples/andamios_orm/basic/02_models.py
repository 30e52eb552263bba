"""Models: a base, mixins, relationships, keys between tables, and who did what.

Shows ``Row`` and a base of one's own, the mixins, ``acting_as()``, what a relationship says
that nothing has loaded, the version that guards an update, and ``lint()``.

Prints what each step found. Costs: mixins cost their columns; keys and times are made here,
so an insert is one statement, and the id comes back with it.

Edge cases: the same models work on PostgreSQL, where foreign keys are the server's; naive
datetimes are refused; an update of a row that someone else changed raises ``StaleVersion``.
"""

from __future__ import annotations

import enum

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

from andamios_orm import Database, run
from andamios_orm.exceptions import NotLoaded, StaleVersion
from andamios_orm.models import (
    AuditMixin,
    HistoryMixin,
    IntegerKeyMixin,
    Row,
    SoftDeleteMixin,
    TimestampMixin,
    UUIDKeyMixin,
    VersionMixin,
    acting_as,
    current_actor,
    lint,
)


class Status(enum.Enum):
    """Stored as its values: a new one needs no migration."""

    OPEN = "open"
    DONE = "done"


class Base(Row, DeclarativeBase):
    """The base of this application; no other library's tables are on it."""


class Project(
    HistoryMixin, SoftDeleteMixin, VersionMixin, AuditMixin, TimestampMixin, IntegerKeyMixin, Base
):
    """A project: its key is counted up, and everything about it is remembered."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(unique=True)
    status: Mapped[Status] = mapped_column(default=Status.OPEN)
    labels: Mapped[dict[str, str]] = mapped_column(default=dict)
    tasks: Mapped[list[Task]] = relationship(back_populates="project")


class Task(UUIDKeyMixin, Base):
    """A task: its key is made here, sorted by time."""

    __tablename__ = "tasks"

    title: Mapped[str]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), index=True)
    project: Mapped[Project] = relationship(back_populates="tasks")


async def create(database: Database) -> None:
    """Related instances are stored together; the id is there after the insert."""
    with acting_as("ana"):
        async with database.transaction() as session:
            project = Project(name="atlas", tasks=[Task(title="draw"), Task(title="print")])
            session.add(project)
        print("created:", project, "by", project.created_by, "at version", project.version)
        print("         keys of its tasks rise:", project.tasks[0].id < project.tasks[1].id)
    print("         outside of the block, the actor is", current_actor())


async def touch(database: Database) -> None:
    """A relationship that no query loaded says so; nothing is loaded behind one's back."""
    async with database.session() as session:
        project = await session.get_one(Project, 1)
        try:
            print(project.tasks)
        except NotLoaded as error:
            print("not loaded:", f"{error.model}.{error.relation}")
        query = select(Project).options(selectinload(Project.tasks))
        loaded = (await session.scalars(query, execution_options={"populate_existing": True})).one()
        print("loaded:", sorted(task.title for task in loaded.tasks))


async def update_twice(database: Database) -> None:
    """Two people change what they both have read; the second is told."""
    async with database.session() as one, database.session() as other:
        mine = await one.get_one(Project, 1)
        theirs = await other.get_one(Project, 1)
    with acting_as("ben"):
        async with database.transaction() as session:
            session.add(theirs)
            theirs.status = Status.DONE
    print("updated:", theirs.status, "by", theirs.updated_by, "to version", theirs.version)
    try:
        async with database.transaction() as session:
            session.add(mine)
            mine.name = "globe"
    except StaleVersion:
        print("refused: the row has moved on since it was read")


async def main() -> None:
    """Make the tables, use them, and ask what DuckDB will not do with them."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await create(database)
        await touch(database)
        await update_twice(database)
    findings = [finding for finding in lint(Base) if finding.table in {"projects", "tasks"}]
    print("lint:", findings)


if __name__ == "__main__":
    run(main())
