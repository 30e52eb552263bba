"""A task may be cancelled anywhere: the query stops, the pool is whole, no commit is in doubt."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.exceptions import DatabaseClosed
from andamios_orm.testing.cancelling import CancelledAt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine
    from tests.dialect.conftest import Lab

pytestmark = [
    pytest.mark.concurrency,
    pytest.mark.db,
    pytest.mark.usefixtures("no_thread_left"),
    pytest.mark.sampled(2),
]

ENDLESS = "SELECT count(*) FROM range(100000000000) r(i) WHERE i % 7 = 3"
SOON = 0.5
"""Seconds in which a cancelled statement has stopped."""


class Base(DeclarativeBase):
    """The tables of these tests."""


class Thing(Base):
    """A row."""

    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]


@pytest.fixture
def nothing_old_is_collected() -> Iterator[None]:
    """Have a collection look only at what comes now: through all that a run keeps it takes long."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
async def engine(lab: Lab) -> AsyncEngine:
    """Return an engine on a table of 1,000 rows."""
    engine = lab.engine()
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(text("INSERT INTO things SELECT i, 0 FROM range(1000) r(i)"))
    return engine


async def whole(lab: Lab, engine: AsyncEngine) -> None:
    """Raise unless the pool, the gate and the rows are as if nothing had happened."""
    assert lab.checked_out() == 0
    assert lab.database.gate.waiting == 0
    async with asyncio.timeout(5), engine.begin() as connection:
        await connection.execute(text("UPDATE things SET n = n WHERE id = 0"))
        assert await connection.scalar(text("SELECT count(*) >= 1000 FROM things"))
    assert lab.database.gate.holder is None


# ---- long statements ----------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("autocommit", ["transaction", "autocommit"])
async def test_a_statement_stops_when_its_time_is_over(
    engine: AsyncEngine, lab: Lab, autocommit: str
) -> None:
    door = engine
    if autocommit == "autocommit":
        door = engine.execution_options(isolation_level="AUTOCOMMIT")
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), door.connect() as connection:
            await connection.execute(text(ENDLESS))
    took = time.monotonic() - began

    assert 0.2 <= took < 0.2 + SOON
    await whole(lab, engine)


@pytest.mark.slow
async def test_a_session_stops_when_its_time_is_over(engine: AsyncEngine, lab: Lab) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with AsyncSession(engine) as session:
            session.add(Thing(id=5000, n=1))
            async with asyncio.timeout(0.2):
                await session.execute(text(ENDLESS))
    took = time.monotonic() - began

    assert took < 0.2 + SOON
    assert await lab.rows("SELECT count(*) FROM things") == [(1000,)]
    await whole(lab, engine)


@pytest.mark.slow
async def test_a_stream_stops_between_its_batches(engine: AsyncEngine, lab: Lab) -> None:
    slow = f"SELECT i FROM range(9000) r(i) WHERE i < 5000 OR ({ENDLESS}) > 0"
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), engine.connect() as connection:
            async for _ in await connection.stream(text(slow)):
                pass
    took = time.monotonic() - began

    assert took < 0.2 + SOON
    await whole(lab, engine)


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_old_is_collected")
async def test_what_a_stream_has_left_does_not_hold_up_a_cancellation(
    engine: AsyncEngine, lab: Lab
) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), engine.connect() as connection:
            stream = await connection.stream(text("SELECT * FROM range(100000000000)"))
            await stream.fetchmany(10)
            await connection.execute(text("SELECT 1"))
            await connection.execute(text(ENDLESS))
    took = time.monotonic() - began

    assert took < 0.3 + SOON
    await whole(lab, engine)


async def test_a_check_of_reads_can_be_cancelled(engine: AsyncEngine, lab: Lab) -> None:
    async def stale_write() -> None:
        async with engine.connect() as connection:
            await connection.execute(
                text("SELECT sum(i * (SELECT max(n) FROM things)) FROM range(3000000) r(i)")
            )
            read.set()
            await written.wait()
            await connection.execute(text("UPDATE things SET n = 1 WHERE id = 1"))
            await connection.commit()

    read, written = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(stale_write())
    await read.wait()
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE things SET n = 2 WHERE id = 2"))
    written.set()
    await asyncio.sleep(0.005)
    task.cancel()
    began = time.monotonic()
    await asyncio.wait({task})

    assert time.monotonic() - began < SOON
    await whole(lab, engine)


