"""Relationships: loading them, cascades, many to many, and keys that hold on DuckDB.

Shows what is loaded and what is refused, that children may come before their parents, what
a delete takes with it, what an orphan is told, and how to find what raw SQL broke.

Prints each step. Costs: ``selectinload`` is one more query, whatever the number of parents;
a key is looked up in the hop of COMMIT, so it adds no hop.

Edge cases: on PostgreSQL the same models have physical keys, which raise the same error at
the flush; ``passive_deletes`` leaves children to the database, which DuckDB cannot serve;
Core statements are not checked.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

from andamios_orm import Database, Session, run
from andamios_orm.core import check_integrity
from andamios_orm.exceptions import ForeignKeyViolation, NotLoaded
from andamios_orm.models import IntegerKeyMixin, Row


class Base(Row, DeclarativeBase):
    """The models of this example."""


labels = Table(
    "task_labels",
    Base.metadata,
    Column("task_id", ForeignKey("tasks.id"), primary_key=True),
    Column("label_id", ForeignKey("labels.id"), primary_key=True),
)


class Project(IntegerKeyMixin, Base):
    """A parent: its tasks go with it."""

    __tablename__ = "projects"
    name: Mapped[str]
    tasks: Mapped[list[Task]] = relationship(back_populates="project", cascade="all, delete-orphan")


class Task(IntegerKeyMixin, Base):
    """A child, which may have a parent of its own kind."""

    __tablename__ = "tasks"
    name: Mapped[str]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    part_of: Mapped[int | None] = mapped_column(ForeignKey("tasks.id"))
    project: Mapped[Project] = relationship(back_populates="tasks")
    labels: Mapped[list[Label]] = relationship(secondary=labels)


class Label(IntegerKeyMixin, Base):
    """The other end of many to many."""

    __tablename__ = "labels"
    name: Mapped[str]


async def tasks_left(session: Session) -> int | None:
    """Return how many tasks there are."""
    count: int | None = await session.scalar(select(func.count(Task.id)))
    return count


async def fill(database: Database) -> None:
    """A tree of instances is stored with one ``add``; keys are filled in on the way."""
    urgent = Label(name="urgent")
    garden = Project(name="garden")
    garden.tasks = [Task(name="dig", labels=[urgent]), Task(name="plant", labels=[urgent])]
    async with database.transaction() as session:
        session.add_all([garden, Project(name="house", tasks=[Task(name="paint")])])
    print("stored:", garden, [task.project_id for task in garden.tasks])


async def load(database: Database) -> None:
    """What a query did not load is not loaded behind your back."""
    async with database.session() as session:
        garden = await session.get_one(Project, 1)
        try:
            print(garden.tasks)
        except NotLoaded as error:
            print("not loaded:", error.model, error.relation)
    async with database.session() as session:
        query = select(Project).options(selectinload(Project.tasks).selectinload(Task.labels))
        for project in await session.scalars(query.order_by(Project.id)):
            print(project.name, {t.name: [label.name for label in t.labels] for t in project.tasks})


async def in_any_order(database: Database) -> None:
    """Keys are checked at COMMIT: until then a child may wait for its parent."""
    async with database.transaction() as session:
        session.add(Task(id=100, name="buy", project_id=50))
        await session.flush()
        session.add(Project(id=50, name="shop"))
    print("a child before its parent: stored")


async def no_orphans(database: Database) -> None:
    """A key that refers to nothing is refused, and nothing of its transaction is stored."""
    try:
        async with database.transaction() as session:
            session.add(Task(name="lost", project_id=99))
    except ForeignKeyViolation as error:
        print("refused:", error.table, error.columns, error.value)
    try:
        async with database.transaction() as session:
            session.add(Task(id=101, name="wrap", project_id=50, part_of=100))
        async with database.transaction() as session:
            await session.delete(await session.get_one(Task, 100))
    except ForeignKeyViolation as error:
        print("still referred to:", error.table, error.columns, error.value)


async def cascades(database: Database) -> None:
    """The relationship says what a delete takes with it; its rows need not be loaded."""
    async with database.transaction() as session:
        await session.delete(await session.get_one(Project, 1))
    async with database.session() as session:
        rows = await session.scalar(select(func.count()).select_from(labels))
        print("after the delete:", await tasks_left(session), "tasks,", rows, "labels on them")


async def after_raw_sql(database: Database) -> None:
    """Raw SQL is not checked; what it broke can be found."""
    async with database.transaction() as session:
        await session.execute(text("DELETE FROM projects WHERE id = 50"))
    async with database.session() as session:
        for orphan in await check_integrity(session, Base.metadata):
            print("orphans:", orphan.count, orphan.table, orphan.columns, orphan.key)


async def main() -> None:
    """Run the steps on a memory database; a file behaves the same."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await fill(database)
        await load(database)
        await in_any_order(database)
        await no_orphans(database)
        await cascades(database)
        await after_raw_sql(database)


if __name__ == "__main__":
    run(main())
