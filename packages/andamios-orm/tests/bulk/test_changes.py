"""Many rows updated, created or updated, and deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import Column, ForeignKey, MetaData, Table, UniqueConstraint, event, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from andamios_orm import Database
from andamios_orm.bulk import bulk_create, bulk_delete, bulk_update, bulk_upsert
from andamios_orm.core.changes import ChangeFeed
from andamios_orm.exceptions import (
    BulkRefused,
    ConfigurationError,
    DuplicateKey,
    ForeignKeyViolation,
    NotFound,
    StaleVersion,
    WriteConflict,
)
from andamios_orm.models.actor import acting_as
from andamios_orm.models.base import Row
from andamios_orm.models.mixins import (
    AuditMixin,
    HistoryMixin,
    IntegerKeyMixin,
    SoftDeleteMixin,
    TimestampMixin,
    VersionMixin,
)

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The tables of these tests."""


labels = Table(
    "labels_of_projects",
    Base.metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("label_id", ForeignKey("labels.id"), primary_key=True),
)


class Label(IntegerKeyMixin, Base):
    """A row that is linked to projects."""

    __tablename__ = "labels"

    text: Mapped[str]


class Project(
    IntegerKeyMixin,
    TimestampMixin,
    VersionMixin,
    AuditMixin,
    SoftDeleteMixin,
    HistoryMixin,
    Base,
):
    """A row with everything that the library keeps up."""

    __tablename__ = "projects"
    __tenant__ = "owner"

    name: Mapped[str]
    owner: Mapped[str | None]
    stars: Mapped[int] = mapped_column(default=0)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"))
    tasks: Mapped[list[Task]] = relationship(cascade="all, delete-orphan")
    notes: Mapped[list[Note]] = relationship()
    children: Mapped[list[Project]] = relationship(cascade="all, delete")
    labels: Mapped[list[Label]] = relationship(secondary=labels)


class Task(IntegerKeyMixin, SoftDeleteMixin, Base):
    """A row that belongs to a project."""

    __tablename__ = "tasks"

    title: Mapped[str]
    project_id: Mapped[int] = mapped_column(ForeignKey(Project.id))
    steps: Mapped[list[Step]] = relationship(cascade="all, delete-orphan")


class Step(Base):
    """A row that belongs to a task."""

    __tablename__ = "steps"

    task_id: Mapped[int] = mapped_column(ForeignKey(Task.id), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str]


class Note(IntegerKeyMixin, Base):
    """A row that refers to a project and is not its child."""

    __tablename__ = "notes"

    text: Mapped[str]
    project_id: Mapped[int | None] = mapped_column(ForeignKey(Project.id))


class Country(Base):
    """A row with a key of its own."""

    __tablename__ = "countries"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    capital: Mapped[str] = mapped_column(server_default="?")
    __table_args__ = (UniqueConstraint("name"),)


class Town(IntegerKeyMixin, Base):
    """A row that refers to a column that is no primary key."""

    __tablename__ = "towns"

    country_name: Mapped[str] = mapped_column(ForeignKey("countries.name"))


class Change(BaseModel):
    """A change as a pydantic model."""

    id: int
    name: str = "nameless"
    stars: int = 0


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def projects(database: Database) -> list[int]:
    """Return the keys of three projects."""
    async with database.transaction() as session:
        rows = [{"name": name, "owner": "ana"} for name in "abc"]
        return (await bulk_create(session, Project, rows)).ids


async def _read(database: Database, *columns: Any, deleted: bool = False) -> list[Any]:
    statement = select(*columns).order_by(Project.id)
    if not deleted:
        statement = statement.where(Project.deleted_at.is_(None))
    async with database.session() as session:
        return [tuple(row) for row in await session.execute(statement)]


async def _changes(database: Database) -> list[tuple[str, str, int]]:
    feed = ChangeFeed(database, Base.metadata)
    return [(each.entity, each.kind, each.count) for each in await feed.read()]


# ---- update --------------------------------------------------------------------------


async def test_each_row_gets_its_own_values(database: Database, projects: list[int]) -> None:
    rows = [{"id": key, "name": f"new {key}", "stars": key} for key in reversed(projects)]

    with acting_as("eve"):
        async with database.transaction() as session:
            count = await bulk_update(session, Project, rows)

    assert count == 3
    found = await _read(database, Project.name, Project.stars, Project.version, Project.updated_by)
    assert found == [(f"new {key}", key, 2, "eve") for key in projects]
    times = await _read(database, Project.created_at, Project.updated_at)
    assert all(updated > created for created, updated in times)


