from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Sequence,
    String,
    Table,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import DeclarativeBase

from andamios_orm.models import IntegerKeyMixin, Row
from andamios_orm.testing.clock import FrozenClock
from andamios_orm.testing.lending import LentDatabases, Settling
from andamios_orm.testing.rollback import rolled_back, session_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from andamios_orm import Database
    from andamios_orm.testing.prepared import PreparedDatabases

pytestmark = [pytest.mark.integration, pytest.mark.db]

METADATA = MetaData()
NUMBERS = Sequence("numbers", metadata=METADATA)
THINGS = Table(
    "things",
    METADATA,
    Column("id", Integer, NUMBERS, server_default=NUMBERS.next_value(), primary_key=True),
    Column("name", String, index=True),
)
BOUND = MetaData()
PARENTS = Table("parents", BOUND, Column("id", Integer, primary_key=True, autoincrement=False))
CHILDREN = Table("children", BOUND, Column("parent", ForeignKey("parents.id"), primary_key=True))


class Base(Row, DeclarativeBase):
    """Tables with a change feed."""


class Fact(IntegerKeyMixin, Base):
    """A row whose change has a time."""

    __tablename__ = "facts"


@pytest.fixture
def lent(andamios_prepared: PreparedDatabases) -> Iterator[LentDatabases]:
    """Yield what lends databases, with none made yet."""
    lent = LentDatabases(andamios_prepared)
    yield lent
    lent.close()


async def add(database: Database, table: Table = THINGS, **values: object) -> None:
    """Add one row."""
    async with database.transaction() as session:
        await session.execute(insert(table).values(values or {"name": "a"}))


async def keys(database: Database) -> list[int]:
    """Return the keys of the things."""
    async with database.session() as session:
        return list(await session.scalars(select(THINGS.c.id)))


async def test_a_database_comes_back_empty_and_counts_from_one(lent: LentDatabases) -> None:
    found = []
    for _ in range(2):
        with lent.duckdb(METADATA) as database:
            await add(database)
            await add(database)
            found.append((database, await keys(database)))

    assert found[0] == found[1] == (found[0][0], [1, 2])


async def test_the_changes_of_the_next_test_may_be_earlier(lent: LentDatabases) -> None:
    times = []
    for year in (2030, 2026):
        start = dt.datetime(year, 1, 1, tzinfo=dt.UTC)
        with lent.duckdb(Base.metadata) as database, FrozenClock(start):
            await database.create(Fact, {})
            async with database.session() as session:
                changes = Base.metadata.tables["andamios_changes"]
                times.append(await session.scalar(select(changes.c.time)))

    assert [time and time.year for time in times] == [2030, 2026]


async def test_one_that_nobody_wrote_to_is_lent_again(lent: LentDatabases) -> None:
    with lent.duckdb(METADATA) as first:
        pass
    with lent.duckdb(METADATA) as second:
        assert second is first


async def test_indexes_are_there_again(lent: LentDatabases) -> None:
    for _ in range(2):
        with lent.duckdb(METADATA) as database:
            await add(database)
            async with database.session() as session:
                query = text("SELECT index_name FROM duckdb_indexes()")
                assert list(await session.scalars(query)) == ["ix_things_name"]


async def test_tables_that_refer_to_each_other_are_emptied(lent: LentDatabases) -> None:
    for _ in range(2):
        with lent.duckdb(BOUND) as database:
            await add(database, PARENTS, id=1)
            await add(database, CHILDREN, parent=1)


@pytest.mark.parametrize("change", ["CREATE VIEW v AS SELECT 1 AS n", "DROP TABLE things"])
async def test_one_whose_schema_has_changed_is_not_lent_again(
    lent: LentDatabases, change: str
) -> None:
    with lent.duckdb(METADATA) as first:
        async with first.transaction() as session:
            await session.execute(text(change))
    with lent.duckdb(METADATA) as second:
        assert second is not first
        assert await keys(second) == []


