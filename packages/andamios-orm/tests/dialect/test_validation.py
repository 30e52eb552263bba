"""Who read first and writes later: what was read still holds, or the writer is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.exceptions import ConcurrencyConflict, WriteConflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from tests.dialect.conftest import Lab

pytestmark = [pytest.mark.concurrency, pytest.mark.db, pytest.mark.sampled(2)]

ELSEWHERE = "UPDATE t SET n = n + 1 WHERE id = 2"
HERE = "UPDATE t SET n = n + 1 WHERE id = 1"
WRITE = "UPDATE t SET n = n + 100 WHERE id = 3"


class Base(DeclarativeBase):
    """The tables of these tests."""


class Thing(Base):
    """A row."""

    __tablename__ = "t"
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]


@pytest.fixture
async def engine(memory_lab: Lab) -> AsyncEngine:
    """Return an engine with a table of 2,000 numbered rows."""
    engine = memory_lab.engine()
    await memory_lab.set_up(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
        "INSERT INTO t SELECT i, 0 FROM range(1, 2001) r(i)",
        "CREATE TABLE f (x DOUBLE)",
        "INSERT INTO f VALUES ('NaN'), ('Infinity'), (-0.0), (NULL)",
    )
    return engine


async def write(engine: AsyncEngine, statement: str) -> None:
    """Commit a statement in a transaction of its own."""
    async with engine.begin() as connection:
        await connection.execute(text(statement))


async def read_then_write(
    engine: AsyncEngine, read: Callable[[AsyncConnection], Any], meanwhile: str
) -> None:
    """Read, let another writer commit ``meanwhile``, and write."""
    async with engine.connect() as connection:
        await read(connection)
        await write(engine, meanwhile)
        await connection.execute(text(WRITE))
        await connection.commit()


def reading(*queries: str, times: int = 1) -> Callable[[AsyncConnection], Any]:
    """Return what runs the queries and reads all their rows."""

    async def read(connection: AsyncConnection) -> None:
        for _ in range(times):
            for query in queries:
                (await connection.execute(text(query))).all()

    return read


async def streaming(connection: AsyncConnection) -> None:
    """Read a stream, which keeps no copy of its rows."""
    query = text("SELECT * FROM t WHERE id < 500").execution_options(yield_per=100)
    async for _ in await connection.stream(query):
        pass


async def as_arrow(connection: AsyncConnection) -> None:
    """Read an Arrow table."""
    query = text("SELECT * FROM t WHERE id = 9").execution_options(arrow=True)
    await connection.execute(query)


UNCHANGED = {
    "a row that nobody changed": reading("SELECT * FROM t WHERE id = 1"),
    "a count": reading("SELECT count(*) FROM t"),
    "no row": reading("SELECT * FROM t WHERE id = -1"),
    "the time": reading("SELECT now(), current_timestamp"),
    "a random number": reading("SELECT random(), uuid()"),
    "not a number": reading("SELECT * FROM f"),
    "a plan": reading("EXPLAIN SELECT * FROM t"),
    "fifty statements": reading("SELECT * FROM t WHERE id = 1", times=50),
    "a thousand rows": reading("SELECT * FROM t WHERE id > 1000"),
}
CHANGED = {
    "a row": reading("SELECT * FROM t WHERE id = 2"),
    "one of several": reading("SELECT 1", "SELECT n FROM t WHERE id = 2", "SELECT 2"),
    "a sum": reading("SELECT sum(n) FROM t"),
    "a condition": reading("SELECT count(*) FROM t WHERE n = 1"),
    "through a common table": reading("WITH x AS (SELECT * FROM t) SELECT max(n) FROM x"),
    "in a subquery": reading("SELECT (SELECT n FROM t WHERE id = 2)"),
}
UNKNOWN = {
    "more than fifty statements": reading("SELECT * FROM t WHERE id = 1", times=51),
    "more than a thousand rows": reading("SELECT * FROM t WHERE id > 999"),
    "a stream": streaming,
    "an arrow table": as_arrow,
}


@pytest.mark.parametrize("name", UNCHANGED)
async def test_a_write_goes_on_when_what_was_read_still_holds(
    engine: AsyncEngine, memory_lab: Lab, name: str
) -> None:
    await read_then_write(engine, UNCHANGED[name], ELSEWHERE)

    assert await memory_lab.rows("SELECT n FROM t WHERE id IN (2, 3) ORDER BY id") == [(1,), (100,)]


@pytest.mark.parametrize("name", CHANGED)
async def test_a_write_is_refused_when_what_was_read_has_changed(
    engine: AsyncEngine, memory_lab: Lab, name: str
) -> None:
    with pytest.raises(WriteConflict):
        await read_then_write(engine, CHANGED[name], ELSEWHERE)

    assert await memory_lab.rows("SELECT n FROM t WHERE id IN (2, 3) ORDER BY id") == [(1,), (0,)]
    assert memory_lab.database.gate.holder is None


@pytest.mark.parametrize("name", UNKNOWN)
async def test_a_write_is_refused_when_what_was_read_cannot_be_checked(
    engine: AsyncEngine, memory_lab: Lab, name: str
) -> None:
    with pytest.raises(WriteConflict, match="cannot be"):
        await read_then_write(engine, UNKNOWN[name], ELSEWHERE)

    assert await memory_lab.rows("SELECT n FROM t WHERE id IN (2, 3) ORDER BY id") == [(1,), (0,)]


@pytest.mark.parametrize("name", [*UNCHANGED, *CHANGED, *UNKNOWN])
@pytest.mark.sampled(3)
async def test_nothing_is_refused_when_nobody_else_wrote(
    engine: AsyncEngine, memory_lab: Lab, name: str
) -> None:
    read: Any = {**UNCHANGED, **CHANGED, **UNKNOWN}[name]

    await read_then_write(engine, read, "SELECT 1")

    assert await memory_lab.rows("SELECT n FROM t WHERE id = 3") == [(100,)]


async def test_a_write_of_another_that_was_rolled_back_refuses_nobody(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await reading("SELECT sum(n) FROM t")(connection)
        async with engine.connect() as other:
            await other.execute(text(ELSEWHERE))
            await other.rollback()

        await connection.execute(text(WRITE))
        await connection.commit()


async def test_the_write_sees_the_snapshot_that_its_reads_were_checked_on(
    engine: AsyncEngine,
) -> None:
    async with engine.connect() as connection:
        await reading("SELECT * FROM t WHERE id = 1")(connection)
        await write(engine, ELSEWHERE)

        await connection.execute(text("UPDATE t SET n = n + 100 WHERE id = 2"))

        assert await connection.scalar(text("SELECT n FROM t WHERE id = 2")) == 101


async def test_two_reads_of_one_transaction_see_the_same(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        first = await connection.scalar(text("SELECT sum(n) FROM t"))
        await write(engine, ELSEWHERE)

        assert await connection.scalar(text("SELECT sum(n) FROM t")) == first


async def test_parameters_belong_to_what_was_read(engine: AsyncEngine) -> None:
    async def read(connection: AsyncConnection) -> None:
        query = text("SELECT n FROM t WHERE id = :id")
        (await connection.execute(query, {"id": 1})).all()
        (await connection.execute(query, {"id": 2})).all()

    await read_then_write(engine, read, "UPDATE t SET n = 7 WHERE id = 4")
    with pytest.raises(WriteConflict):
        await read_then_write(engine, read, ELSEWHERE)


async def test_a_refused_transaction_succeeds_when_it_is_run_again(
    engine: AsyncEngine, memory_lab: Lab
) -> None:
    async def raise_the_first(session: AsyncSession) -> None:
        thing = await session.get_one(Thing, 1)
        if attempts.pop():
            await write(engine, HERE)
        thing.n += 10

    attempts = [False, True]
    async with AsyncSession(engine) as session:
        with pytest.raises(ConcurrencyConflict):
            async with session.begin():
                await raise_the_first(session)
        async with session.begin():
            await raise_the_first(session)

    assert await memory_lab.rows("SELECT n FROM t WHERE id = 1") == [(11,)]


@pytest.mark.slow
async def test_sessions_on_different_rows_never_meet(engine: AsyncEngine, memory_lab: Lab) -> None:
    async def change(key: int) -> None:
        async with AsyncSession(engine) as session:
            thing = await session.get_one(Thing, key)
            await asyncio.sleep(0.005)
            thing.n = key
            await session.commit()

    await asyncio.gather(*(change(key) for key in range(1, 33)))

    found = await memory_lab.rows("SELECT id, n FROM t WHERE id < 33 ORDER BY id")
    assert found == [(key, key) for key in range(1, 33)]
