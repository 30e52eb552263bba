"""What concurrent transactions did, and what such a history must not show.

Lists that are only appended to tell in which order their writers came. From that order, and
from what each transaction read, follows who depends on whom; a circle of dependencies is an
anomaly, named as Adya's thesis names them. A bank tells by its sums what became of transfers.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

__all__ = ["Bank", "History", "Level", "Transaction", "Transfer", "Undone", "anomalies", "parsed"]

_CANCELLED: Final = 0.25
"""The share of units that are cancelled."""


class Level(IntEnum):
    """What a database promises; each promises what those before it do."""

    READ_COMMITTED = 1
    SNAPSHOT = 2
    SERIALIZABLE = 3


class Undone(Exception):
    """A transaction is rolled back on purpose."""


@dataclass(eq=False)
class Transaction:
    """What one transaction read and appended, in order, and what became of it.

    A step is a key with the items that were read, or with the one that was appended.
    """

    number: int
    steps: list[tuple[int, Sequence[int] | int]] = field(default_factory=list)
    outcome: str = "undone"
    committing: bool = False

    def __repr__(self) -> str:
        """Return its number and outcome."""
        return f"{self.outcome} transaction {self.number}"

    def reads(self, key: int, items: Sequence[int]) -> None:
        """Note what a list held."""
        self.steps.append((key, tuple(items)))

    def appends(self, key: int, item: int) -> None:
        """Note what is appended to a list."""
        self.steps.append((key, item))

    def appended(self, key: int, before: int | None = None) -> list[int]:
        """Return its items of a list, of its first ``before`` steps."""
        return [step for at, step in self.steps[:before] if at == key and isinstance(step, int)]


class History:
    """The transactions of many tasks, which all draw from one generator."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311  # nosec B311 - no secret
        self.transactions: list[Transaction] = []
        self._next_item = 0

    def new_item(self) -> int:
        """Return a number that was never appended before."""
        self._next_item += 1
        return self._next_item

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Yield a new transaction; cancelled while it commits, its outcome is unknown."""
        transaction = Transaction(len(self.transactions))
        self.transactions.append(transaction)
        try:
            yield transaction
        except asyncio.CancelledError:
            transaction.outcome = "unknown" if transaction.committing else "undone"
            raise

    @property
    def committed(self) -> int:
        """How many transactions were acknowledged."""
        return sum(one.outcome == "committed" for one in self.transactions)

    async def client(self, units: Sequence[Callable[[], Awaitable[Any]]], times: int) -> None:
        """Run units, each in a task of its own, and cancel some of them."""
        for _ in range(times):
            task = asyncio.ensure_future(self.chance.choice(units)())
            if self.chance.random() < _CANCELLED:
                await asyncio.sleep(self.chance.random() * 0.01)
                task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error


def parsed(items: str) -> list[int]:
    """Return a list as numbers."""
    return [int(item) for item in items.split()]


def anomalies(
    transactions: Sequence[Transaction], final: Mapping[int, Sequence[int]], level: Level
) -> list[str]:
    """Return what must not happen at ``level`` and did; ``final`` is what the lists hold."""
    writers = {step: one for one in transactions for _, step in one.steps if isinstance(step, int)}
    found = [*_wrong_items(transactions, writers, final)]
    if found:
        return found  # an order tells something only of lists that are whole
    for one in transactions:
        for number, (key, step) in enumerate(one.steps):
            if not isinstance(step, int):
                found += _wrong_read(one, number, key, step, writers=writers, final=final[key])
    return found or _circles(transactions, writers, final, level)


def _wrong_items(
    transactions: Sequence[Transaction],
    writers: Mapping[int, Transaction],
    final: Mapping[int, Sequence[int]],
) -> Iterator[str]:
    there = {writers[item] for items in final.values() for item in items if item in writers}
    for one in transactions:
        expected = one.outcome == "committed" or (one.outcome == "unknown" and one in there)
        for key in {key for key, _ in one.steps}:
            own = one.appended(key) if expected else []
            kept = [item for item in final[key] if writers.get(item) is one]
            if kept != own:
                fault = "lost or doubled" if expected else "undone, and there"
                yield f"{fault}: {one} appended {own} to list {key}, which has {kept} of them"
    for key, items in final.items():
        unknown = [item for item in items if item not in writers]
        if unknown:
            yield f"nobody appended {unknown} to list {key}"


def _wrong_read(
    reader: Transaction,
    number: int,
    key: int,
    items: Sequence[int],
    *,
    writers: Mapping[int, Transaction],
    final: Sequence[int],
) -> Iterator[str]:
    own = reader.appended(key, number)
    others = [*items[: len(items) - len(own)]]
    if [*items[len(others) :]] != own:
        yield f"{reader} does not see its own {own} in list {key}: {items}"
    undone = [item for item in others if item in writers and writers[item].outcome == "undone"]
    if undone:
        yield f"G1a: {reader} saw {undone} in list {key}, which was undone"
    elif others != [*final[: len(others)]]:
        yield f"{reader} saw {others} in list {key}, which became {final}"
    elif others and others[-1] != (last := writers[others[-1]].appended(key)[-1]):
        yield f"G1b: {reader} saw {others[-1]} in list {key} and not {last}"
    following = reader.appended(key)
    if not own and following and following[0] in final:
        overlooked = [*final[len(others) : final.index(following[0])]]
        if overlooked:
            yield f"lost update: {reader} overlooked {overlooked} in list {key}"


def _circles(
    transactions: Sequence[Transaction],
    writers: Mapping[int, Transaction],
    final: Mapping[int, Sequence[int]],
    level: Level,
) -> list[str]:
    """Return circles of dependencies; ``needs`` are those on what was written or read."""
    needs: dict[Transaction, set[Transaction]] = {}
    overtaken: dict[Transaction, set[Transaction]] = {}
    for items in final.values():
        for earlier, later in pairwise(items):
            needs.setdefault(writers[later], set()).add(writers[earlier])
    for one in transactions:
        for number, (key, step) in enumerate(one.steps):
            if isinstance(step, int) or one.outcome != "committed":
                continue
            seen = len(step) - len(one.appended(key, number))
            if seen:
                needs.setdefault(one, set()).add(writers[step[seen - 1]])
            for item in final[key][seen : seen + 1]:
                overtaken.setdefault(writers[item], set()).add(one)
    for one in needs.keys() | overtaken.keys():
        for edges in (needs, overtaken):
            edges.setdefault(one, set()).discard(one)
    return _named_circles(needs, overtaken, level)


def _named_circles(
    needs: Mapping[Transaction, set[Transaction]],
    overtaken: Mapping[Transaction, set[Transaction]],
    level: Level,
) -> list[str]:
    if circle := _circle(needs):
        return [f"G1c: {circle}"]
    if level >= Level.SNAPSHOT:
        for writer, readers in overtaken.items():
            for reader in readers:
                if _depends(reader, writer, needs):
                    return [f"G-single: {reader} saw {writer} and what was before it"]
    if level >= Level.SERIALIZABLE and (
        circle := _circle({one: needs[one] | overtaken[one] for one in needs})
    ):
        return [f"G2: {circle}"]
    return []


def _circle(edges: Mapping[Transaction, set[Transaction]]) -> list[Transaction]:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        circle: list[Transaction] = error.args[1]
        return circle
    return []


def _depends(
    one: Transaction, other: Transaction, needs: Mapping[Transaction, set[Transaction]]
) -> bool:
    """Return whether ``one`` needs ``other``, at any distance."""
    reached: set[Transaction] = set()
    found = {one}
    while found:
        reached |= found
        found = {far for near in found for far in needs.get(near, ())} - reached
    return other in reached - {one}


@dataclass
class Transfer:
    """An amount that went, or did not, from one account to another."""

    number: int
    source: int
    target: int
    amount: int
    transaction: Transaction


@dataclass
class Bank:
    """What was asked of a bank, and the totals that were seen meanwhile."""

    opening: Mapping[int, int]
    transfers: list[Transfer] = field(default_factory=list)
    totals: list[int] = field(default_factory=list)

    def faults(self, balances: Mapping[int, int], kept: Sequence[int]) -> list[str]:
        """Return what is wrong with the ``balances`` and the numbers of transfers ``kept``."""
        total = sum(self.opening.values())
        found = [f"a total of {seen} was seen" for seen in self.totals if seen != total]
        found += [f"account {key} has {value}" for key, value in balances.items() if value < 0]
        due = dict(self.opening)
        for one in self.transfers:
            times = kept.count(one.number)
            outcome = one.transaction.outcome
            if times > 1 or times != {"committed": 1, "undone": 0}.get(outcome, times):
                found.append(f"transfer {one.number} was {outcome} and is there {times} times")
            due[one.source] -= one.amount * times
            due[one.target] += one.amount * times
        if due != dict(balances):
            found.append(f"the accounts have {dict(balances)}; by the transfers it were {due}")
        return found
