"""Keys, times, authors, versions and soft deletion, as rows and instances show them."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.exceptions import StaleVersion
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
    uuid7,
)

if TYPE_CHECKING:
    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The base of these tables."""


class Task(
    HistoryMixin,
    AuditMixin,
    VersionMixin,
    SoftDeleteMixin,
    TimestampMixin,
    IntegerKeyMixin,
    Base,
):
    """Has everything."""

    __tablename__ = "tasks"
    title: Mapped[str] = mapped_column(default="")


class Token(UUIDKeyMixin, Base):
    """Has a key made here."""

    __tablename__ = "tokens"
    label: Mapped[str] = mapped_column(default="")


@pytest.fixture
def metadata() -> sa.MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def tables(database: Database) -> Database:
    """Return a database with the tables above."""
    return database


# ---- keys --------------------------------------------------------------------


async def test_an_integer_key_is_there_after_the_insert(tables: Database) -> None:
    statements: list[str] = []
    sa.event.listen(
        tables.engine.sync_engine,
        "before_cursor_execute",
        lambda *arguments: statements.append(arguments[2]),
    )

    async with tables.transaction() as session:
        rows = [Task(), Task(), Task()]
        session.add_all(rows)
        await session.flush()

        assert [row.id for row in rows] == [1, 2, 3]
        assert [row.version for row in rows] == [1, 1, 1]
    about_tasks = [each for each in statements if "tasks" in each and "andamios" not in each]
    assert len(about_tasks) == 1


async def test_each_table_counts_for_itself_and_ends_with_its_table(tables: Database) -> None:
    async with tables.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)

    async with tables.transaction() as session:
        session.add(task := Task())
        await session.flush()

        assert task.id == 1


async def test_the_key_comes_first_and_what_mixins_add_comes_last() -> None:
    assert list(Task.__table__.c.keys()) == [
        "id",
        "title",
        "created_at",
        "updated_at",
        "created_by",
        "updated_by",
        "version",
        "deleted_at",
    ]


async def test_a_uuid_key_is_made_for_every_way_in(tables: Database) -> None:
    async with tables.transaction() as session:
        session.add(Token())
        await session.execute(sa.insert(Token), [{"label": "a"}, {"label": "b"}])
        await session.execute(sa.insert(Token).values(label="c"))
    async with tables.session() as session:
        keys = (await session.scalars(sa.select(Token.id).order_by(Token.id))).all()

    assert len(set(keys)) == 4
    assert {key.version for key in keys} == {7}


def test_keys_are_of_version_7_and_say_when_they_were_made() -> None:
    before = time.time_ns() // 1_000_000

    key = uuid7()

    assert (key.version, key.variant) == (7, uuid.RFC_4122)
    assert before <= key.int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_keys_rise_in_all_threads() -> None:
    def some() -> list[uuid.UUID]:
        return [uuid7() for _ in range(2_000)]

    with ThreadPoolExecutor(4) as pool:
        batches = [future.result() for future in [pool.submit(some) for _ in range(4)]]

    assert all(batch == sorted(batch) for batch in batches)
    assert len({key for batch in batches for key in batch}) == 8_000


def test_keys_rise_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [uuid7()]
    monkeypatch.setattr(time, "time_ns", lambda: 0)

    keys += [uuid7() for _ in range(100)]

    assert keys == sorted(set(keys))


def test_keys_rise_when_a_millisecond_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.randbits", lambda bits: (1 << bits) - 1 if bits > 32 else 1 << 73)
    monkeypatch.setattr(time, "time_ns", lambda: 0)

    keys = [uuid7() for _ in range(10)]

    assert keys == sorted(set(keys))


def test_a_forked_child_makes_keys_of_its_own() -> None:
    uuid7()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, uuid7().bytes)
        os._exit(0)

    mine, theirs = uuid7(), uuid.UUID(bytes=os.read(reading, 16))
    os.waitpid(child, 0)

    assert mine != theirs


# ---- times and authors -------------------------------------------------------


async def test_a_new_row_has_one_time_and_the_one_who_made_it(tables: Database) -> None:
    before = dt.datetime.now(dt.UTC)

    with acting_as("ana"):
        async with tables.transaction() as session:
            session.add(task := Task())

    assert before <= task.created_at == task.updated_at
    assert task.created_at.tzinfo is dt.UTC
    assert (task.created_by, task.updated_by) == ("ana", "ana")


