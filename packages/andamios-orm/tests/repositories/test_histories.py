"""Histories of many tasks that read and write through repositories, some of them cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from sqlalchemy import BigInteger, ForeignKey, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, Session
from andamios_orm.core.changes import ChangeFeed
from andamios_orm.exceptions import StaleVersion, WriteConflict
from andamios_orm.models import IntegerKeyMixin, Row, VersionMixin
from andamios_orm.repositories import BaseRepository
from andamios_orm.testing.histories import (
    Bank,
    History,
    Level,
    Transaction,
    Transfer,
    Undone,
    anomalies,
    parsed,
)

pytestmark = [pytest.mark.concurrency, pytest.mark.db]

KEYS = 4
TASKS = 8
RETRIES = 100


class Base(Row, DeclarativeBase):
    """The base of these tables."""


class Items(VersionMixin, Base):
    """A list that is only appended to; with its index an update moves the row on DuckDB."""

    __tablename__ = "lists"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    items: Mapped[str] = mapped_column(default="", index=True)


class Account(IntegerKeyMixin, VersionMixin, Base):
    """Has money, and never less than none."""

    __tablename__ = "accounts"

    balance: Mapped[int]


class Payment(IntegerKeyMixin, Base):
    """Says that money went from one account to another."""

    __tablename__ = "payments"

    number: Mapped[int] = mapped_column(unique=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    target_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    amount: Mapped[int]


@dataclass(frozen=True)
class Kind:
    """A kind of database, and what it promises."""

    name: str
    fixture: str
    level: Level
    isolation: str | None = None


KINDS = [
    Kind("duckdb file", "duckdb_url", Level.SERIALIZABLE),
    Kind("read committed", "postgres_url", Level.READ_COMMITTED, "READ COMMITTED"),
    Kind("repeatable read", "postgres_url", Level.SNAPSHOT),
]


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Return each kind of database in turn."""
    found: Kind = request.param
    return found