async def test_what_a_row_does_not_say_stays(database: Database, projects: list[int]) -> None:
    rows = [{"id": projects[0], "name": "x"}, {"id": projects[2], "stars": 5}]

    async with database.transaction() as session:
        await bulk_update(session, Project, rows)

    found = await _read(database, Project.name, Project.stars, Project.version)
    assert found == [("x", 0, 2), ("b", 0, 1), ("c", 5, 2)]


async def test_of_a_pydantic_model_what_was_set_counts(
    database: Database, projects: list[int]
) -> None:
    async with database.transaction() as session:
        await bulk_update(session, Project, [Change(id=projects[0], stars=3)])
        await bulk_update(session, Project, [{"id": projects[1], "stars": "4"}], schema=Change)

    assert await _read(database, Project.name, Project.stars) == [("a", 3), ("b", 4), ("c", 0)]


async def test_a_change_is_recorded_once_with_before_and_after(
    database: Database, projects: list[int]
) -> None:
    feed = ChangeFeed(database, Base.metadata)
    async with database.transaction() as session:
        await bulk_update(session, Project, [{"id": key, "stars": 9} for key in projects])

    assert await _changes(database) == [
        ("projects", "bulk_create", 3),
        ("projects", "bulk_update", 3),
    ]
    history = await feed.history(Project, projects[1])
    assert [(each.kind, each.version) for each in history] == [
        ("bulk_create", 1),
        ("bulk_update", 2),
    ]
    assert history[1].before is not None
    assert history[1].after is not None
    assert (history[1].before["stars"], history[1].after["stars"]) == (0, 9)


async def test_a_version_that_is_not_the_row_s_is_stale(
    database: Database, projects: list[int]
) -> None:
    rows = [{"id": key, "name": "x", "version": 1} for key in projects]
    async with database.transaction() as session:
        await bulk_update(session, Project, [{"id": projects[1], "name": "first"}])

    with pytest.raises(StaleVersion) as stale:
        async with database.transaction() as session:
            await bulk_update(session, Project, rows)

    assert stale.value.expected == {projects[1]: 1}
    assert stale.value.actual == {projects[1]: 2}
    assert await _read(database, Project.name) == [("a",), ("first",), ("c",)]


async def test_a_version_that_is_the_row_s_is_written(
    database: Database, projects: list[int]
) -> None:
    rows = [{"id": key, "name": "x", "version": 1} for key in projects]

    async with database.transaction() as session:
        await bulk_update(session, Project, rows)

    assert await _read(database, Project.name, Project.version) == [("x", 2)] * 3


async def test_keys_that_no_row_has_are_listed(database: Database, projects: list[int]) -> None:
    async with database.transaction() as session:
        await bulk_delete(session, Project, [projects[0]])

    with pytest.raises(NotFound) as missing:
        async with database.transaction() as session:
            await bulk_update(
                session, Project, [{"id": key, "name": "x"} for key in (*projects, 999)]
            )

    assert sorted(missing.value.key) == [projects[0], 999]  # type: ignore[call-overload]  # several are a list


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"name": "x"}], "every row, id: it says which row is meant"),
        ([{"id": 1, "name": "x"}, {"name": "y"}], "row 1, id: it says which row is meant"),
        ([{"id": 1, "name": "x"}, {"id": 1, "name": "y"}], "row 1, id: row 0 is the same one"),
        ([{"id": 1, "updated_by": "x"}], "acting_as"),
        ([{"id": 1, "nmae": "x"}], "Project has no such field"),
        ([{"id": 1, "stars": "many"}], "row 0, stars"),
        ([{"id": 1}, {"id": 2, "name": None}], "name: the column must have a value"),
    ],
)
async def test_rows_that_cannot_be_changed_so_are_refused(
    database: Database, rows: list[dict[str, Any]], reason: str
) -> None:
    async with database.session() as session:
        with pytest.raises(BulkRefused, match=reason):
            await bulk_update(session, Project, rows)


async def test_rows_that_say_nothing_change_nothing(
    database: Database, projects: list[int]
) -> None:
    async with database.transaction() as session:
        assert await bulk_update(session, Project, []) == 0
        assert await bulk_update(session, Project, [{"id": projects[0]}]) == 1

    assert await _read(database, Project.version) == [(1,), (1,), (1,)]
    assert len(await _changes(database)) == 1