@pytest.mark.slow
async def test_many_statements_stop_together(engine: AsyncEngine, lab: Lab) -> None:
    async def query() -> None:
        async with engine.connect() as connection:
            await connection.execute(text(ENDLESS))

    tasks = [asyncio.create_task(query()) for _ in range(6)]
    await asyncio.sleep(0.3)
    began = time.monotonic()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

    assert time.monotonic() - began < SOON
    assert all(task.cancelled() for task in tasks)
    await whole(lab, engine)


@pytest.mark.slow
async def test_a_task_that_is_cancelled_twice_ends_once(engine: AsyncEngine, lab: Lab) -> None:
    async def query() -> None:
        async with engine.connect() as connection:
            await connection.execute(text(ENDLESS))

    task = asyncio.create_task(query())
    await asyncio.sleep(0.1)
    for _ in range(5):
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.wait({task}, timeout=SOON)

    assert task.cancelled()
    await whole(lab, engine)


@pytest.mark.slow
async def test_another_statement_is_not_hit_by_a_late_interrupt(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        for number in range(100):
            task = asyncio.create_task(quick(engine, number))
            await asyncio.sleep(0)
            task.cancel()
            assert await connection.scalar(text("SELECT count(*) FROM things")) == 1000
            await asyncio.wait({task})


async def quick(engine: AsyncEngine, number: int) -> None:
    """Run a short query on a connection of its own."""
    async with engine.connect() as connection:
        await connection.execute(text(f"SELECT {number} + count(*) FROM things"))


async def test_a_closed_connection_is_not_waited_for(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await connection.invalidate()

        with pytest.raises(Exception, match="closed"):
            async with asyncio.timeout(2):
                await driver.run(lambda raw: raw.execute("SELECT 1").fetchall())


async def test_a_stream_whose_connection_was_lost_is_not_waited_for(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        stream = await connection.stream(text("SELECT * FROM range(100000000000)"))
        await stream.fetchmany(10)
        statement = asyncio.create_task(connection.execute(text(ENDLESS)))
        await asyncio.sleep(0.01)
        statement.cancel()
        with pytest.raises(asyncio.CancelledError):
            await statement

        with pytest.raises(DatabaseClosed):
            await stream.fetchmany(10_000)


# ---- every suspension point ---------------------------------------------------


async def get(sessions: async_sessionmaker[AsyncSession], number: int) -> None:
    """Read a row."""
    async with sessions() as session:
        assert (await session.get_one(Thing, number)).id == number


async def change(sessions: async_sessionmaker[AsyncSession], number: int) -> None:
    """Read a row, change it and commit."""
    async with sessions() as session, session.begin():
        (await session.get_one(Thing, number)).n = 1


async def create(sessions: async_sessionmaker[AsyncSession], number: int) -> None:
    """Insert a row and commit."""
    async with sessions() as session, session.begin():
        session.add(Thing(id=10_000 + number, n=1))


async def create_many(sessions: async_sessionmaker[AsyncSession], number: int) -> None:
    """Insert many rows in several batches and commit."""
    first = 100_000 + number * 10_000
    rows = [{"id": first + offset, "n": 1} for offset in range(9_000)]
    async with sessions() as session, session.begin():
        await session.execute(insert(Thing), rows)


async def stream(sessions: async_sessionmaker[AsyncSession], number: int) -> None:
    """Read rows in batches."""
    query = select(Thing.id).where(Thing.id < 1000).execution_options(yield_per=200)
    async with sessions() as session:
        assert len([key async for key in await session.stream_scalars(query)]) == 1000


async def start_over(sessions: async_sessionmaker[AsyncSession], number: int) -> None:
    """Roll back what was written."""
    async with sessions() as session:
        session.add(Thing(id=10_000 + number, n=1))
        await session.flush()
        await session.rollback()


UNITS: list[Any] = [get, change, create, create_many, stream, start_over]
LEFT: dict[Any, str] = {
    change: "SELECT count(*) FROM things WHERE id = {number} AND n = 1",
    create: "SELECT count(*) FROM things WHERE id = 10000 + {number}",
    create_many: "SELECT count(*) // 9000 FROM things WHERE id // 10000 = 10 + {number}",
    start_over: "SELECT count(*) FROM things WHERE id = 10000 + {number}",
}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.__name__)
@pytest.mark.parametrize(
    ("place", "delay"),
    [
        pytest.param("memory", 0.0, id="memory, at once"),
        pytest.param("file", 0.0003, id="file, a bit later"),
        pytest.param("memory", 0.001, id="memory, later", marks=pytest.mark.slow),
        pytest.param("file", 0.0, id="file, at once", marks=pytest.mark.slow),
        pytest.param("file", 0.001, id="file, later", marks=pytest.mark.slow),
    ],
    indirect=["place"],
)
@pytest.mark.sampled(7)
async def test_cancelled_at_any_point_it_leaves_all_or_nothing(
    engine: AsyncEngine, lab: Lab, unit: Any, delay: float
) -> None:
    sessions = async_sessionmaker(engine)
    point = 0
    while True:
        point += 1
        work = CancelledAt(unit(sessions, point), point, delay)

        async def run(work: CancelledAt = work) -> None:
            await work

        task = asyncio.create_task(run())
        await asyncio.wait({task}, timeout=30)
        assert task.done(), f"it hangs when it is cancelled at point {point}"
        assert lab.checked_out() == 0
        acknowledged = not task.cancelled() and task.exception() is None
        if unit in LEFT:
            [(left,)] = await lab.rows(LEFT[unit].format(number=point))
            assert left in {0, 1}
            assert left == 0 if unit is start_over else left == 1 or not acknowledged
        if not work.reached:
            break
        assert point < 100
    assert point > 1
    await whole(lab, engine)


@pytest.mark.parametrize("place", ["memory", "file"], indirect=True)
@pytest.mark.slow
async def test_random_cancellations_lose_nothing(
    lab: Lab, engine: AsyncEngine, rounds: Callable[[int, int, int], int]
) -> None:
    chance = random.Random(7)
    sessions = async_sessionmaker(engine)
    threads = threading.active_count()
    acknowledged: set[int] = set()
    cancelled: list[bool] = []

    async def add(number: int) -> None:
        async with sessions() as session, session.begin():
            await session.scalar(select(Thing.n).where(Thing.id == number % 1000))
            session.add(Thing(id=10_000 + number, n=1))
        acknowledged.add(10_000 + number)

    async def one(number: int, most: float) -> None:
        task = asyncio.create_task(add(number))
        await asyncio.sleep(chance.random() * most)
        task.cancel()
        await asyncio.wait({task}, timeout=10)
        assert task.done()
        cancelled.append(task.cancelled())

    began = time.monotonic()
    await asyncio.gather(*(add(index) for index in range(8)))
    took = time.monotonic() - began
    for batch in range(1, rounds(10, 40, 125)):
        await asyncio.gather(*(one(batch * 8 + index, 2 * took) for index in range(8)))

    left = {key for (key,) in await lab.rows("SELECT id FROM things WHERE id >= 10000")}
    assert acknowledged <= left
    assert any(cancelled)
    assert threading.active_count() <= threads + 16
    await whole(lab, engine)


@pytest.mark.slow
async def test_a_commit_that_was_cancelled_has_happened_or_not_when_it_is_told(
    lab: Lab, engine: AsyncEngine, rounds: Callable[[int, int, int], int]
) -> None:
    for number in range(10_000, 10_000 + rounds(30, 200, 1000)):
        connection = await engine.connect()
        await connection.execute(insert(Thing), {"id": number, "n": 1})
        task = asyncio.create_task(connection.commit())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        left = await lab.rows(f"SELECT count(*) FROM things WHERE id = {number}")
        await connection.close()

        assert await lab.rows(f"SELECT count(*) FROM things WHERE id = {number}") == left
        assert task.cancelled() or left == [(1,)]
    await whole(lab, engine)


async def test_a_cancelled_wait_for_a_connection_leaves_the_pool_whole(lab: Lab) -> None:
    engine = lab.engine(pool_size=1, max_overflow=0)
    await lab.set_up("CREATE TABLE things (id INTEGER, n INTEGER)")
    for delay in (0.0, 0.001, 0.005):
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            tasks = [asyncio.create_task(quick(engine, number)) for number in range(5)]
            await asyncio.sleep(delay)
            for task in tasks[::2]:
                task.cancel()
        outcome = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in outcome[1::2]] == [type(None)] * 2

    assert lab.checked_out() == 0


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_old_is_collected")
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_waiter_gets_the_connection_that_another_thread_found_abandoned(lab: Lab) -> None:
    engine = lab.engine(pool_size=1, max_overflow=0, pool_timeout=5)
    await lab.set_up("CREATE TABLE things (id INTEGER, n INTEGER)")
    abandoned = [await engine.connect()]
    await abandoned[0].execute(text("SELECT 1"))
    waiter = asyncio.create_task(quick(engine, 1))
    await asyncio.sleep(0.01)

    def collect() -> None:
        abandoned.clear()
        gc.collect()

    thread = threading.Thread(target=collect)
    thread.start()
    done, _ = await asyncio.wait({waiter}, timeout=2)
    thread.join()

    assert done
    waiter.result()
