"""Work is cancelled at each point at which it waits, once, and told of it as a task is."""

from __future__ import annotations

import asyncio

import pytest

from andamios_orm.testing.cancelling import CancelledAt

pytestmark = pytest.mark.unit


async def work(done: list[str]) -> None:
    """Wait twice, and once more to clean up."""
    try:
        await asyncio.sleep(0)
        done.append("first")
        await asyncio.sleep(0)
        done.append("second")
    finally:
        await asyncio.sleep(0)
        done.append("cleaned up")


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (1, ["cleaned up"]),
        (2, ["first", "cleaned up"]),
        (3, ["first", "second"]),
        (4, ["first", "second", "cleaned up"]),
    ],
)
async def test_each_point_is_one_at_which_it_ends(point: int, expected: list[str]) -> None:
    done: list[str] = []
    work_cancelled = CancelledAt(work(done), point)

    async def run() -> None:
        await work_cancelled

    [ended] = await asyncio.gather(asyncio.create_task(run()), return_exceptions=True)

    assert done == expected
    assert work_cancelled.reached is (point < 4)
    assert isinstance(ended, asyncio.CancelledError) is (point < 4)


async def test_it_may_be_cancelled_somewhat_later() -> None:
    waiting = CancelledAt(asyncio.Event().wait(), 1, 0.001)  # type: ignore[arg-type]  # for ever

    async def run() -> None:
        await waiting

    [ended] = await asyncio.gather(asyncio.create_task(run()), return_exceptions=True)

    assert isinstance(ended, asyncio.CancelledError)
