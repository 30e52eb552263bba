"""Histories of concurrent tasks, some of them cancelled, checked for what must not happen.

Lists that are only appended to show in which order their writers came. Two lists that are
always appended to together and differ in a read were fractured. Registers that are read and
written back must end at the number of acknowledged increments.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import exc as sa_exc

from andamios_orm.exceptions import ConcurrencyConflict, TransactionAborted
from andamios_orm.testing.histories import History as SharedHistory
from andamios_orm.testing.histories import Level, anomalies, parsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.dialect.conftest import Doors, Party

    from andamios_orm.testing.histories import Transaction

pytestmark = [pytest.mark.concurrency, pytest.mark.db]

KEYS = 4
TASKS = 8
TRANSACTIONAL = ("session", "core", "sync", "second engine")

CLEAN = [f"DROP TABLE IF EXISTS {table}" for table in ("lists", "twins", "registers")]
TABLES = [
    "CREATE TABLE lists (id INTEGER PRIMARY KEY, items TEXT NOT NULL, twin TEXT NOT NULL)",
    "CREATE INDEX by_items ON lists (items)",
    "CREATE TABLE twins (id INTEGER PRIMARY KEY, items TEXT NOT NULL)",
    "CREATE TABLE registers (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)",
    f"INSERT INTO lists SELECT i, '', '' FROM range({KEYS}) r(i)",
    f"INSERT INTO twins SELECT i, '' FROM range({KEYS}) r(i)",
    f"INSERT INTO registers SELECT i, 0 FROM range({KEYS}) r(i)",
]


class History(SharedHistory):
    """What was asked for, what was acknowledged, and what was seen."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.fractures: list[Any] = []
        self.raised: dict[int, int] = {}
        self.maybe_raised: dict[int, int] = {}


async def append(party: Party, history: History, key: int, item: int) -> None:
    """Append an item to a list and to its twin, in place or as delete and insert."""
    returning = " RETURNING id" if history.chance.random() < 0.5 else ""
    column = history.chance.choice(["items", "twin"])
    other = "twin" if column == "items" else "items"
    await party.execute(
        f"UPDATE lists SET {column} = {column} || ' {item}' WHERE id = {key}{returning}"
    )
    await party.execute(f"UPDATE twins SET items = items || ' {item}' WHERE id = {key}")
    await party.execute(f"UPDATE lists SET {other} = {other} || ' {item}' WHERE id = {key}")


async def look(party: Party, history: History, transaction: Transaction, key: int) -> None:
    """Read a list and its twins in one transaction."""
    [(items, twin)] = await party.execute(f"SELECT items, twin FROM lists WHERE id = {key}")
    [(elsewhere,)] = await party.execute(f"SELECT items FROM twins WHERE id = {key}")
    transaction.reads(key, parsed(items))
    if not items == twin == elsewhere:
        history.fractures.append((key, items, twin, elsewhere))


async def append_transaction(doors: Doors, history: History) -> None:
    """Append in one transaction, after a look at another list; roll back now and then."""
    key, item = history.chance.randrange(KEYS), history.new_item()
    party = doors.open(history.chance.choice(TRANSACTIONAL))
    with history.transaction() as transaction:
        try:
            if history.chance.random() < 0.5:
                await look(party, history, transaction, history.chance.randrange(KEYS))
            transaction.appends(key, item)
            await append(party, history, key, item)
            if history.chance.random() < 0.2:
                return
            transaction.committing = True
            await party.commit()
            transaction.outcome = "committed"
        except (ConcurrencyConflict, TransactionAborted, sa_exc.PendingRollbackError):
            pass
        finally:
            await party.close()


async def raise_register(doors: Doors, history: History) -> None:
    """Read a register and write it back, one higher."""
    key = history.chance.randrange(KEYS)
    party = doors.open(history.chance.choice(TRANSACTIONAL))
    committing = False
    try:
        [(value,)] = await party.execute(f"SELECT n FROM registers WHERE id = {key}")
        await asyncio.sleep(history.chance.random() * 0.002)
        await party.execute(f"UPDATE registers SET n = {value + 1} WHERE id = {key}")
        committing = True
        await party.commit()
        history.raised[key] = history.raised.get(key, 0) + 1
    except (ConcurrencyConflict, TransactionAborted, sa_exc.PendingRollbackError):
        pass
    except asyncio.CancelledError:
        if committing:
            history.maybe_raised[key] = history.maybe_raised.get(key, 0) + 1
        raise
    finally:
        await party.close()


async def raise_at_once(doors: Doors, history: History) -> None:
    """Raise a register in one statement that commits by itself."""
    key = history.chance.randrange(KEYS)
    party = doors.open("autocommit")
    try:
        await party.execute(f"UPDATE registers SET n = n + 1 WHERE id = {key}")
        history.raised[key] = history.raised.get(key, 0) + 1
    except asyncio.CancelledError:
        history.maybe_raised[key] = history.maybe_raised.get(key, 0) + 1
        raise
    finally:
        await party.close()


async def only_look(doors: Doors, history: History) -> None:
    """Look at lists in one transaction."""
    party = doors.open(history.chance.choice(TRANSACTIONAL))
    with history.transaction() as transaction:
        try:
            for _ in range(history.chance.randrange(1, 3)):
                await look(party, history, transaction, history.chance.randrange(KEYS))
            transaction.outcome = "committed"
        finally:
            await party.close()


UNITS = [append_transaction, append_transaction, raise_register, raise_at_once, only_look]


@pytest.mark.usefixtures("no_thread_left")
@pytest.mark.slow
async def test_histories_show_no_anomaly(
    doors: Doors, rounds: Callable[[int, int, int], int]
) -> None:
    for seed in range(rounds(2, 6, 20)):
        history = History(seed)
        await doors.lab.set_up(*CLEAN, *TABLES)

        async with asyncio.timeout(60):
            units = rounds(12, 30, 60)
            does = [partial(unit, doors, history) for unit in UNITS]
            await asyncio.gather(*(history.client(does, units) for _ in range(TASKS)))

        await check(doors, history)


async def check(doors: Doors, history: History) -> None:
    """Raise if what is left contradicts the history, or if anything is still held."""
    lab = doors.lab
    async with asyncio.timeout(5):
        while lab.checked_out():  # noqa: ASYNC110  # a cancelled blocking transaction ends by itself
            await asyncio.sleep(0.001)
    left = await lab.rows(
        "SELECT id, lists.items, twin, twins.items FROM lists JOIN twins USING (id)"
    )
    assert all(items == twin == elsewhere for _, items, twin, elsewhere in left)
    assert history.fractures == []
    lists = {key: parsed(items) for key, items, _, _ in left}
    assert anomalies(history.transactions, lists, Level.SERIALIZABLE) == []
    for key, value in await lab.rows("SELECT id, n FROM registers"):
        least = history.raised.get(key, 0)
        assert least <= value <= least + history.maybe_raised.get(key, 0)
    assert history.committed >= 5
    assert lab.database.gate.holder is None
    assert lab.database.gate.waiting == 0
