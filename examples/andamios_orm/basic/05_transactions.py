"""Transactions: who commits, what happens on an error, and how a conflict is run again.

Shows ``transaction()``, ``session()``, ``retry``, ``write``, steps that belong together,
the warning about forgotten commits, and what is refused rather than half done.

Prints the balance after each step. Costs: BEGIN travels with the first statement and the
rollback of a transaction that only read is not waited for, so a read costs one hop to the
connection's thread and a write with its commit two; an empty transaction costs none.

Edge cases: what runs between the first write and the commit keeps every other writer of
the file waiting, so slow work belongs before it; DuckDB has no savepoints; after any error
a transaction can only be rolled back, on DuckDB as on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import contextlib
import warnings

from sqlalchemy import BigInteger, CheckConstraint, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, Session, SessionManager, run
from andamios_orm.core import Attempt, Transaction
from andamios_orm.exceptions import (
    CheckViolation,
    DuplicateKey,
    NestedTransactionUnsupported,
    TransactionAborted,
    UncommittedChanges,
    WriteConflict,
    WriteDeadlock,
)


class Base(DeclarativeBase):
    """The tables of this example."""


class Account(Base):
    """Somebody's money."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    balance: Mapped[int] = mapped_column(CheckConstraint("balance >= 0"))


async def balances(database: SessionManager) -> list[int]:
    """Return all balances; a session that only reads has nothing to commit."""
    async with database.session() as session:
        return list(await session.scalars(select(Account.balance).order_by(Account.id)))


async def transfer(session: Session, amount: int) -> None:
    """Move money from account 1 to account 2: business code takes a session, never commits."""
    giver, taker = await session.get_one(Account, 1), await session.get_one(Account, 2)
    giver.balance -= amount
    taker.balance += amount


async def success_and_error(database: Database) -> None:
    """The block commits; an error that leaves it rolls everything back."""
    async with database.transaction() as session:
        await transfer(session, 30)
    print("after a transfer:", await balances(database))
    try:
        async with database.transaction() as session:
            await transfer(session, 1_000)
    except CheckViolation as error:
        print(f"refused by the table {error.table}:", await balances(database))


async def again_after_a_conflict(database: Database) -> None:
    """Who read first and writes later is told if the row has changed, and may run again."""
    work: Transaction = database.transaction(retry=True)
    runs = 0
    async for attempt in work:
        assert isinstance(attempt, Attempt)
        async with attempt as session:
            runs += 1
            account = await session.get_one(Account, 1)
            if runs == 1:  # somebody else is faster, once
                await success_and_error(database)
            account.balance += 1
    print(f"in {runs} runs:", await balances(database))
    try:
        async with database.transaction() as session:
            account = await session.get_one(Account, 1)
            await success_and_error(database)
            account.balance += 1
    except WriteConflict:
        print("without retry the conflict is yours:", await balances(database))


async def from_the_start(database: Database) -> None:
    """One hot row: take the gate with the first statement, and nobody has to run again."""

    async def add_one() -> None:
        async with database.transaction(write=True) as session:
            (await session.get_one(Account, 1)).balance += 1

    await asyncio.gather(*(add_one() for _ in range(20)))
    print("20 tasks added 1:", await balances(database))


async def several_steps(database: Database) -> None:
    """Functions that belong together, each called with the session; all or nothing."""

    async def total(session: Session) -> int:
        return sum(await session.scalars(select(Account.balance)))

    results = await database.execute_in_transaction([lambda s: transfer(s, 5), total], retry=True)
    print("steps returned:", results, await balances(database))


async def a_forgotten_commit(database: Database) -> None:
    """A session never commits by itself, and says so when something was lost by that."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UncommittedChanges)
        async with database.session() as session:
            await transfer(session, 10)
            await session.flush()
    print("forgotten:", str(caught[0].message).partition(";")[0])


async def a_swallowed_error(database: Database) -> None:
    """The error was caught, the transaction is dead: neither statement nor commit lies."""
    try:
        async with database.engine.begin() as connection:
            await connection.execute(text("UPDATE accounts SET balance = 0"))
            with contextlib.suppress(DuplicateKey):
                await connection.execute(text("INSERT INTO accounts VALUES (1, 1)"))
    except TransactionAborted:
        print("swallowed error, nothing committed:", await balances(database))


async def what_is_refused(database: Database) -> None:
    """Better told at once than after a wait that cannot end."""
    try:
        async with database.transaction() as session, session.begin_nested():
            await transfer(session, 1)
    except NestedTransactionUnsupported as error:
        print("no savepoint:", str(error).partition(",")[0])
    try:
        async with database.transaction() as outer, database.transaction() as inner:
            await transfer(outer, 1)
            await outer.flush()
            await transfer(inner, 1)
    except WriteDeadlock as error:
        print("a task that would wait for itself:", str(error).rpartition(": ")[2])


async def main() -> None:
    """Run the steps on a memory database; a file behaves the same."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with database.transaction() as session:
            session.add_all([Account(id=1, balance=100), Account(id=2, balance=0)])
        await success_and_error(database)
        await again_after_a_conflict(database)
        await from_the_start(database)
        await several_steps(database)
        await a_forgotten_commit(database)
        await a_swallowed_error(database)
        await what_is_refused(database)


if __name__ == "__main__":
    run(main())