@pytest.fixture
async def database(kind: Kind, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Yield a database of each kind, with the tables."""
    url = request.getfixturevalue(kind.fixture)
    async with Database(url, isolation_level=kind.isolation) as database:
        yield database


# ---- lists: every way to read one, and every way to write it back --------------------

Lists = BaseRepository[Items]


async def _streamed(lists: Lists, key: int) -> Items:
    async with lists.reading() as reading:
        [row] = [row async for row in reading.stream(id=key)]
        return row


READS: list[Callable[[Lists, int], Awaitable[Items]]] = [
    lambda lists, key: lists.get(key),
    lambda lists, key: lists.get_one(id=key),
    lambda lists, key: lists.query().filter(id=key).one(),
]


async def _flushed(lists: Lists, row: Items, items: str) -> None:
    row.items = items
    await lists.session.flush()


async def _replaced(lists: Lists, row: Items, items: str) -> None:
    await lists.upsert({"id": row.id, "items": items})


WRITES: list[Callable[[Lists, Items, str], Awaitable[Any]]] = [
    lambda lists, row, items: lists.update(row.id, {"items": items}),
    lambda lists, row, items: lists.update(row.id, {"items": items}, version=row.version),
    lambda lists, row, items: lists.update_many([{"id": row.id, "items": items}]),
    lambda lists, row, items: lists.get_and_update({"items": items}, row.id),
    lambda lists, row, items: lists.bulk_update(
        [{"id": row.id, "items": items, "version": row.version}]
    ),
    _flushed,
    _replaced,
]


Work = Callable[[Session, History, Transaction], Awaitable[None]]


async def looks(lists: Lists, history: History, transaction: Transaction) -> Items:
    """Read a list; return its row."""
    key = history.chance.randrange(KEYS)
    # psycopg leaves the cursor of a stream open that is cancelled while it is declared
    streams = [_streamed] if lists.session.get_bind().dialect.name == "duckdb" else []
    row = await history.chance.choice([*READS, *streams])(lists, key)
    transaction.reads(key, parsed(row.items))
    return row


async def appends(session: Session, history: History, transaction: Transaction) -> None:
    """Read some lists, append to one or two, and give up now and then."""
    lists = BaseRepository(session, Items)
    for _ in range(history.chance.randrange(3)):
        await looks(lists, history, transaction)
    for _ in range(history.chance.randrange(1, 3)):
        row = await looks(lists, history, transaction)
        await asyncio.sleep(history.chance.random() * 0.002)
        item = history.new_item()
        transaction.appends(row.id, item)
        await history.chance.choice(WRITES)(lists, row, f"{row.items} {item}")
    if history.chance.random() < 0.2:
        raise Undone


async def only_looks(session: Session, history: History, transaction: Transaction) -> None:
    """Read some lists."""
    lists = BaseRepository(session, Items)
    for _ in range(history.chance.randrange(1, KEYS)):
        await looks(lists, history, transaction)


async def run(database: Database, history: History, work: Work) -> None:
    """Do ``work`` in a transaction, and again after a conflict; note what became of each."""
    async for attempt in database.transaction(retry=RETRIES):
        with history.transaction() as transaction:
            try:
                async with attempt as session:
                    await work(session, history, transaction)
                    transaction.committing = True
            except Undone:
                return
            if attempt.conflict is None:
                transaction.outcome = "committed"


async def held(database: Database) -> dict[int, list[int]]:
    """Return what the lists hold."""
    rows = await BaseRepository(database, Items).list()
    return {row.id: parsed(row.items) for row in rows}


async def emptied(database: Database) -> None:
    """Empty the lists."""
    lists = BaseRepository(database, Items)
    await lists.bulk_delete(range(KEYS))
    await lists.bulk_create([{"id": key} for key in range(KEYS)])


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_lists_show_no_anomaly(
    database: Database, kind: Kind, rounds: Callable[[int, int, int], int]
) -> None:
    for seed in range(rounds(2, 6, 20)):
        history = History(seed)
        await emptied(database)
        units = [partial(run, database, history, work) for work in (appends, appends, only_looks)]

        async with asyncio.timeout(120):
            times = rounds(6, 12, 24)
            await asyncio.gather(*(history.client(units, times) for _ in range(TASKS)))

        assert history.committed >= TASKS
        assert anomalies(history.transactions, await held(database), kind.level) == []


async def careless(database: Database, history: History, read: asyncio.Barrier) -> None:
    """Append to a list in two transactions: what comes between them is overwritten."""
    with history.transaction() as transaction:
        found = await BaseRepository(database, Items).get(0)
        transaction.reads(0, parsed(found.items))
        await read.wait()
        item = history.new_item()
        transaction.appends(0, item)
        await BaseRepository(database, Items).update(0, {"items": f"{found.items} {item}"})
        transaction.outcome = "committed"


@pytest.mark.slow
async def test_the_checker_finds_what_a_careless_writer_loses(
    database: Database, kind: Kind
) -> None:
    history, read = History(0), asyncio.Barrier(3)
    await emptied(database)

    await asyncio.gather(*(careless(database, history, read) for _ in range(3)))

    found = anomalies(history.transactions, await held(database), kind.level)
    assert [one.partition(":")[0] for one in found] == ["lost or doubled"] * 2


async def test_a_row_that_changed_since_it_was_read_is_not_written(
    database: Database, kind: Kind
) -> None:
    await emptied(database)
    refused = {"read committed": StaleVersion, "repeatable read": WriteConflict}

    async with database.session() as session:
        lists = BaseRepository(session, Items)
        await lists.get(0)  # and forgets the instance
        await BaseRepository(database, Items).update(0, {"items": "1"})
        with pytest.raises(refused.get(kind.name, WriteConflict)):
            await lists.update(0, {"items": "2"})

    assert (await held(database))[0] == [1]


# ---- a bank: what is sent arrives, once ----------------------------------------------

ACCOUNTS = 5
OPENING = dict.fromkeys(range(1, ACCOUNTS + 1), 100)


async def pays(session: Session, history: History, transaction: Transaction, *, bank: Bank) -> None:
    """Send money from one account to another, if there is enough."""
    accounts, payments = BaseRepository(session, Account), BaseRepository(session, Payment)
    source, target = history.chance.sample(sorted(OPENING), 2)
    amount, number = history.chance.randrange(1, 60), history.new_item()
    balance = {key: (await accounts.get(key)).balance for key in (source, target)}
    if balance[source] < amount:
        raise Undone
    bank.transfers.append(Transfer(number, source, target, amount, transaction))
    await asyncio.sleep(history.chance.random() * 0.002)
    await accounts.update(source, {"balance": balance[source] - amount})
    await payments.create(
        {"number": number, "source_id": source, "target_id": target, "amount": amount}
    )
    await accounts.update(target, {"balance": balance[target] + amount})
    if history.chance.random() < 0.1:
        raise Undone


async def counts(session: Session, _: History, __: Transaction, *, bank: Bank) -> None:
    """Add up what the accounts have."""
    rows = await BaseRepository(session, Account).list()
    bank.totals.append(sum(row.balance for row in rows))


async def recorded(database: Database, expected: int) -> list[int]:
    """Return the keys of payments in the change feed; PostgreSQL may show them a moment later."""
    feed = ChangeFeed(database, Base.metadata)
    async with asyncio.timeout(10):
        while True:
            changes = await feed.read(limit=100_000)
            made = [one for one in changes if (one.entity, one.kind) == ("payments", "create")]
            if len(made) >= expected:
                return sorted(int(one.key or 0) for one in made)
            await asyncio.sleep(0.01)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_bank_loses_nothing(
    database: Database, rounds: Callable[[int, int, int], int]
) -> None:
    accounts, payments = BaseRepository(database, Account), BaseRepository(database, Payment)
    await accounts.bulk_create([{"balance": 100} for _ in OPENING])
    bank, history = Bank(OPENING), History(0)
    work = [partial(pays, bank=bank), partial(pays, bank=bank), partial(counts, bank=bank)]
    units = [partial(run, database, history, one) for one in work]

    for seed in range(rounds(2, 6, 20)):
        history.chance.seed(seed)
        async with asyncio.timeout(120):
            times = rounds(6, 12, 24)
            await asyncio.gather(*(history.client(units, times) for _ in range(TASKS)))

    kept = await payments.list(100_000)
    balances = {row.id: row.balance for row in await accounts.list()}
    assert history.committed >= TASKS
    assert bank.faults(balances, [row.number for row in kept]) == []
    assert await recorded(database, len(kept)) == sorted(row.id for row in kept)


# ---- one row that everybody wants ----------------------------------------------------


async def increment(database: Database, times: int) -> None:
    """Raise the first account, reading it first each time."""
    for _ in range(times):
        async for attempt in database.transaction(retry=1000):
            async with attempt as session:
                accounts = BaseRepository(session, Account)
                balance = (await accounts.get(1)).balance
                await accounts.update(1, {"balance": balance + 1})


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_thousand_increments_are_a_thousand(database: Database) -> None:
    accounts = BaseRepository(database, Account)
    await accounts.create({"balance": 0})

    await asyncio.gather(*(increment(database, 20) for _ in range(50)))

    assert (await accounts.get(1)).balance == 1000