async def test_one_that_cannot_be_emptied_is_not_lent_again(
    lent: LentDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lent.duckdb(METADATA) as first:
        broken = "DROP TABLE nowhere"
        monkeypatch.setattr(
            "andamios_orm.testing.lending._Statements.that_empty", lambda *_: broken
        )
    monkeypatch.undo()
    with lent.duckdb(METADATA) as second:
        assert second is not first


async def test_one_that_is_still_in_use_is_not_lent_again(lent: LentDatabases) -> None:
    with lent.duckdb(METADATA) as first:
        connection = await first.engine.connect()
    with lent.duckdb(METADATA) as second:
        assert second is not first
    await connection.close()


async def test_what_is_rolled_back_counts_on(lent: LentDatabases) -> None:
    for number in (1, 2):
        with (
            lent.duckdb(METADATA, "rollback") as database,
            rolled_back(database.engine, lent.settle) as session,
        ):
            await session.execute(insert(THINGS).values(name="a"))
            await session.commit()
            assert list(await session.scalars(select(THINGS.c.id))) == [number]


async def test_a_commit_behind_the_back_of_a_rollback_is_undone_too(lent: LentDatabases) -> None:
    for _ in range(2):
        with lent.duckdb(METADATA, "rollback") as database:
            assert await keys(database) == []
            await add(database)


async def test_a_session_that_sent_nothing_costs_nothing(lent: LentDatabases) -> None:
    with lent.duckdb(METADATA) as database, rolled_back(database.engine, lent.settle) as session:
        assert session.sync_session.get_bind() is database.engine.sync_engine
    with session_of(database.engine, lent.settle):
        pass


@pytest.mark.slow
async def test_a_savepoint_session_goes_back_to_its_last_commit(lent: LentDatabases) -> None:
    held = lent.held_postgresql(METADATA)
    assert lent.held_postgresql(METADATA) is held
    for _ in range(2):
        with rolled_back(held.engine, lent.settle) as session:
            await session.execute(insert(THINGS).values(name="a"))
            await session.commit()
            await session.execute(insert(THINGS).values(name="b"))
            await session.rollback()
            assert list(await session.scalars(select(THINGS.c.id))) == [1]


@pytest.mark.slow
async def test_a_connection_that_broke_is_given_up(lent: LentDatabases) -> None:
    held = lent.held_postgresql(METADATA)
    with rolled_back(held.engine, lent.settle) as session:
        number = await session.scalar(select(func.pg_backend_pid()))
        async with held.engine.connect() as other:
            await other.execute(select(func.pg_terminate_backend(number, 5000)))
    with rolled_back(held.engine, lent.settle) as session:
        assert await session.scalar(select(1)) == 1


async def test_a_database_of_postgresql_is_lent_empty(lent: LentDatabases) -> None:
    for _ in range(2):
        with lent.postgresql(METADATA) as database:
            await add(database)
            assert await keys(database) == [1]


async def answer(into: list[int]) -> None:
    """Answer, after the loop went round once."""
    await asyncio.sleep(0)
    into.append(1)


async def fail() -> None:
    """Fail."""
    raise LookupError


def test_without_a_loop_a_coroutine_is_run_here() -> None:
    settle, found = Settling(), list[int]()
    settle.close()

    settle(answer(found))
    settle(answer(found))
    settle.close()

    assert found == [1, 1]


async def test_beside_a_loop_it_is_run_in_a_thread() -> None:
    settle, found = Settling(), list[int]()

    settle(answer(found))
    with pytest.raises(LookupError):
        settle(fail())
    settle.close()

    assert found == [1]


async def test_after_a_transaction_that_failed_keys_begin_at_one_as_well(
    lent: LentDatabases,
) -> None:
    held = lent.held_postgresql(METADATA)
    for _ in range(2):
        with rolled_back(held.engine, lent.settle) as session:
            await session.execute(insert(THINGS).values(name="a"))
            assert list(await session.scalars(select(THINGS.c.id))) == [1]
            connection = await session.connection()
            with pytest.raises(ProgrammingError):
                await connection.execute(text("SELECT nothing"))