async def test_an_update_changes_its_own_time_and_author(tables: Database) -> None:
    with acting_as("ana"):
        async with tables.transaction() as session:
            session.add(task := Task())
    created = task.created_at

    with acting_as("ben"):
        async with tables.transaction() as session:
            changed = await session.get_one(Task, task.id)
            changed.title = "new"
    async with tables.session() as session:
        read = await session.get_one(Task, task.id)

    assert (read.created_at, read.created_by) == (created, "ana")
    assert read.updated_at > created
    assert read.updated_by == "ben"


async def test_statements_of_the_core_set_them_as_well(tables: Database) -> None:
    with acting_as("ana"):
        async with tables.transaction() as session:
            await session.execute(sa.insert(Task), [{"title": "a"}, {"title": "b"}])
            await session.execute(sa.insert(Task).values([{"title": "c"}, {"title": "d"}]))
            await session.execute(sa.update(Task).where(Task.title == "a").values(title="e"))
    async with tables.session() as session:
        rows = (await session.scalars(sa.select(Task).order_by(Task.id))).all()

    assert [row.created_by for row in rows] == ["ana"] * 4
    assert [row.version for row in rows] == [1] * 4
    assert [row.updated_at > row.created_at for row in rows[:2]] == [True, False]


async def test_the_server_fills_them_in_where_nobody_else_does(tables: Database) -> None:
    async with tables.transaction() as session:
        await session.execute(sa.text("INSERT INTO tasks (title) VALUES ('raw')"))
    async with tables.session() as session:
        task = (await session.scalars(sa.select(Task))).one()

    assert abs(dt.datetime.now(dt.UTC) - task.created_at) < dt.timedelta(minutes=1)
    assert (task.version, task.created_by) == (1, None)


async def test_a_time_that_was_given_is_kept(tables: Database) -> None:
    moment = dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2)))

    async with tables.transaction() as session:
        session.add(task := Task(created_at=moment))

    assert task.created_at == task.updated_at == moment


# ---- versions and soft deletion ----------------------------------------------


async def test_the_version_counts_updates(tables: Database) -> None:
    async with tables.transaction() as session:
        session.add(task := Task())
        await session.flush()
        first = task.version
        task.title = "new"
        await session.flush()

        assert (first, task.version) == (1, 2)


async def test_an_update_of_a_row_that_has_moved_on_is_refused(tables: Database) -> None:
    async with tables.transaction() as session:
        session.add(Task())
    async with tables.session() as session:
        mine = await session.get_one(Task, 1)
    async with tables.transaction() as session:
        (await session.get_one(Task, 1)).title = "theirs"

    async def save() -> None:
        async with tables.transaction() as session:
            mine.title = "mine"
            session.add(mine)

    with pytest.raises(StaleVersion):
        await save()


async def test_a_model_keeps_the_version_column_that_it_names() -> None:
    class Own(VersionMixin, IntegerKeyMixin, Base):
        __tablename__ = "own_versions"
        revision: Mapped[int] = mapped_column()
        __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 - SQLAlchemy's own form

    assert Own.__mapper__.version_id_col is Own.__table__.c.revision


async def test_a_subclass_shares_the_version_of_its_table() -> None:
    class Part(Task):
        __tablename__ = "parts"
        id: Mapped[int] = mapped_column(sa.ForeignKey("tasks.id"), primary_key=True)

    assert Part.__mapper__.version_id_col is Task.__table__.c.version


async def test_a_row_says_whether_it_was_deleted(tables: Database) -> None:
    async with tables.transaction() as session:
        session.add(task := Task())
        await session.flush()
        before = task.is_deleted
        task.deleted_at = dt.datetime.now(dt.UTC)
        await session.flush()

        assert (before, task.is_deleted) == (False, True)


def test_a_model_says_that_it_keeps_history() -> None:
    assert (Task.__history__, Token.__history__) == (True, False)


async def test_actors_of_concurrent_tasks_sign_their_own_rows(tables: Database) -> None:
    async def write(name: str) -> str | None:
        with acting_as(name):
            async with tables.transaction(write=True) as session:
                session.add(task := Task())
        return task.created_by

    names = ["ana", "ben", "eva"]

    assert [*await asyncio.gather(*map(write, names))] == names
