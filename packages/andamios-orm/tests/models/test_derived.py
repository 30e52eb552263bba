"""Columns that follow from another one, through every door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData, func, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.bulk import bulk_create, bulk_update, bulk_upsert
from andamios_orm.exceptions import BulkRefused, ConfigurationError, ValueRefused
from andamios_orm.models import IntegerKeyMixin, Row, VersionMixin, derived
from andamios_orm.models.clock import now
from andamios_orm.models.derived import UNCHANGED
from andamios_orm.repositories import BaseRepository

if TYPE_CHECKING:
    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The tables of these tests."""


def framework_of(plan: Any) -> str | None:
    """Return the framework that a plan names."""
    return plan.get("framework") if isinstance(plan, dict) else None


def day_of(status: str | None) -> int | None:
    """Return the number of the day on which something is done."""
    return now().toordinal() if status == "done" else None


class Project(VersionMixin, IntegerKeyMixin, Base):
    """A project with a plan, and what follows from it."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(unique=True)
    plan: Mapped[dict[str, Any] | None]
    framework: Mapped[str | None] = derived("plan", framework_of)
    status: Mapped[str] = mapped_column(default="draft")
    ticks: Mapped[int | None] = derived(
        "status",
        lambda status: UNCHANGED if status == "kept" else day_of(status),
        given=True,
    )
    sales: Mapped[int] = mapped_column(default=0, info={"kept": "sales count it"})


@pytest.fixture
def metadata() -> MetaData:
    return Base.metadata


async def test_a_new_row_has_it_through_every_door(database: Database) -> None:
    plan = {"framework": "FastAPI"}
    async with database.transaction() as session:
        session.add(Project(name="flush", plan=plan, status="done"))
        await session.flush()
        await BaseRepository(session, Project).create({"name": "repository", "plan": plan})
        await bulk_create(session, Project, [{"name": "bulk", "plan": plan}, {"name": "none"}])
        await bulk_create(session, Project, [Project(name="instance", plan=plan)])
    await database.create(Project, {"name": "single", "plan": plan})
    await database.insert(Project, {"name": "row", "plan": plan})

    async with database.session() as session:
        rows = await session.execute(select(Project.name, Project.framework, Project.ticks))
        found = {name: (framework, ticks) for name, framework, ticks in rows}
    assert found == {
        "flush": ("FastAPI", now().toordinal()),
        "none": (None, None),
        **dict.fromkeys(["repository", "bulk", "instance", "single", "row"], ("FastAPI", None)),
    }


async def test_it_changes_with_its_source(database: Database) -> None:
    project = await database.create(Project, {"name": "a", "plan": {"framework": "Django"}})

    async with database.transaction() as session:
        changed = await BaseRepository(session, Project).update(
            project.id, {"plan": {"framework": "Flask"}}
        )
        assert changed.framework == "Flask"
        await bulk_update(session, Project, [{"id": project.id, "plan": {"framework": "x"}}])
        await session.refresh(changed)
        assert changed.framework == "x"
        await bulk_upsert(
            session,
            Project,
            [{"name": "a", "plan": None}, {"name": "b"}],
            match_fields=["name"],
        )
        await session.refresh(changed)

    assert changed.framework is None


async def test_a_source_that_stays_as_it_is_changes_nothing(database: Database) -> None:
    project = await database.create(
        Project, {"name": "a", "status": "done", "ticks": 7, "plan": {"framework": "x"}}
    )

    async with database.transaction() as session:
        stored = await BaseRepository(session, Project).update(project.id, {"status": "done"})
        assert stored.ticks == 7
        rows: list[dict[str, Any]] = [
            {"id": project.id, "status": "done", "plan": {"framework": "x"}}
        ]
        await bulk_update(session, Project, rows)
        await session.refresh(stored)
        assert stored.ticks == 7
        await bulk_update(session, Project, [{"id": project.id, "status": "open"}])
        await session.refresh(stored)

    assert stored.ticks is None


async def test_rows_that_do_not_say_the_source_keep_it(database: Database) -> None:
    first = await database.create(Project, {"name": "a", "status": "done", "ticks": 7})
    second = await database.create(Project, {"name": "b", "status": "done", "ticks": 7})

    async with database.transaction() as session:
        rows = [{"id": first.id, "status": "open"}, {"id": second.id, "name": "c"}]
        await bulk_update(session, Project, rows)

    async with database.session() as session:
        found = await session.execute(select(Project.ticks).order_by(Project.id))
        assert found.scalars().all() == [None, 7]


async def test_a_value_that_may_be_given_wins(database: Database) -> None:
    async with database.transaction() as session:
        projects = BaseRepository(session, Project)
        created = await projects.create({"name": "a", "status": "done", "ticks": 1})
        assert created.ticks == 1
        rows = [{"id": created.id, "status": "open", "ticks": 2}]
        await bulk_update(session, Project, rows)
        await session.refresh(created)

    assert created.ticks == 2


async def test_a_function_may_leave_it_as_it_is(database: Database) -> None:
    async with database.transaction() as session:
        projects = BaseRepository(session, Project)
        new = await projects.create({"name": "new", "status": "kept"})
        (bulk,) = (await bulk_create(session, Project, [{"name": "bulk", "status": "kept"}])).ids
        first = await projects.create({"name": "a", "status": "done", "ticks": 7})
        second = await projects.create({"name": "b", "status": "done", "ticks": 7})
        await projects.update(first.id, {"status": "kept"})
        rows = [{"id": second.id, "status": "kept"}, {"id": bulk, "status": "done"}]
        await bulk_update(session, Project, rows)
        await session.refresh(second)

    assert (new.ticks, first.ticks, second.ticks) == (None, 7, 7)


async def test_callers_cannot_write_it(database: Database) -> None:
    async with database.session() as session:
        with pytest.raises(ValueRefused, match="it follows from plan"):
            await BaseRepository(session, Project).create({"name": "a", "framework": "x"})
        with pytest.raises(BulkRefused, match="it follows from plan"):
            await bulk_create(session, Project, [{"name": "a", "framework": "x"}])


async def test_a_source_that_only_the_database_knows_is_refused(
    database: Database,
) -> None:
    project = await database.create(Project, {"name": "a"})

    async with database.session() as session:
        session.add(project)
        with pytest.raises(ValueRefused, match="other columns follow"):
            project.status = func.lower("DONE")
        with pytest.raises(ValueRefused, match="beside the statement"):
            await session.execute(insert(Project).values([{"name": "b"}, {"name": "c"}]))
        await session.rollback()


def test_a_column_follows_only_from_one_before_it() -> None:
    class Other(Row, DeclarativeBase):
        pass

    class Wrong(IntegerKeyMixin, Other):
        __tablename__ = "wrong"

        framework: Mapped[str | None] = derived("plan", framework_of)
        plan: Mapped[dict[str, Any] | None]

    try:
        with pytest.raises(ConfigurationError, match="has to come before it"):
            Other.registry.configure()
    finally:
        Other.registry.dispose()


async def test_a_column_can_say_why_callers_do_not_write_it(database: Database) -> None:
    async with database.session() as session:
        with pytest.raises(ValueRefused, match="sales count it"):
            await BaseRepository(session, Project).create({"name": "a", "sales": 1})
        with pytest.raises(BulkRefused, match="sales count it"):
            await bulk_create(session, Project, [{"name": "a", "sales": 1}])