async def test_instances_in_the_session_show_the_change(
    database: Database, projects: list[int]
) -> None:
    async with database.transaction() as session:
        project = await session.get_one(Project, projects[0])
        other = Label(text="x")
        session.add(other)
        await bulk_update(session, Project, [{"id": projects[0], "name": "new"}])

        assert (project.name, project.version) == ("new", 2)
        project.name = "newer"

    assert (await _read(database, Project.name))[0] == ("newer",)


@pytest.mark.slow
async def test_a_parent_that_does_not_exist_is_refused(
    database: Database, projects: list[int]
) -> None:
    with pytest.raises(ForeignKeyViolation):
        async with database.transaction() as session:
            await bulk_update(session, Project, [{"id": projects[0], "parent_id": 999}])
    with pytest.raises(ForeignKeyViolation):
        async with database.transaction() as session:
            await bulk_create(session, Task, [{"title": "x", "project_id": 999}])

    assert await _read(database, Project.parent_id) == [(None,)] * 3


async def test_composite_keys_name_rows(database: Database, projects: list[int]) -> None:
    async with database.transaction() as session:
        task = (await bulk_create(session, Task, [{"title": "t", "project_id": projects[0]}])).ids[
            0
        ]
        rows = [{"task_id": task, "number": number, "text": "a"} for number in range(3)]
        created = await bulk_create(session, Step, rows)
        changed = [{**row, "text": f"b{row['number']}"} for row in rows]
        await bulk_update(session, Step, changed)
        gone = await bulk_delete(session, Step, [created.ids[0], {"task_id": task, "number": 1}])
        left = (await session.execute(select(Step.number, Step.text))).all()

    assert created.ids == [(task, 0), (task, 1), (task, 2)]
    assert gone == 2
    assert [tuple(row) for row in left] == [(2, "b2")]


# ---- upsert --------------------------------------------------------------------------


async def test_rows_are_created_or_updated(database: Database, projects: list[int]) -> None:
    rows = [{"name": "new", "stars": 1}, {"name": "b", "stars": 2}, {"name": "newer"}]

    async with database.transaction() as session:
        done = await bulk_upsert(session, Project, rows, match_fields=["name"])

    assert (done.created, done.updated) == (2, 1)
    assert done.ids[1] == projects[1]
    assert await _read(database, Project.name, Project.stars, Project.version) == [
        ("a", 0, 1),
        ("b", 2, 2),
        ("c", 0, 1),
        ("new", 1, 1),
        ("newer", 0, 1),
    ]
    assert (await _changes(database))[1:] in (
        [("projects", "bulk_upsert", 2), ("projects", "bulk_upsert", 1)],
        [("projects", "bulk_upsert", 1), ("projects", "bulk_upsert", 2)],
    )


async def test_deleted_rows_do_not_match(database: Database, projects: list[int]) -> None:
    async with database.transaction() as session:
        await bulk_delete(session, Project, [projects[1]])
        done = await bulk_upsert(session, Project, [{"name": "b"}], match_fields=["name"])

    assert (done.created, done.updated) == (1, 0)


@pytest.mark.slow
async def test_natural_keys_can_be_matched(database: Database) -> None:
    first = [{"code": "es", "name": "Spain"}]
    second = [{"code": "es", "name": "España"}, {"code": "pt", "name": "Portugal"}]
    async with database.transaction() as session:
        await bulk_upsert(session, Country, first, match_fields=["code"])
        done = await bulk_upsert(session, Country, second, match_fields=["code"])
        found = (await session.execute(select(Country.name, Country.capital))).all()

    assert done == (1, 1, ["es", "pt"])
    assert sorted(tuple(row) for row in found) == [("España", "?"), ("Portugal", "?")]


async def test_generated_keys_can_be_matched(database: Database, projects: list[int]) -> None:
    rows = [{"id": projects[0], "name": "new"}, {"id": 10_000, "name": "x"}]

    async with database.transaction() as session:
        done = await bulk_upsert(session, Project, rows, match_fields=["id"])

    assert (done.created, done.updated) == (1, 1)
    assert done.ids[0] == projects[0]
    assert done.ids[1] not in {*projects, 10_000}


