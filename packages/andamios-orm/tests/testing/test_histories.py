"""The checker of histories finds every anomaly that is planted, and nothing in what is right."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from andamios_orm.testing.histories import (
    Bank,
    History,
    Level,
    Transaction,
    Transfer,
    anomalies,
    parsed,
)

pytestmark = pytest.mark.unit

X, Y = 0, 1
Steps = Sequence[tuple[int, Sequence[int] | int]]


def transactions(
    *every: Steps, undone: Sequence[int] = (), unknown: Sequence[int] = ()
) -> list[Transaction]:
    """Return transactions of these steps, committed unless they are named."""
    outcomes = {**dict.fromkeys(undone, "undone"), **dict.fromkeys(unknown, "unknown")}
    return [
        Transaction(number, [*steps], outcomes.get(number, "committed"))
        for number, steps in enumerate(every)
    ]


Planted = tuple[list[Transaction], dict[int, list[int]], str]
LOST: list[Steps] = [[(X, []), (X, 1)], [(X, []), (X, 2)]]
FOUND: dict[str, Planted] = {
    "lost": (transactions(*LOST), {X: [2]}, "lost or doubled"),
    "overlooked": (transactions(*LOST), {X: [1, 2]}, "lost update"),
    "doubled": (transactions([(X, 1)]), {X: [1, 1]}, "lost or doubled"),
    "half": (transactions([(X, 1), (Y, 2)], unknown=[0]), {X: [1]}, "lost or doubled"),
    "kept": (transactions([(X, 1)], undone=[0]), {X: [1]}, "undone, and there"),
    "from nowhere": (transactions([(X, 1)]), {X: [1, 2]}, "nobody appended"),
    "G1a": (transactions([(X, 1)], [(X, [1])], undone=[0]), {X: []}, "G1a"),
    "G1b": (transactions([(X, 1), (X, 2)], [(X, [1])]), {X: [1, 2]}, "G1b"),
    "another order": (transactions([(X, 1)], [(X, 2)], [(X, [2])]), {X: [1, 2]}, "which became"),
    "blind to itself": (transactions([(X, 1), (X, [])]), {X: [1]}, "its own"),
    "G0": (
        transactions([(X, 1), (Y, 3)], [(X, 2), (Y, 4)]), {X: [1, 2], Y: [4, 3]}, "G1c"
    ),
    "G1c": (
        transactions([(X, 1), (Y, [2])], [(Y, 2), (X, [1])]), {X: [1], Y: [2]}, "G1c"
    ),
    "G-single": (
        transactions([(X, 1), (Y, 2)], [(X, [1]), (Y, [])]), {X: [1], Y: [2]}, "G-single"
    ),
    "G-single over two": (
        transactions([(X, 1)], [(X, [1]), (Y, 2)], [(Y, [2]), (X, [])]),
        {X: [1], Y: [2]},
        "G-single",
    ),
    "G2": (
        transactions([(X, []), (Y, 1)], [(Y, []), (X, 2)]), {X: [2], Y: [1]}, "G2"
    ),
}  # fmt: skip


@pytest.mark.parametrize("planted", FOUND)
def test_what_is_planted_is_found(planted: str) -> None:
    history, final, named = FOUND[planted]

    found = anomalies(history, {X: [], Y: [], **final}, Level.SERIALIZABLE)

    assert found
    assert named in found[0]


@pytest.mark.parametrize(
    ("planted", "allowed_at"),
    [("G-single", Level.READ_COMMITTED), ("G2", Level.READ_COMMITTED), ("G2", Level.SNAPSHOT)],
)
def test_what_a_level_allows_is_no_anomaly_there(planted: str, allowed_at: Level) -> None:
    history, final, _ = FOUND[planted]

    assert anomalies(history, final, allowed_at) == []


def test_nothing_is_found_in_what_is_right() -> None:
    history = transactions(
        [(X, []), (X, 1), (X, 2), (X, [1, 2])],
        [(Y, []), (X, [1, 2]), (Y, 3)],
        [(X, 4)],
        [(Y, 5)],
        [(X, [1, 2]), (X, 6), (X, [1, 2, 6])],
        [(X, [1, 2]), (Y, [3])],
        undone=[4],
        unknown=[2, 3],
    )

    assert anomalies(history, {X: [1, 2], Y: [3, 5]}, Level.SERIALIZABLE) == []


DONE, UNDONE = transactions([], [], undone=[1])
MOVED = Transfer(1, source=X, target=Y, amount=3, transaction=DONE)


@pytest.mark.parametrize(
    ("bank", "balances", "kept"),
    [
        (Bank({X: 5, Y: 5}, [MOVED]), {X: 5, Y: 5}, []),
        (Bank({X: 5, Y: 5}, [MOVED]), {X: 2, Y: 8}, [1, 1]),
        (Bank({X: 5, Y: 5}, [MOVED]), {X: 2, Y: 5}, [1]),
        (Bank({X: 5, Y: 5}, [replace(MOVED, transaction=UNDONE)]), {X: 2, Y: 8}, [1]),
        (Bank({X: 2, Y: 5}, [MOVED]), {X: -1, Y: 8}, [1]),
        (Bank({X: 5, Y: 5}, [MOVED], [10, 7]), {X: 2, Y: 8}, [1]),
    ],
    ids=["lost", "doubled", "half", "undone", "overdrawn", "seen half done"],
)
def test_a_wrong_bank_is_noticed(bank: Bank, balances: dict[int, int], kept: list[int]) -> None:
    assert bank.faults(balances, kept) != []


def test_a_right_bank_has_no_faults() -> None:
    undone = replace(MOVED, number=2, transaction=UNDONE)

    assert Bank({X: 5, Y: 5}, [MOVED, undone], [10]).faults({X: 2, Y: 8}, [1]) == []


# ---- how a history is made ------------------------------------------------------------


async def test_who_is_cancelled_while_it_commits_does_not_know_what_became_of_it() -> None:
    history = History(0)

    for committing in (False, True):
        with pytest.raises(asyncio.CancelledError), history.transaction() as transaction:
            transaction.committing = committing
            raise asyncio.CancelledError
    with history.transaction() as transaction:
        transaction.outcome = "committed"

    assert [one.outcome for one in history.transactions] == ["undone", "unknown", "committed"]
    assert history.committed == 1
    assert repr(history.transactions[1]) == "unknown transaction 1"


@pytest.mark.slow
async def test_a_client_cancels_some_of_its_units_and_raises_what_is_wrong() -> None:
    history, ended = History(0), []

    async def waits() -> None:
        try:
            await asyncio.sleep(0.02)
        finally:
            ended.append(asyncio.current_task())

    async def fails() -> None:
        raise ZeroDivisionError

    await history.client([waits], 8)
    cancelled = sum(task.cancelled() for task in ended if task is not None)

    assert 0 < cancelled < len(ended)
    with pytest.raises(ZeroDivisionError):
        await history.client([fails], 1)
    assert [history.new_item(), history.new_item()] == [1, 2]


def test_a_transaction_keeps_what_it_read_and_appended_in_order() -> None:
    transaction = Transaction(0)

    transaction.reads(X, [1])
    transaction.appends(X, 2)
    transaction.appends(Y, 3)
    transaction.appends(X, 4)

    assert transaction.steps == [(X, (1,)), (X, 2), (Y, 3), (X, 4)]
    assert transaction.appended(X) == [2, 4]
    assert transaction.appended(X, 3) == [2]


def test_a_list_is_read_as_numbers() -> None:
    assert parsed(" 1 2") == [1, 2]
