"""What a transaction settles before its COMMIT, and who is told after it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from sqlalchemy import BigInteger, Connection, MetaData, create_engine, insert, select, text
from sqlalchemy.exc import IntegrityError, PendingRollbackError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.core.ledger import (
    Entry,
    Ledger,
    before_commit,
    is_watched,
    on_commit,
    refuse_autocommit,
    watch,
)
from andamios_orm.core.session import Session
from andamios_orm.dialect.calls import Further
from andamios_orm.exceptions import ConfigurationError, TransactionAborted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(DeclarativeBase):
    """The tables of these tests."""


class Note(Base):
    """What entries leave when they are settled."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    text: Mapped[str]


class Order(Base):
    """A row that somebody writes."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


@dataclass
class Noted(Entry):
    """Leaves a note; all of one transaction share one INSERT."""

    id: int
    text: str
    announced: ClassVar[bool] = True

    @classmethod
    def settle(cls, connection: Connection, entries: Sequence[Noted]) -> None:
        """Insert the notes."""
        rows = [{"id": entry.id, "text": entry.text} for entry in entries]
        before_commit(connection, insert(Note), rows)


@dataclass
class Checked(Entry):
    """Refuses a transaction with an order of this number, looking twice."""

    id: int
    turn: ClassVar[int] = 10

    @classmethod
    def settle(cls, connection: Connection, entries: Sequence[Checked]) -> None:
        """Look for the orders."""

        def look_again(rows: list[Any]) -> None:
            if rows:
                raise TooMany(str(rows[0][0]))

        def look(rows: list[Any]) -> Further | None:
            return Further("SELECT max(id) FROM orders", None, look_again) if rows else None

        for entry in entries:
            before_commit(connection, select(Order.id).where(Order.id == entry.id), then=look)


@dataclass
class Failing(Entry):
    """Cannot be settled."""

    @classmethod
    def settle(cls, _connection: Connection, _entries: Sequence[Failing]) -> None:
        """Fail."""
        raise TooMany("failing")


class TooMany(Exception):
    """What the checks of these tests raise."""


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def engine(database: Database) -> AsyncEngine:
    """Return an engine with the tables."""
    return database.engine


async def add(connection: AsyncConnection, *entries: Entry) -> None:
    def add_now(connection: Connection) -> None:
        for entry in entries:
            Ledger.of(connection).add(entry)

    await connection.run_sync(add_now)


async def notes(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list(await connection.scalars(select(Note.text).order_by(Note.id)))


async def orders(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as connection:
        return list(await connection.scalars(select(Order.id).order_by(Order.id)))


# ---- settling ------------------------------------------------------------------


async def test_entries_are_settled_at_commit(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(Order), {"id": 1})
        await add(connection, Noted(1, "a"), Noted(2, "b"))

    assert await notes(engine) == ["a", "b"]


async def test_entries_are_settled_without_any_statement_before_them(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add(connection, Noted(1, "a"))

    assert await notes(engine) == ["a"]


async def test_entries_are_settled_when_a_session_commits(engine: AsyncEngine) -> None:
    async with Session(engine) as session:
        session.add(Order(id=1))
        await session.flush()
        await add(await session.connection(), Noted(1, "a"))
        await session.commit()

    assert await notes(engine) == ["a"]


async def test_a_commit_settles_once(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        await add(connection, Noted(1, "a"))
        await connection.commit()
        await connection.execute(insert(Order), {"id": 1})
        await connection.commit()

    assert await notes(engine) == ["a"]


async def test_what_is_still_to_settle_is_known(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        raw = connection.sync_connection
        assert raw is not None
        before = Ledger.holds(raw, Noted)
        async with connection.begin():
            await connection.run_sync(lambda inner: Ledger.of(inner).add(Noted(1, "a")))

            held = [Ledger.holds(raw, kind) for kind in (Noted, Checked)]
        assert (before, held, Ledger.holds(raw, Noted)) == (False, [True, False], False)


async def test_what_is_rolled_back_is_forgotten(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(insert(Order), {"id": 1})
        await add(connection, Noted(1, "a"))
        await connection.rollback()
        await connection.execute(insert(Order), {"id": 2})
        await connection.commit()

    assert await notes(engine) == []
    assert await orders(engine) == [2]


async def test_lower_turns_come_first(engine: AsyncEngine) -> None:
    with pytest.raises(TooMany, match="7"):
        async with engine.begin() as connection:
            await connection.execute(insert(Order), [{"id": 6}, {"id": 7}])
            await add(connection, Noted(1, "a"), Checked(6))

    assert await notes(engine) == []
    assert await orders(engine) == []


async def test_a_check_that_passes_lets_the_commit_pass(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(Order), {"id": 1})
        await add(connection, Checked(6), Noted(1, "a"))

    assert (await notes(engine), await orders(engine)) == (["a"], [1])


@pytest.mark.parametrize("entry", [Failing(), Checked(1)])
async def test_what_cannot_be_settled_rolls_back_and_the_session_goes_on(
    engine: AsyncEngine, entry: Entry
) -> None:
    async with Session(engine) as session:
        session.add(Order(id=1))
        await session.flush()
        await add(await session.connection(), Noted(1, "a"), entry)
        with pytest.raises(TooMany):
            await session.commit()
        await session.rollback()
        session.add(Order(id=2))
        await session.commit()

    assert (await notes(engine), await orders(engine)) == ([], [2])


async def test_a_settlement_that_the_database_refuses_raises_its_error(
    engine: AsyncEngine,
) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(Note), {"id": 1, "text": "there"})

    with pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(insert(Order), {"id": 1})
            await add(connection, Noted(1, "twice"))

    assert (await notes(engine), await orders(engine)) == (["there"], [])


async def test_a_transaction_that_failed_is_not_settled(engine: AsyncEngine) -> None:
    with pytest.raises(TransactionAborted):
        async with engine.begin() as connection:
            await connection.execute(insert(Order), {"id": 1})
            await add(connection, Noted(1, "a"))
            with pytest.raises(IntegrityError):
                await connection.execute(insert(Order), {"id": 1})

    assert await notes(engine) == []


async def test_a_ledger_needs_a_transaction(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        with pytest.raises(ConfigurationError, match="begin one"):
            await connection.run_sync(Ledger.of)


async def test_a_ledger_is_refused_in_autocommit(engine: AsyncEngine) -> None:
    door = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with door.connect() as connection:
        await connection.execute(text("SELECT 1"))
        with pytest.raises(ConfigurationError, match="AUTOCOMMIT"):
            await connection.run_sync(Ledger.of)
        with pytest.raises(ConfigurationError, match="AUTOCOMMIT"):
            await connection.run_sync(refuse_autocommit)


@pytest.mark.slow
async def test_a_task_that_is_cancelled_at_commit_has_all_or_nothing(engine: AsyncEngine) -> None:
    async def write(number: int) -> None:
        async with engine.begin() as connection:
            await connection.execute(insert(Order), {"id": number})
            await add(connection, Noted(number, str(number)))

    for number in range(30):
        task = asyncio.create_task(write(number))
        await asyncio.sleep(number * 0.0003)
        task.cancel()
        await asyncio.wait({task})

    assert await notes(engine) == [str(number) for number in await orders(engine)]


# ---- savepoints ------------------------------------------------------------------


@pytest.fixture
async def postgres_engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """Yield an engine of PostgreSQL, which alone has savepoints, with the tables."""
    async with Database(postgres_url) as database:
        yield database.engine


@pytest.mark.parametrize("first", [True, False])
async def test_what_a_savepoint_rolled_back_is_forgotten(
    postgres_engine: AsyncEngine, *, first: bool
) -> None:
    async with postgres_engine.begin() as connection:
        if first:
            await add(connection, Noted(1, "before"))
        savepoint = await connection.begin_nested()
        await add(connection, Noted(2, "inside"))
        async with connection.begin_nested():
            await add(connection, Noted(3, "released inside"))
        await savepoint.rollback()
        await add(connection, Noted(4, "after"))

    assert await notes(postgres_engine) == (["before", "after"] if first else ["after"])


async def test_what_a_savepoint_released_is_kept(postgres_engine: AsyncEngine) -> None:
    async with postgres_engine.begin() as connection, connection.begin_nested():
        await add(connection, Noted(1, "inside"))

    assert await notes(postgres_engine) == ["inside"]


async def test_savepoints_without_entries_leave_no_trace(postgres_engine: AsyncEngine) -> None:
    async with postgres_engine.begin() as connection:
        async with connection.begin_nested():
            pass
        savepoint = await connection.begin_nested()
        await savepoint.rollback()

    assert await notes(postgres_engine) == []


async def test_a_transaction_that_failed_in_a_savepoint_is_settled(
    postgres_engine: AsyncEngine,
) -> None:
    async with postgres_engine.begin() as connection:
        await connection.execute(insert(Order), {"id": 1})
        await add(connection, Noted(1, "a"))
        with pytest.raises(IntegrityError):
            async with connection.begin_nested():
                await add(connection, Noted(2, "b"))
                await connection.execute(insert(Order), {"id": 1})

    assert await notes(postgres_engine) == ["a"]


async def test_a_connection_that_is_lost_while_settling_stays_the_callers(
    postgres_engine: AsyncEngine,
) -> None:
    @dataclass
    class Cut(Entry):
        @classmethod
        def settle(cls, connection: Connection, _entries: Sequence[Cut]) -> None:
            before_commit(connection, text("SELECT pg_terminate_backend(pg_backend_pid())"))

    connection = await postgres_engine.connect()
    await connection.execute(insert(Order), {"id": 1})
    await add(connection, Cut())
    with pytest.raises(Exception, match="terminat"):
        await connection.commit()
    await connection.close()

    assert await orders(postgres_engine) == []


async def test_a_connection_that_is_lost_before_its_commit_settles_nothing(
    postgres_engine: AsyncEngine,
) -> None:
    async with postgres_engine.connect() as connection:
        await connection.execute(insert(Order), {"id": 1})
        await add(connection, Noted(1, "a"))
        await connection.invalidate()
        with pytest.raises(PendingRollbackError):
            await connection.commit()
        await connection.rollback()

    assert await notes(postgres_engine) == []


# ---- listeners -------------------------------------------------------------------


async def test_listeners_are_told_after_announced_commits(engine: AsyncEngine) -> None:
    told: list[int] = []
    end = on_commit(engine, lambda: told.append(1))

    async with engine.begin() as connection:
        await connection.execute(insert(Order), {"id": 1})
    assert told == []
    async with engine.begin() as connection:
        await add(connection, Noted(1, "a"))
    assert told == [1]
    end()
    async with engine.begin() as connection:
        await add(connection, Noted(2, "a"))

    assert told == [1]


async def test_a_listener_that_fails_disturbs_nobody(
    engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[int] = []
    on_commit(engine, lambda: 1 // 0)
    on_commit(engine, lambda: told.append(1))

    async with engine.begin() as connection:
        await add(connection, Noted(1, "a"))

    assert told == [1]
    assert "a listener to commits failed" in caplog.text


# ---- watching --------------------------------------------------------------------


async def test_a_session_watches_a_plain_engine_at_its_first_flush(url: str) -> None:
    plain = create_async_engine(url)
    assert not is_watched(plain.dialect)

    async with Session(plain.execution_options(compiled_cache=None)) as session:
        session.add(Order(id=1))
        await session.flush()
        await add(await session.connection(), Noted(1, "a"))
        await session.commit()

    assert is_watched(plain.dialect)
    assert await notes(plain) == ["a"]
    await plain.dispose()


async def test_a_session_without_an_engine_of_its_own_can_flush(engine: AsyncEngine) -> None:
    async with Session(binds={Order: engine}) as session:
        session.add(Order(id=1))
        await session.commit()

    assert await orders(engine) == [1]


def test_a_sync_engine_settles_in_its_thread(duckdb_url: str) -> None:
    engine = create_engine(duckdb_url)
    watch(engine)
    watch(engine)

    with engine.begin() as connection:
        Ledger.of(connection).add(Noted(1, "a"))

    with engine.connect() as connection:
        assert connection.scalars(select(Note.text)).all() == ["a"]
    engine.dispose()


def test_two_phases_are_settled_with_the_first(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    watch(engine)
    with engine.connect() as connection:
        if connection.scalar(text("SHOW max_prepared_transactions")) == "0":
            pytest.skip("the server prepares no transactions")

    with engine.connect() as connection:
        transaction = connection.begin_twophase()
        Ledger.of(connection).add(Noted(1, "a"))
        transaction.prepare()
        transaction.commit()

    with engine.connect() as connection:
        assert connection.scalars(select(Note.text)).all() == ["a"]
    engine.dispose()
