from __future__ import annotations

import asyncio
import threading

import pytest

from andamios_orm.dialect.worker import Crew, Worker

pytestmark = pytest.mark.unit


async def test_calls_run_in_the_order_of_asking_on_one_thread() -> None:
    worker = Worker("test-worker")
    seen: list[tuple[int, str]] = []

    def note(number: int) -> int:
        seen.append((number, threading.current_thread().name))
        return number * 2

    first = worker.submit(note, 1)
    worker.post(note, 2)
    third = worker.submit(note, 3)
    answers = [await third, await first]
    worker.stop()

    assert answers == [6, 2]
    assert seen == [(1, "test-worker"), (2, "test-worker"), (3, "test-worker")]


async def test_no_thread_starts_before_the_first_call() -> None:
    before = threading.active_count()
    worker = Worker("test-worker")

    idle = threading.active_count()
    worker.stop()

    assert idle == before
    assert worker.hops == 0


async def test_what_a_call_raises_is_raised_where_it_is_awaited() -> None:
    worker = Worker("test-worker")

    with pytest.raises(ZeroDivisionError):
        await worker.submit(divmod, 1, 0)
    answer = await worker.submit(divmod, 7, 2)
    worker.stop()

    assert answer == (3, 1)


async def test_a_posted_call_that_fails_does_not_end_the_thread() -> None:
    worker = Worker("test-worker")
    worker.post(divmod, 1, 0)

    answer = await worker.submit(divmod, 7, 2)
    worker.stop()

    assert answer == (3, 1)


async def test_a_call_that_is_waited_for_counts_as_a_hop() -> None:
    worker = Worker("test-worker")
    worker.post(int)
    await worker.submit(int)
    await worker.submit(int)
    worker.stop()

    assert worker.hops == 2


async def test_stopping_lets_what_was_submitted_finish() -> None:
    worker = Worker("test-worker")
    release = threading.Event()
    worker.post(release.wait, 10)
    last = worker.submit(str, 5)
    worker.stop()
    release.set()

    answer = await last

    assert answer == "5"
    await asyncio.to_thread(join, "test-worker")


async def test_a_crew_that_leaves_ends_its_threads_and_waits_for_what_they_do() -> None:
    crew = Crew()
    resting, working, _idle = crew.hire(), crew.hire(), crew.hire()
    done: list[int] = []
    await resting.submit(int)
    crew.rest(resting)
    release = threading.Event()
    working.post(release.wait, 10)
    working.post(done.append, 1)
    threading.Timer(0.05, release.set).start()

    all_gone = crew.leave(10)

    assert all_gone
    assert done == [1]


async def test_a_crew_does_not_wait_for_ever_nor_for_the_thread_that_asks() -> None:
    crew = Crew()
    worker, asker = crew.hire(), crew.hire()
    release = threading.Event()
    worker.post(release.wait, 10)

    all_gone = crew.leave(0.01)
    release.set()
    others_gone = await asker.submit(crew.leave, 10)

    assert not all_gone
    assert others_gone


def join(name: str) -> None:
    """Wait for the thread of that name to end."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(10)
            assert not thread.is_alive()


async def test_an_answer_that_nobody_wants_any_more_is_dropped() -> None:
    worker = Worker("test-worker")
    release = threading.Event()
    unwanted = worker.submit(release.wait, 10)
    unwanted.cancel()
    release.set()

    answer = await worker.submit(str, 5)
    worker.stop()

    assert answer == "5"
    assert unwanted.cancelled()


@pytest.mark.parametrize("fails", [False, True])
def test_a_worker_outlives_the_loop_that_used_it(fails: object) -> None:
    worker = Worker("test-worker")
    release = threading.Event()

    def late() -> None:
        release.wait(10)
        if fails:
            raise ZeroDivisionError

    loop = asyncio.new_event_loop()

    async def ask() -> None:
        worker.submit(late).add_done_callback(lambda _: None)

    loop.run_until_complete(ask())
    loop.close()
    release.set()

    async def ask_again() -> str:
        return await worker.submit(str, 5)

    answer = asyncio.run(ask_again())
    worker.stop()

    assert answer == "5"


@pytest.mark.slow
async def test_the_worker_forgets_what_it_has_done() -> None:
    import gc
    import weakref

    class Large:
        pass

    worker = Worker("test-worker")
    large = Large()
    gone = weakref.ref(large)
    await worker.submit(id, large)
    await worker.submit(int)

    del large
    gc.collect()
    forgotten = gone() is None
    worker.stop()

    assert forgotten


async def test_a_crew_hands_out_the_worker_that_rests() -> None:
    crew = Crew()
    worker = crew.hire()
    await worker.submit(int)

    crew.rest(worker)

    assert len(crew) == 1
    assert crew.hire() is worker
    assert crew.hire() is not worker
    worker.stop()


async def test_a_crew_keeps_no_more_than_it_may(no_thread_left: None) -> None:
    crew = Crew(most=1)
    first, second = crew.hire(), crew.hire()
    await first.submit(int)
    await second.submit(int)

    crew.rest(first)
    crew.rest(second)

    assert len(crew) == 1
    crew.dismiss()
    assert len(crew) == 0


async def test_a_dismissed_crew_ends_who_comes_back(no_thread_left: None) -> None:
    crew = Crew()
    worker = crew.hire()
    await worker.submit(int)
    crew.dismiss()

    crew.rest(worker)

    assert len(crew) == 0