@pytest.mark.parametrize(
    ("rows", "fields", "reason"),
    [
        ([{"stars": 1}], ["name"], "every row, name: it says which row is meant"),
        ([{"name": None}], ["name"], "row 0, name: it says which row is meant"),
        ([{"name": "x"}, {"name": "x"}], ["name"], "row 1, name: row 0 is the same one"),
        ([{"name": "x"}], ["nmae"], "has no such field"),
        ([{"name": "x", "version": 1}], ["name"], "it counts by itself"),
    ],
)
async def test_rows_that_cannot_be_matched_are_refused(
    database: Database, rows: list[dict[str, Any]], fields: list[str], reason: str
) -> None:
    async with database.session() as session:
        with pytest.raises(BulkRefused, match=reason):
            await bulk_upsert(session, Project, rows, match_fields=fields)


async def test_several_rows_that_match_one_are_refused(
    database: Database, projects: list[int]
) -> None:
    async with database.session() as session:
        with pytest.raises(BulkRefused, match="several rows match it"):
            await bulk_upsert(
                session, Project, [{"owner": "ana", "name": "x"}], match_fields=["owner"]
            )


async def test_an_upsert_without_rows_or_fields(database: Database) -> None:
    async with database.session() as session:
        assert await bulk_upsert(session, Project, [], match_fields=["name"]) == (0, 0, [])
        with pytest.raises(ConfigurationError, match="match_fields is empty"):
            await bulk_upsert(session, Project, [{"name": "x"}], match_fields=[])


async def test_two_upserts_at_once_create_one_row(database: Database) -> None:
    async def write(stars: int) -> None:
        async for attempt in database.transaction(retry=True):
            async with attempt as session:
                await bulk_upsert(
                    session, Country, [{"code": f"{stars}", "name": "x"}], match_fields=["name"]
                )
                await asyncio.sleep(0.02)

    await asyncio.gather(*(write(number) for number in range(2)))

    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(Country)) == 1


async def test_another_key_that_exists_is_not_taken_for_a_conflict(database: Database) -> None:
    async with database.transaction() as session:
        await bulk_create(session, Country, [{"code": "es", "name": "Spain"}])

    with pytest.raises(DuplicateKey):
        async with database.transaction() as session:
            await bulk_upsert(
                session, Country, [{"code": "es", "name": "x"}], match_fields=["name"]
            )


# ---- delete --------------------------------------------------------------------------


async def test_rows_are_marked_with_what_belongs_to_them(
    database: Database, projects: list[int]
) -> None:
    async with database.transaction() as session:
        rows = [{"title": "t", "project_id": key} for key in projects]
        tasks = (await bulk_create(session, Task, rows)).ids
        steps = [{"task_id": task, "number": 1, "text": "s"} for task in tasks]
        await bulk_create(session, Step, steps)
        child = [{"name": "child", "parent_id": projects[0]}]
        await bulk_create(session, Project, child)

    async with database.transaction() as session:
        count = await bulk_delete(session, Project, [projects[0], projects[1], 999])
    async with database.session() as session:
        marked = await session.scalar(select(func.count()).where(Task.deleted_at.is_not(None)))
        left = list(await session.scalars(select(Step.task_id)))

    assert count == 2
    assert await _read(database, Project.name) == [("c",)]
    assert (marked, left) == (2, [tasks[2]])
    moments = await _read(database, Project.deleted_at, deleted=True)
    assert len({*moments}) == 2
    versions = await _read(database, Project.version, deleted=True)
    assert versions == [(2,), (2,), (1,), (2,)]
    assert sorted((await _changes(database))[4:]) == [
        ("projects", "bulk_delete", 1),
        ("projects", "bulk_delete", 2),
        ("steps", "bulk_delete", 2),
        ("tasks", "bulk_delete", 2),
    ]


@pytest.mark.slow
async def test_purged_rows_are_gone_with_their_links(
    database: Database, projects: list[int]
) -> None:
    async with database.transaction() as session:
        label = (await bulk_create(session, Label, [{"text": "x"}])).ids[0]
        await session.execute(
            labels.insert(), [{"project_id": key, "label_id": label} for key in projects]
        )
        await bulk_create(session, Project, [{"name": "child", "parent_id": projects[0]}])
        await bulk_update(session, Project, [{"id": projects[1], "parent_id": projects[1]}])
        await bulk_delete(session, Project, [projects[0]])

    async with database.transaction() as session:
        count = await bulk_delete(session, Project, projects[:2], purge=True)
        linked = list(await session.scalars(select(labels.c.project_id)))

    assert count == 2
    assert await _read(database, Project.name, deleted=True) == [("c",)]
    assert linked == [projects[2]]
    assert {kind for _, kind, _ in (await _changes(database))} >= {"bulk_purge"}


