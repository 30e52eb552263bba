"""A statement that failed poisons its transaction, even when nobody looked at the error."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import exc as sa_exc
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from andamios_orm.exceptions import NestedTransactionUnsupported, TransactionAborted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine
    from tests.dialect.conftest import Lab

pytestmark = [pytest.mark.integration, pytest.mark.db]

ENDLESS = "SELECT count(*) FROM range(100000000000) a WHERE a.range % 7 = 3"
MISTAKES = {
    "duplicate key": "INSERT INTO t VALUES (1, 1)",
    "no value": "INSERT INTO t VALUES (8, NULL)",
    "broken rule": "INSERT INTO t VALUES (8, -1)",
    "no parent": "INSERT INTO u VALUES (99)",
    "conversion": "SELECT CAST('x' AS INTEGER)",
    "conversion of a column": "SELECT CAST(word AS INTEGER) FROM w",
    "no such table": "SELECT * FROM missing",
    "no such column": "SELECT missing FROM t",
    "syntax": "SELEC 1",
    "refused": "COPY t TO 'x.csv'",
    "two statements": "SELECT 1; SELECT 2",
    "timeout": ENDLESS,
    "savepoint": "SAVEPOINT s",
}

REFUSED = (TransactionAborted, sa_exc.PendingRollbackError)
"""SQLAlchemy itself refuses to go on where it knows of the failure, as after a cancellation."""


class Base(DeclarativeBase):
    """The tables of these tests."""


class Thing(Base):
    """A row with a rule."""

    __tablename__ = "t"
    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]


@pytest.fixture
async def engine(memory_lab: Lab) -> AsyncEngine:
    """Return an engine on tables with rules, with little time for statements."""
    engine = memory_lab.engine(statement_timeout=0.2)
    await memory_lab.set_up(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, size INTEGER NOT NULL CHECK (size > 0))",
        "CREATE TABLE u (thing INTEGER REFERENCES t (id))",
        "CREATE TABLE w (word TEXT)",
        "INSERT INTO t VALUES (1, 1)",
        "INSERT INTO w VALUES ('a')",
    )
    return engine


@pytest.fixture
def blocking(memory_lab: Lab, engine: AsyncEngine) -> Engine:
    """Return a blocking engine beside it."""
    return memory_lab.sync_engine(statement_timeout=0.2)


@pytest.fixture(autouse=True)
async def _only_the_first_row_is_left(engine: AsyncEngine) -> AsyncIterator[None]:
    yield
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT id FROM t ORDER BY id"))
        assert list(rows.scalars()) in ([1], [1, 100])
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # our pools count


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.sampled(4)
async def test_core_goes_on_with_nothing(engine: AsyncEngine, mistake: str) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO t VALUES (2, 2)"))
        with contextlib.suppress(sa_exc.DBAPIError):
            await connection.execute(text(MISTAKES[mistake]))

        with pytest.raises(TransactionAborted) as aborted:
            await connection.execute(text("INSERT INTO t VALUES (3, 3)"))
        with pytest.raises(TransactionAborted):
            await connection.commit()

    assert aborted.value.cause_message


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.sampled(4)
async def test_core_does_not_commit_what_it_swallowed(engine: AsyncEngine, mistake: str) -> None:
    with pytest.raises(TransactionAborted):
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO t VALUES (2, 2)"))
            with contextlib.suppress(sa_exc.DBAPIError):
                await connection.execute(text(MISTAKES[mistake]))


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.sampled(4)
async def test_a_session_does_not_commit_what_it_swallowed(
    engine: AsyncEngine, mistake: str
) -> None:
    async with AsyncSession(engine) as session:
        session.add(Thing(id=2, size=2))
        await session.flush()
        with contextlib.suppress(sa_exc.DBAPIError):
            await session.execute(text(MISTAKES[mistake]))

        with pytest.raises(TransactionAborted):
            await session.execute(text("SELECT 1"))
        with pytest.raises(REFUSED):
            await session.commit()


async def test_a_session_whose_flush_failed_does_not_commit(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        session.add(Thing(id=2, size=2))
        await session.flush()
        session.add(Thing(id=3, size=-1))
        with pytest.raises(sa_exc.IntegrityError):
            await session.flush()

        with pytest.raises(REFUSED):
            await session.commit()


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.sampled(4)
def test_the_blocking_engine_does_not_commit_what_it_swallowed(
    blocking: Engine, mistake: str
) -> None:
    with blocking.connect() as connection:
        connection.execute(text("INSERT INTO t VALUES (2, 2)"))
        with contextlib.suppress(sa_exc.DBAPIError):
            connection.execute(text(MISTAKES[mistake]))

        with pytest.raises(TransactionAborted):
            connection.execute(text("INSERT INTO t VALUES (3, 3)"))
        with pytest.raises(TransactionAborted):
            connection.commit()


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.sampled(4)
async def test_rollback_makes_the_transaction_clean(engine: AsyncEngine, mistake: str) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO t VALUES (2, 2)"))
        with contextlib.suppress(sa_exc.DBAPIError):
            await connection.execute(text(MISTAKES[mistake]))
        await connection.rollback()
        await connection.execute(text("INSERT INTO t VALUES (100, 1)"))
        await connection.commit()

        assert await connection.scalar(text("SELECT count(*) FROM t")) == 2


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.sampled(4)
async def test_autocommit_has_nothing_to_poison(engine: AsyncEngine, mistake: str) -> None:
    autocommitting = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with autocommitting.connect() as connection:
        with contextlib.suppress(sa_exc.DBAPIError):
            await connection.execute(text(MISTAKES[mistake]))

        await connection.execute(text("INSERT INTO t VALUES (100, 1)"))

    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM t")) == 2


async def failing_stream(connection: Any) -> None:
    """Read a stream whose second batch cannot be converted."""
    query = "SELECT CAST(if(i < 90000, '', 'x') || i AS INTEGER) FROM range(99999) r(i)"
    result = await connection.stream(text(query), execution_options={"yield_per": 1000})
    async for _ in result:
        pass


async def test_a_stream_that_failed_half_way_poisons_its_transaction(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO t VALUES (2, 2)"))
        with pytest.raises(sa_exc.DBAPIError):
            await failing_stream(connection)

        with pytest.raises(TransactionAborted):
            await connection.execute(text("SELECT 1"))
        with pytest.raises(TransactionAborted):
            await connection.commit()


async def test_a_stream_that_failed_half_way_is_not_committed(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO t VALUES (2, 2)"))
        with contextlib.suppress(sa_exc.DBAPIError):
            await failing_stream(connection)

        with pytest.raises(TransactionAborted):
            await connection.commit()


async def test_a_stream_that_was_given_up_half_way_poisons_its_transaction(
    engine: AsyncEngine,
) -> None:
    slow = f"SELECT i FROM range(3000) r(i) WHERE i < 10 OR ({ENDLESS}) > 0"
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO t VALUES (2, 2)"))
        with contextlib.suppress(TimeoutError, sa_exc.DBAPIError):
            async with asyncio.timeout(0.1):
                async for _ in await connection.stream(text(slow)):
                    pass

        with pytest.raises(REFUSED):
            await connection.commit()


async def test_a_cancelled_statement_poisons_its_transaction(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO t VALUES (2, 2)"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await connection.execute(text(ENDLESS))

        with pytest.raises(REFUSED):
            await connection.execute(text("SELECT 1"))
        with pytest.raises(REFUSED):
            await connection.commit()


async def test_a_call_on_the_raw_connection_that_failed_poisons_its_transaction(
    engine: AsyncEngine,
) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO t VALUES (2, 2)"))
        driver: Any = (await connection.get_raw_connection()).driver_connection
        with pytest.raises(Exception, match="missing"):
            await driver.run(lambda raw: raw.execute("SELECT * FROM missing"), write=True)

        with pytest.raises(TransactionAborted):
            await connection.commit()


async def test_the_error_of_the_first_mistake_is_the_one_that_is_told(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        with contextlib.suppress(sa_exc.DBAPIError):
            await connection.execute(text("INSERT INTO t VALUES (1, 1)"))
        for _ in range(2):
            with pytest.raises(TransactionAborted, match="Duplicate key"):
                await connection.execute(text("SELECT 1"))

        with pytest.raises(TransactionAborted, match="Duplicate key"):
            await connection.commit()


async def test_a_nested_transaction_is_refused_by_name(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO t VALUES (100, 1)"))

        with pytest.raises(NestedTransactionUnsupported):
            async with connection.begin_nested():
                pass


@pytest.mark.slow
async def test_a_nested_session_transaction_is_refused_by_name(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        session.add(Thing(id=100, size=1))
        await session.flush()

        with pytest.raises(NestedTransactionUnsupported):
            async with session.begin_nested():
                session.add(Thing(id=101, size=1))


def test_a_nested_blocking_transaction_is_refused_by_name(blocking: Engine) -> None:
    with Session(blocking) as session:
        session.add(Thing(id=101, size=1))
        session.flush()

        with pytest.raises(NestedTransactionUnsupported), session.begin_nested():
            session.execute(text("SELECT 1"))
