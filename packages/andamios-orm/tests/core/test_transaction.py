import asyncio

import pytest
from sqlalchemy import BigInteger, MetaData, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.core import transaction
from andamios_orm.core.transaction import Attempt, Transaction
from andamios_orm.exceptions import (
    ConfigurationError,
    DuplicateKey,
    StaleVersion,
    WriteConflict,
)

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(DeclarativeBase):
    """The tables of these tests."""


class Account(Base):
    """Something that everybody wants to change."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    balance: Mapped[int]


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.transaction() as session:
        session.add_all([Account(id=1, balance=10), Account(id=2, balance=10)])
    return database


async def balance(database: Database, key: int = 1) -> int:
    async with database.session() as session:
        return (await session.get_one(Account, key)).balance


async def add_one(database: Database) -> None:
    async with database.transaction() as other:
        await other.execute(update(Account).values(balance=Account.balance + 1))


async def test_a_transaction_commits_on_success(filled: Database) -> None:
    async with filled.transaction() as session:
        (await session.get_one(Account, 1)).balance = 11

    assert await balance(filled) == 11


async def test_a_transaction_rolls_back_on_an_error(filled: Database) -> None:
    with pytest.raises(LookupError):
        async with filled.transaction() as session:
            (await session.get_one(Account, 1)).balance = 11
            await session.flush()
            raise LookupError

    assert await balance(filled) == 10


async def test_a_cancelled_transaction_rolls_back_and_stays_cancelled(filled: Database) -> None:
    reached = asyncio.Event()

    async def work() -> None:
        async with filled.transaction() as session:
            (await session.get_one(Account, 1)).balance = 11
            await session.flush()
            reached.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await reached.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert await balance(filled) == 10


@pytest.mark.slow
async def test_what_a_transaction_changed_alone_is_lost_to_nobody(filled: Database) -> None:
    with pytest.raises(WriteConflict):
        async with filled.transaction() as session:
            account = await session.get_one(Account, 1)
            await add_one(filled)
            account.balance += 1

    assert await balance(filled) == 11


async def test_a_conflict_runs_the_block_again(filled: Database) -> None:
    runs = 0

    async for attempt in filled.transaction(retry=True):
        async with attempt as session:
            account = await session.get_one(Account, 1)
            runs += 1
            if runs == 1:
                await add_one(filled)
            account.balance += 1

    assert (runs, await balance(filled)) == (2, 12)


async def test_a_conflict_at_the_commit_runs_the_block_again(filled: Database) -> None:
    runs = 0

    async for attempt in filled.transaction(retry=1):
        async with attempt as session:
            runs += 1
            await session.scalars(select(Account))
            if runs == 1:
                raise StaleVersion("somebody else was faster", expected=1, actual=2)

    assert runs == 2


@pytest.mark.slow
async def test_many_tasks_change_one_row_and_none_is_lost(filled: Database) -> None:
    async def add() -> None:
        async for attempt in filled.transaction(retry=40):
            async with attempt as session:
                account = await session.get_one(Account, 1)
                account.balance += 1

    await asyncio.gather(*(add() for _ in range(20)))

    assert await balance(filled) == 30


async def test_the_last_attempt_lets_the_conflict_out(filled: Database) -> None:
    runs = 0

    with pytest.raises(StaleVersion):
        async for attempt in filled.transaction(retry=2):
            async with attempt:
                runs += 1
                raise StaleVersion("again")

    assert runs == 3


async def test_other_errors_are_not_tried_again(filled: Database) -> None:
    runs = 0

    with pytest.raises(DuplicateKey):
        async for attempt in filled.transaction(retry=True):
            async with attempt as session:
                runs += 1
                session.add(Account(id=1, balance=0))

    assert runs == 1


async def test_an_attempt_of_a_loop_commits(filled: Database) -> None:
    async for attempt in filled.transaction(retry=True):
        async with attempt as session:
            (await session.get_one(Account, 1)).balance = 0

    assert await balance(filled) == 0


async def test_a_block_cannot_run_itself_again(filled: Database) -> None:
    with pytest.raises(ConfigurationError, match="async for attempt in"):
        async with filled.transaction(retry=True):
            pass


async def test_a_number_of_attempts_below_none_is_refused(filled: Database) -> None:
    with pytest.raises(ConfigurationError, match="retry=-1"):
        filled.transaction(retry=-1)


async def test_retry_0_is_one_attempt(filled: Database) -> None:
    async with filled.transaction(retry=0) as session:
        assert await session.get(Account, 1)


async def test_write_takes_the_gate_with_the_first_statement(duckdb_database: Database) -> None:
    async with duckdb_database.transaction(write=True) as session:
        await session.scalar(select(1))

        gate = (await duckdb_database.health()).gate

    assert gate is not None
    assert gate.holder is not None


@pytest.mark.parametrize("url", ["duckdb"], indirect=True)
async def test_write_makes_readers_that_write_wait_for_each_other(filled: Database) -> None:
    """Without a retry, on DuckDB: who reads second reads what the first has written."""

    async def add() -> None:
        async with filled.transaction(write=True) as session:
            account = await session.get_one(Account, 1)
            await asyncio.sleep(0)
            account.balance += 1

    await asyncio.gather(*(add() for _ in range(10)))

    assert await balance(filled) == 20


async def test_an_attempt_that_cannot_begin_gives_its_connection_back(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_session: object) -> None:
        raise LookupError

    monkeypatch.setattr(transaction, "take_gate", refuse)

    with pytest.raises(LookupError):
        async with filled.transaction(write=True):
            pass

    assert (await filled.health()).pool.in_use == 0


async def test_an_attempt_that_never_opened_does_not_queue(filled: Database) -> None:
    def never() -> None:
        raise AssertionError

    attempt = Attempt(never, write=False, last=True)  # type: ignore[arg-type]  # it is never called

    assert not attempt.queues_by_itself


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_losers_pause_for_longer_every_time(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    highest: list[float] = []

    def lowest(low: float, high: float) -> float:
        highest.append(high)
        return low

    monkeypatch.setattr("random.uniform", lowest)

    with pytest.raises(StaleVersion):
        async for attempt in Transaction(filled._open, retry=8):
            async with attempt:
                raise StaleVersion("again")

    assert highest[:3] == [0.01, 0.02, 0.04]
    assert highest[-1] == 1.0