async def test_a_row_that_is_still_referred_to_is_not_purged(
    database: Database, projects: list[int]
) -> None:
    async with database.transaction() as session:
        await bulk_create(session, Note, [{"text": "x", "project_id": projects[0]}])

    with pytest.raises(ForeignKeyViolation):
        async with database.transaction() as session:
            await bulk_delete(session, Project, projects, purge=True)

    assert len(await _read(database, Project.id)) == 3


@pytest.mark.slow
async def test_instances_in_the_session_show_that_they_were_deleted(
    database: Database, projects: list[int]
) -> None:
    async with database.transaction() as session:
        first, second = [await session.get_one(Project, key) for key in projects[:2]]
        await bulk_delete(session, Project, [first])
        assert first.is_deleted
        await bulk_delete(session, Project, [second, projects[2]], purge=True)
        assert second not in session


@pytest.mark.parametrize("key", [None, (1, 2), {"id": 1, "x": 2}, "x"])
async def test_what_is_no_key_is_refused(database: Database, key: Any) -> None:
    async with database.session() as session:
        with pytest.raises(BulkRefused, match="row 0, id"):
            await bulk_delete(session, Project, [key])


async def test_keys_that_no_row_has_are_passed_over(
    database: Database, projects: list[int]
) -> None:
    async with database.transaction() as session:
        assert await bulk_delete(session, Project, [998, 999]) == 0

    assert len(await _read(database, Project.id)) == 3


async def test_no_keys_are_no_work(database: Database) -> None:
    async with database.session() as session:
        assert await bulk_delete(session, Project, []) == 0


# ---- cost ----------------------------------------------------------------------------


async def test_a_value_that_others_refer_to_stays(database: Database) -> None:
    async with database.transaction() as session:
        session.add_all([Country(code=code, name=code) for code in ("es", "pt")])
        await session.flush()
        session.add(Town(country_name="es"))

    with pytest.raises(ForeignKeyViolation):
        async with database.transaction() as session:
            await bulk_update(session, Country, [{"code": "es", "name": "España"}])
    async with database.transaction() as session:
        await bulk_update(session, Country, [{"code": "pt", "name": "Portugal"}])
        names = (await session.scalars(select(Country.name).order_by(Country.code))).all()

    assert names == ["es", "Portugal"]


async def test_instances_of_other_rows_are_left_alone(
    database: Database, projects: list[int]
) -> None:
    async with database.transaction() as session:
        other = await session.get_one(Project, projects[0])
        await bulk_update(session, Project, [{"id": projects[1], "stars": 7}])

        assert "stars" in other.__dict__
        assert (await session.get_one(Project, projects[1])).stars == 7


@pytest.mark.slow
async def test_a_thousand_different_updates_are_a_few_statements(
    database: Database, projects: list[int]
) -> None:
    sent: list[str] = []
    async with database.transaction() as session:
        rows = [{"name": f"p{number}", "stars": number} for number in range(1_000)]
        keys = (await bulk_create(session, Project, rows)).ids
        connection = (await session.connection()).sync_connection
        event.listen(
            connection, "before_cursor_execute", lambda _c, _k, text, *_: sent.append(text)
        )
        await bulk_update(session, Project, [{"id": key, "stars": 1} for key in keys])
        updates = [text.split()[0] for text in sent]

    expected = ["SELECT", "UPDATE", "SELECT"]  # before, and after for the history
    filled = {  # psycopg's COPY is no statement of SQLAlchemy's
        "andamios": [],
        "psycopg": ["SELECT", "CREATE"],
        "asyncpg": ["SELECT", "CREATE", "INSERT"],
    }[database.engine.dialect.driver.removesuffix("_async")]
    assert updates == [*filled, *expected, *["DROP"] * bool(filled)]


@pytest.mark.slow
async def test_a_race_on_postgresql_is_a_conflict_to_repeat(postgres_url: str) -> None:
    async with Database(postgres_url) as database:
        row = [{"code": "es", "name": "Spain"}]
        async with database.session() as late, database.transaction() as early:
            await late.scalar(select(func.count()).select_from(Country))
            await bulk_upsert(early, Country, row, match_fields=["code"])
            await early.commit()
            with pytest.raises(WriteConflict):
                await bulk_upsert(late, Country, row, match_fields=["code"])
            await late.rollback()
