"""How a pool passes on what comes back, whatever has become of those who wait."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from sqlalchemy.util import queue as sa_queue

from andamios_orm.dialect.pool import FairQueue

pytestmark = pytest.mark.concurrency


def test_a_queue_knows_how_much_it_holds() -> None:
    queue = FairQueue(2)

    states = [(queue.empty(), queue.qsize(), queue.full())]
    for item in "ab":
        queue.put(item)
        states.append((queue.empty(), queue.qsize(), queue.full()))

    assert states == [(True, 0, False), (False, 1, False), (False, 2, True)]
    with pytest.raises(sa_queue.Full):
        queue.put("c")
    assert [queue.get(block=False), queue.get(block=False)] == ["a", "b"]
    with pytest.raises(sa_queue.Empty):
        queue.get(block=False)


def test_a_queue_keeps_what_was_meant_for_a_loop_that_is_gone() -> None:
    queue = FairQueue()
    loop = asyncio.new_event_loop()
    queue._waiting.append(loop.create_future())
    loop.close()

    queue.put("item")

    assert queue.get(block=False) == "item"


@pytest.mark.parametrize("gone_first", [True, False])
async def test_what_another_thread_gives_to_a_task_that_has_gone_reaches_the_next(
    gone_first: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    queue = FairQueue()
    first = asyncio.create_task(queue._wait(None))
    second = asyncio.create_task(queue._wait(None))
    await asyncio.sleep(0)
    giver = threading.Thread(target=queue.put, args=["item"])

    if gone_first:
        first.cancel()
    giver.start()
    giver.join()
    if not gone_first:
        first.cancel()

    assert await asyncio.wait_for(second, 5) == "item"
    assert first.cancelled()


async def test_what_comes_at_the_last_moment_is_taken() -> None:
    queue = FairQueue()
    loop = asyncio.get_running_loop()
    waiting = asyncio.create_task(queue._wait(0.01))
    await asyncio.sleep(0)

    loop.call_later(0.02, queue.put, "item")
    time.sleep(0.05)  # noqa: ASYNC251 - so that the end of the patience and the item come at once

    assert await waiting == "item"
    assert queue.empty()
