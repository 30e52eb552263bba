"""Histories of concurrent tasks, some of them cancelled, checked for what must not happen.

Lists that are only appended to show in which order their writers came: a committed append
that is missing was lost, one that was rolled back and is seen was dirty, and two lists that
are always appended to together and differ in a read were fractured. Registers that are read
and written back must end at the number of acknowledged increments.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import exc as sa_exc

from andamios_orm.exceptions import ConcurrencyConflict, TransactionAborted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.dialect.conftest import Doors, Party

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


@dataclass
class History:
    """What was asked for, what was acknowledged, and what was seen."""

    chance: random.Random
    next_item: int = 0
    committed: dict[int, int] = field(default_factory=dict)
    undone: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    lists: list[tuple[int, list[int]]] = field(default_factory=list)
    fractures: list[Any] = field(default_factory=list)
    raised: dict[int, int] = field(default_factory=dict)
    maybe_raised: dict[int, int] = field(default_factory=dict)

    def new_item(self) -> int:
        """Return a number that was never appended before."""
        self.next_item += 1
        return self.next_item


def parsed(items: str) -> list[int]:
    return [int(item) for item in items.split()]


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


async def look(party: Party, history: History, key: int) -> None:
    """Read a list and its twins in one transaction."""
    [(items, twin)] = await party.execute(f"SELECT items, twin FROM lists WHERE id = {key}")
    [(elsewhere,)] = await party.execute(f"SELECT items FROM twins WHERE id = {key}")
    history.lists.append((key, parsed(items)))
    if not items == twin == elsewhere:
        history.fractures.append((key, items, twin, elsewhere))


async def append_transaction(doors: Doors, history: History) -> None:
    """Append in one transaction, after a look at another list; roll back now and then."""
    key, item = history.chance.randrange(KEYS), history.new_item()
    party = doors.open(history.chance.choice(TRANSACTIONAL))
    committing = False
    try:
        if history.chance.random() < 0.5:
            await look(party, history, history.chance.randrange(KEYS))
        await append(party, history, key, item)
        if history.chance.random() < 0.2:
            history.undone.add(item)
            return
        committing = True
        await party.commit()
        history.committed[item] = key
    except (ConcurrencyConflict, TransactionAborted, sa_exc.PendingRollbackError):
        history.undone.add(item)
    except asyncio.CancelledError:
        (history.unknown if committing else history.undone).add(item)
        raise
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
    """Look at a list."""
    party = doors.open(history.chance.choice(TRANSACTIONAL))
    try:
        await look(party, history, history.chance.randrange(KEYS))
    finally:
        await party.close()


UNITS = [append_transaction, append_transaction, raise_register, raise_at_once, only_look]


async def client(doors: Doors, history: History, units: int) -> None:
    """Run units, each in a task of its own, and cancel some of them."""
    for _ in range(units):
        task = asyncio.create_task(history.chance.choice(UNITS)(doors, history))
        if history.chance.random() < 0.25:
            await asyncio.sleep(history.chance.random() * 0.01)
            task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


def check_lists(history: History, final: dict[int, list[int]]) -> None:
    """Raise if an append was lost, doubled or seen although it was undone, or out of order."""
    for item, key in history.committed.items():
        assert final[key].count(item) == 1, f"lost: {item} in list {key}"
    for key, items in [*history.lists, *final.items()]:
        assert history.undone.isdisjoint(items), f"dirty: {history.undone & {*items}} in list {key}"
        assert items == final[key][: len(items)], f"list {key} was seen in another order"
    known = {*history.committed, *history.unknown}
    assert all(known.issuperset(items) for items in final.values())
    assert history.fractures == []


@pytest.mark.usefixtures("no_thread_left")
async def test_histories_show_no_anomaly(
    doors: Doors, rounds: Callable[[int, int, int], int]
) -> None:
    for seed in range(rounds(2, 6, 20)):
        history = History(random.Random(seed))
        await doors.lab.set_up(*CLEAN, *TABLES)

        async with asyncio.timeout(60):
            units = rounds(12, 30, 60)
            await asyncio.gather(*(client(doors, history, units) for _ in range(TASKS)))

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
    check_lists(history, {key: parsed(items) for key, items, _, _ in left})
    for key, value in await lab.rows("SELECT id, n FROM registers"):
        least = history.raised.get(key, 0)
        assert least <= value <= least + history.maybe_raised.get(key, 0)
    assert len(history.committed) >= 5
    assert lab.database.gate.holder is None
    assert lab.database.gate.waiting == 0


@pytest.mark.parametrize(
    ("final", "seen"),
    [([2], []), ([1, 3], []), ([1, 2], [[2]]), ([1, 2, 1], []), ([1, 2], [[1, 3]])],
    ids=["lost", "dirty", "out of order", "doubled", "dirty read"],
)
def test_the_checker_sees_an_anomaly(final: list[int], seen: list[list[int]]) -> None:
    history = History(random.Random(0), committed={1: 0}, unknown={2}, undone={3})
    history.lists = [(0, items) for items in seen]

    with pytest.raises(AssertionError):
        check_lists(history, {0: final})


def test_the_checker_passes_what_is_right() -> None:
    history = History(random.Random(0), committed={1: 0}, unknown={2, 4}, undone={3})
    history.lists = [(0, []), (0, [1]), (0, [1, 2])]

    check_lists(history, {0: [1, 2]})
