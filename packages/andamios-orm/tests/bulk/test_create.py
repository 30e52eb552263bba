"""Many new rows: what goes in, what comes back, what is refused, what it costs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import importlib
import subprocess
import sys
import uuid
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import ForeignKey, MetaData, String, event, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from andamios_orm import Database, Session
from andamios_orm.bulk import bulk_create
from andamios_orm.core.changes import ChangeFeed
from andamios_orm.core.scans import scan_of
from andamios_orm.exceptions import BulkRefused, ConfigurationError, DuplicateKey
from andamios_orm.models.actor import acting_as
from andamios_orm.models.base import Row
from andamios_orm.models.mixins import (
    AuditMixin,
    HistoryMixin,
    IntegerKeyMixin,
    SoftDeleteMixin,
    TimestampMixin,
    UUIDKeyMixin,
    VersionMixin,
)

pa: Any = importlib.import_module("pyarrow")

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The tables of these tests."""


class Status(enum.Enum):
    """Where a project stands."""

    ACTIVE = "active"
    DONE = "done"


class Project(IntegerKeyMixin, TimestampMixin, VersionMixin, AuditMixin, SoftDeleteMixin, Base):
    """A row with everything that the library keeps up."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(String(20))
    status: Mapped[Status] = mapped_column(default=Status.ACTIVE)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    budget: Mapped[decimal.Decimal | None]
    due: Mapped[dt.datetime | None]
    token: Mapped[str | None] = mapped_column(info={"secret": True})
    origin: Mapped[str] = mapped_column(server_default="here")
    tasks: Mapped[list[Task]] = relationship()


class Task(UUIDKeyMixin, Base):
    """A row that belongs to a project."""

    __tablename__ = "tasks"

    title: Mapped[str]
    project_id: Mapped[int | None] = mapped_column(ForeignKey(Project.id))


class Plan(IntegerKeyMixin, HistoryMixin, Base):
    """A row whose history is kept."""

    __tablename__ = "plans"

    title: Mapped[str]


class Country(Base):
    """A row with a key of its own."""

    __tablename__ = "countries"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Worker(IntegerKeyMixin, Base):
    """The first model of a tree in one table."""

    __tablename__ = "workers"

    kind: Mapped[str]
    name: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "worker"}  # noqa: RUF012 - SQLAlchemy's form


class Clerk(Worker):
    """Another one."""

    __mapper_args__ = {"polymorphic_identity": "clerk"}  # noqa: RUF012 - SQLAlchemy's form


@dataclasses.dataclass
class Draft:
    """A row as a dataclass."""

    name: str
    details: dict[str, Any]


class ProjectIn(BaseModel):
    """A row as a pydantic model."""

    name: str
    status: Status = Status.ACTIVE
    id: int | None = None


async def _names(database: Database) -> dict[int, str]:
    async with database.session() as session:
        rows = await session.execute(select(Project.id, Project.name))
        return {row.id: row.name for row in rows}


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


async def test_dicts_become_rows_whose_keys_are_in_their_order(database: Database) -> None:
    rows = [{"name": f"p{number}"} for number in range(300)]

    async with database.transaction() as session:
        created = await bulk_create(session, Project, rows)

    assert len(created) == 300
    assert await _names(database) == {key: f"p{number}" for number, key in enumerate(created.ids)}
    assert created.ids == sorted(created.ids)


@pytest.mark.slow
async def test_keys_keep_the_order_of_the_input_with_several_threads(
    duckdb_url: str,
) -> None:
    async with Database(duckdb_url, options={"threads": 4}) as database:
        table = pa.table({"name": [f"p{number}" for number in range(300_000)]})
        async with database.transaction() as session:
            created = await bulk_create(session, Project, table)
        async with database.session() as session:
            wrong = await session.scalar(
                select(func.count()).where(
                    Project.name != func.concat("p", Project.id - created.ids[0])
                )
            )

    assert wrong == 0


async def test_an_instance_is_made_when_it_is_read(database: Database) -> None:
    async with database.transaction() as session:
        created = await bulk_create(session, Project, [{"name": "a"}, {"name": "b"}])

    project = created[1]
    assert project is created[-1]
    assert (project.id, project.name, project.version) == (created.ids[1], "b", 1)
    assert project.status is Status.ACTIVE
    assert project.origin == "here"
    assert project.created_at == project.updated_at
    assert project.deleted_at is None


async def test_an_instance_that_is_added_to_a_session_can_be_changed(database: Database) -> None:
    async with database.transaction() as session:
        created = await bulk_create(session, Project, [{"name": "a"}, {"name": "b"}])
    async with database.transaction() as session:
        session.add(created[0])
        created[0].name = "changed"

    assert sorted((await _names(database)).values()) == ["b", "changed"]


async def test_what_was_created_is_a_sequence(database: Database) -> None:
    async with database.transaction() as session:
        created = await bulk_create(session, Country, [{"code": "es", "name": "Spain"}])

    assert list(created) == created[:] == created
    assert created != []
    assert created != "es"
    assert repr(created) == "<1 new Country>"
    assert created.ids == ["es"]
    with pytest.raises(IndexError):
        created[1]


async def test_no_rows_are_no_work(database: Database) -> None:
    async with database.session() as session:
        created = await bulk_create(session, Project, [])

    assert (len(created), created.ids) == (0, [])


async def test_every_value_arrives_as_the_session_would_write_it(database: Database) -> None:
    due = dt.datetime(2030, 1, 2, 3, 4, 5, 678_901, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    row = {
        "name": "a",
        "status": Status.DONE,
        "details": {"tags": ["x"], "none": None},
        "budget": decimal.Decimal("12.5"),
        "due": due,
        "token": "ñ",
        "origin": "there",
    }
    async with database.transaction() as session:
        created = await bulk_create(session, Project, [row])
    async with database.session() as session:
        stored = await session.get_one(Project, created.ids[0])

    assert {name: getattr(stored, name) for name in row} == row
    assert {name: getattr(created[0], name) for name in row} == row


async def test_rows_need_not_have_the_same_fields(database: Database) -> None:
    rows = [{"name": "a"}, {"name": "b", "origin": "there"}, {"name": "c", "budget": 1}]

    async with database.transaction() as session:
        created = await bulk_create(session, Project, rows)
    async with database.session() as session:
        stored = (await session.scalars(select(Project).order_by(Project.id))).all()

    assert [project.origin for project in stored] == ["here", "there", "here"]
    assert [project.origin for project in created] == ["here", "there", "here"]
    assert [project.budget for project in stored] == [None, None, 1]


async def test_pydantic_models_dataclasses_and_mappings_are_rows(database: Database) -> None:
    async with database.transaction() as session:
        models = await bulk_create(session, Project, [ProjectIn(name="a", status=Status.DONE)])
        drafts = await bulk_create(session, Project, [Draft("b", {"x": 1})])

    assert (models[0].name, models[0].status) == ("a", Status.DONE)
    assert (drafts[0].name, drafts[0].details) == ("b", {"x": 1})


async def test_instances_get_their_keys_and_are_what_is_returned(database: Database) -> None:
    projects = [Project(name="a"), Project(name="b", origin="there")]

    async with database.transaction() as session:
        created = await bulk_create(session, Project, projects)

    assert created == projects
    assert [project.id for project in projects] == created.ids
    assert [project.origin for project in projects] == ["here", "there"]
    assert await _names(database) == {projects[0].id: "a", projects[1].id: "b"}


async def test_uuid_keys_are_made_here(database: Database) -> None:
    async with database.transaction() as session:
        created = await bulk_create(session, Task, [{"title": "a"}, {"title": "b"}])
    async with database.session() as session:
        stored = await session.scalars(select(Task.id).order_by(Task.title))

    assert created.ids == list(stored)
    assert isinstance(created.ids[0], uuid.UUID)


async def test_columns_of_arrow_are_rows(database: Database) -> None:
    due = dt.datetime(2030, 1, 2, tzinfo=dt.UTC)
    table = pa.table(
        {
            "name": ["a", "b"],
            "details": ['{"x": 1}', "{}"],
            "due": pa.array([due, None], pa.timestamp("us", "UTC")),
            "status": pa.array(["active", "done"]).dictionary_encode(),
        }
    )
    async with database.transaction() as session:
        created = await bulk_create(session, Project, table)
    async with database.session() as session:
        stored = (await session.scalars(select(Project).order_by(Project.id))).all()

    assert [project.due for project in stored] == [due, None]
    assert [project.status for project in stored] == [Status.ACTIVE, Status.DONE]
    assert created[0].due == due


async def test_who_acts_is_written_with_the_rows(database: Database) -> None:
    with acting_as("ana"):
        async with database.transaction() as session:
            created = await bulk_create(session, Project, [{"name": "a"}])

    assert (created[0].created_by, created[0].updated_by) == ("ana", "ana")


@pytest.mark.slow
async def test_three_bad_rows_of_ten_thousand_are_named_and_nothing_is_written(
    database: Database,
) -> None:
    rows: list[dict[str, Any]] = [{"name": f"p{number}"} for number in range(10_000)]
    rows[17]["name"] = "x" * 21
    rows[4_711]["name"] = None
    rows[9_999]["budget"] = "much"
    for row in rows:
        row.setdefault("budget", None)

    async with database.session() as session:
        with pytest.raises(BulkRefused) as refused:
            await bulk_create(session, Project, rows)
        await session.commit()

    assert [(error.row, error.field) for error in refused.value.errors] == [
        (17, "name"),
        (4_711, "name"),
        (9_999, "budget"),
    ]
    assert await _names(database) == {}


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ({"name": "a", "id": 7}, "id", "it is generated"),
        ({"name": "a", "version": 7}, "version", "it counts by itself"),
        ({"name": "a", "created_at": None}, "created_at", "it is set when the row is written"),
        ({"name": "a", "created_by": "eve"}, "created_by", "acting_as() says who writes"),
        ({"name": "a", "deleted_at": None}, "deleted_at", "bulk_delete() sets it"),
        ({"name": "a", "nmae": "b"}, "nmae", "Project has no such field; it has name, status"),
        ({"name": "a", "tasks": []}, "tasks", "it is a relation"),
        ({"origin": "a"}, "name", "the column must have a value"),
        ({"name": "a", "status": "lost"}, "status", "Status has only 'active', 'done'"),
        ({"name": "a", "details": {1, 2}}, "details", "it has no JSON form"),
        ({"name": "a", "due": dt.datetime(2030, 1, 1)}, "due", "zone"),  # noqa: DTZ001 - that is the point
    ],
)
async def test_what_a_row_cannot_say_is_refused_by_name(
    database: Database, row: dict[str, Any], field: str, reason: str
) -> None:
    async with database.session() as session:
        with pytest.raises(BulkRefused) as refused:
            await bulk_create(session, Project, [row])

    assert [error.field for error in refused.value.errors] == [field]
    assert reason in refused.value.errors[0].message


@pytest.mark.parametrize("row", [7, "name", None, ["a"]])
async def test_what_is_no_row_is_refused_by_number(database: Database, row: Any) -> None:
    async with database.session() as session:
        with pytest.raises(BulkRefused, match=r"row 1: a row is a dict"):
            await bulk_create(session, Project, [{"name": "a"}, row])


async def test_a_secret_is_not_shown(database: Database) -> None:
    async with database.session() as session:
        with pytest.raises(BulkRefused) as refused:
            await bulk_create(session, Project, [{"name": "a", "token": 12345}])

    assert refused.value.errors[0].value == "***"
    assert "12345" not in str(refused.value)


async def test_an_instance_that_is_not_new_or_has_relatives_is_refused(database: Database) -> None:
    async with database.session() as session:
        pending = Project(name="a")
        session.add(pending)
        with pytest.raises(BulkRefused, match="it is not new"):
            await bulk_create(session, Project, [pending])
        session.expunge_all()
        with pytest.raises(BulkRefused, match="tasks is set"):
            await bulk_create(session, Project, [Project(name="a", tasks=[Task(title="t")])])


async def test_a_missing_natural_key_is_refused(database: Database) -> None:
    async with database.session() as session:
        with pytest.raises(BulkRefused, match="every row, code: the column must have a value"):
            await bulk_create(session, Country, [{"name": "Spain"}])


async def test_a_key_that_exists_is_the_database_s_own_error(database: Database) -> None:
    row = {"code": "es", "name": "Spain"}
    async with database.transaction() as session:
        await bulk_create(session, Country, [row])

    with pytest.raises(DuplicateKey):
        async with database.transaction() as session:
            await bulk_create(session, Country, [row])


async def test_a_row_knows_its_place_in_a_tree_of_models(database: Database) -> None:
    async with database.transaction() as session:
        await bulk_create(session, Clerk, [{"name": "a"}, MappingProxyType({"name": "b"})])
    async with database.session() as session:
        found = (await session.scalars(select(Worker).order_by(Worker.id))).all()

    assert [(type(worker), worker.name) for worker in found] == [(Clerk, "a"), (Clerk, "b")]


async def test_a_session_that_does_not_flush_by_itself_keeps_what_it_has(
    database: Database,
) -> None:
    async with Session(database.engine, autoflush=False) as session:
        session.add(Country(code="es", name="Spain"))
        await bulk_create(session, Country, [{"code": "pt", "name": "Portugal"}])
        found = (await session.scalars(select(Country.code))).all()
        await session.rollback()

    assert found == ["pt"]


async def test_a_model_of_several_tables_is_refused(database: Database) -> None:
    class Zoo(Row, DeclarativeBase):
        """The tables of this test."""

    class Animal(Zoo):
        """What has a kind."""

        __tablename__ = "animals"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012 - SQLAlchemy's form

    class Dog(Animal):
        """What has a table of its own as well."""

        __tablename__ = "dogs"
        id: Mapped[int] = mapped_column(ForeignKey(Animal.id), primary_key=True)
        __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012 - SQLAlchemy's form

    async with database.session() as session:
        with pytest.raises(ConfigurationError, match="Dog is not mapped to a single table"):
            await bulk_create(session, Dog, [{}])


@pytest.mark.slow
async def test_ten_thousand_rows_take_a_handful_of_hops(duckdb_database: Database) -> None:
    rows = [{"name": f"p{number}"} for number in range(10_000)]
    statements: list[str] = []
    async with duckdb_database.transaction() as session:
        await session.execute(text("SELECT 1"))
        connection = await session.connection()
        raw: Any = await connection.get_raw_connection()
        event.listen(
            connection.sync_connection,
            "before_cursor_execute",
            lambda _c, _cursor, statement, *_: statements.append(statement),
        )
        hops = raw.dbapi_connection.hops
        await bulk_create(session, Project, rows)
        hops = raw.dbapi_connection.hops - hops
        sent = [statement.split()[0] for statement in statements]

    assert sent == ["SELECT", "INSERT"]
    assert hops == 2


async def test_history_is_made_once_while_duckdb_inserts_the_rows(
    duckdb_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[str] = []

    def noted(*arguments: Any) -> Any:
        met.append("history")
        return scan_of(*arguments)

    for part in ("bulk", "core"):
        monkeypatch.setattr(f"andamios_orm.{part}.recording.scan_of", noted)
    async with duckdb_database.transaction() as session:
        connection = (await session.connection()).sync_connection
        for moment in ("before", "after"):
            event.listen(
                connection,
                f"{moment}_cursor_execute",
                lambda _c, _cursor, statement, *_, moment=moment: (
                    met.append(moment) if statement.startswith("INSERT INTO plans") else None
                ),
            )
        made = await bulk_create(session, Plan, [{"title": f"t{n}"} for n in range(30)])

    assert met == ["before", "history", "after"]
    async with ChangeFeed(duckdb_database, Base) as feed:
        history = await feed.history(Plan, made.ids[7])
    assert [(each.after or {})["title"] for each in history] == ["t7"]


@pytest.mark.slow
async def test_importing_the_package_loads_neither_pyarrow_nor_pydantic() -> None:
    code = "import andamios_orm.bulk, sys; assert not {'pyarrow', 'pydantic'} & {*sys.modules}"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)  # noqa: ASYNC221 - a child is the point

    assert done.returncode == 0, done.stderr
