"""The write gate: one writer at a time, in the order of asking, and nobody waits for himself."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from andamios_orm.dialect.gate import Owner, Slots, Ticket, WaitGraph, Withdrawn, WriteGate
from andamios_orm.exceptions import StatementTimeout, WriteDeadlock, WriteGateTimeout
from andamios_orm.testing.databases import duckdb_memory_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine
    from tests.dialect.conftest import Lab

unit = pytest.mark.unit
concurrency = pytest.mark.concurrency
db = pytest.mark.db

PATIENCE = 20.0
ENDLESS = "SELECT count(*) FROM range(100000000000) r(i) WHERE i % 7 = 3"
WRITE = "UPDATE t SET n = n + 1 WHERE id = 1"


# ---- the gate alone -----------------------------------------------------------


class Waiter:
    """A thread that asks for a gate as somebody."""

    def __init__(self, gate: WriteGate, owner: object, timeout: float | None = PATIENCE) -> None:
        self.ticket = Ticket(Owner(owner, threading.get_ident(), is_task=False), f"by {owner}")
        self.error: BaseException | None = None
        self._gate, self._timeout = gate, timeout
        self._thread = threading.Thread(target=self._run, daemon=True)
        queued = gate.waiting
        self._thread.start()
        wait_until(lambda: gate.waiting > queued or not self._thread.is_alive())

    def _run(self) -> None:
        try:
            self._gate.acquire(self.ticket, self._timeout)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def join(self) -> None:
        """Wait until it is in, or was refused."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a moment until ``condition`` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a moment, on the loop, until ``condition`` holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # threads bring it about, which set no event
            await asyncio.sleep(0.0005)


def gate_and_holder() -> tuple[WriteGate, Ticket]:
    """Return a gate and the ticket inside."""
    gate = WriteGate(WaitGraph(), "shop.duckdb")
    holder = Ticket(Owner("holder", 0, is_task=False), "UPDATE shop SET open = true")
    gate.acquire(holder, None)
    return gate, holder


@unit
def test_they_come_in_as_they_asked() -> None:
    gate, holder = gate_and_holder()
    waiters = [Waiter(gate, number) for number in range(8)]
    entered = []

    gate.release(holder)
    for _ in waiters:
        inside = gate.holder
        assert inside is not None
        entered.append(inside.owner.key)
        gate.release(inside)

    assert entered == list(range(8))
    assert gate.holder is None
    assert gate.waiting == 0


@unit
def test_a_release_by_who_is_not_inside_changes_nothing() -> None:
    gate, holder = gate_and_holder()

    gate.release(Ticket(Owner("other", 0, is_task=False)))

    assert gate.holder is holder


@unit
def test_the_timeout_names_who_is_inside() -> None:
    gate, _ = gate_and_holder()

    with pytest.raises(WriteGateTimeout) as late:
        gate.acquire(Ticket(Owner("late", 0, is_task=False)), 0.01)

    assert "unknown" in late.value.holder
    assert late.value.age >= 0.01
    assert late.value.last_statement == "UPDATE shop SET open = true"
    assert "shop.duckdb" in str(late.value)
    assert isinstance(late.value, TimeoutError)
    assert gate.waiting == 0


@unit
def test_who_timed_out_is_not_let_in_later() -> None:
    gate, holder = gate_and_holder()
    with pytest.raises(WriteGateTimeout):
        gate.acquire(Ticket(Owner("late", 0, is_task=False)), 0.01)

    gate.release(holder)

    assert gate.holder is None


@unit
def test_who_withdraws_leaves_at_once_and_the_next_comes_in() -> None:
    gate, holder = gate_and_holder()
    first, second = Waiter(gate, "first"), Waiter(gate, "second")

    gate.withdraw(first.ticket)
    first.join()
    gate.release(holder)
    second.join()

    assert isinstance(first.error, Withdrawn)
    assert gate.holder is second.ticket


@unit
def test_who_withdrew_before_asking_is_not_let_in() -> None:
    gate = WriteGate(WaitGraph(), "shop.duckdb")
    ticket = Ticket(Owner("hasty", 0, is_task=False))

    gate.withdraw(ticket)
    with pytest.raises(Withdrawn):
        gate.acquire(ticket, 1)

    assert gate.holder is None


class Signal:
    """A ticket's lock; while it is waited for, something happens."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile
        self._taken = False

    def acquire(self, **_timeout: float) -> bool:
        """Take it, or wait for it."""
        if self._taken:
            self._meanwhile()
        self._taken = True
        return True

    def locked(self) -> bool:
        """Return whether it is taken."""
        return self._taken

    def release(self) -> None:
        """Give it back."""
        self._taken = False


@unit
@pytest.mark.parametrize("place", ["in the queue", "inside"])
def test_an_interrupted_wait_leaves_no_place(place: str) -> None:
    gate, holder = gate_and_holder()

    def interrupt() -> None:
        if place == "inside":
            gate.release(holder)
        raise KeyboardInterrupt

    ticket = Ticket(Owner("interrupted", 0, is_task=False), _signal=Signal(interrupt))

    with pytest.raises(KeyboardInterrupt):
        gate.acquire(ticket, PATIENCE)
    gate.release(holder)

    assert gate.holder is None
    assert gate.waiting == 0


@unit
@pytest.mark.parametrize("first", ["withdrawn", "let in"])
def test_who_is_let_in_and_withdraws_at_once_lets_the_next_in(first: str) -> None:
    gate, holder = gate_and_holder()

    def both() -> None:
        if first == "withdrawn":
            gate.withdraw(ticket)
            gate.release(holder)
        else:
            gate.release(holder)
            gate.withdraw(ticket)

    ticket = Ticket(Owner("hesitant", 0, is_task=False), _signal=Signal(both))

    with pytest.raises(Withdrawn):
        gate.acquire(ticket, PATIENCE)

    assert gate.holder is None
    assert gate.waiting == 0


@unit
def test_who_waits_for_two_gates_waits_for_the_second_when_let_in_by_the_first() -> None:
    graph = WaitGraph()
    gates = [WriteGate(graph, f"file {number}") for number in range(2)]
    holders = [Ticket(Owner(f"holder {number}", 0, is_task=False)) for number in range(2)]
    for gate, holder in zip(gates, holders, strict=True):
        gate.acquire(holder, None)
    first, second = (Waiter(gate, "both") for gate in gates)

    gates[0].release(holders[0])
    first.join()
    waits_for = dict(graph.waiting)
    gates[1].release(holders[1])
    second.join()

    assert waits_for == {"both": gates[1]}
    assert graph.waiting == {}


@unit
def test_nobody_waits_for_himself() -> None:
    gate = WriteGate(WaitGraph(), "shop.duckdb")
    gate.acquire(Ticket(Owner("me", 0, is_task=False), "INSERT INTO shop"), None)

    with pytest.raises(WriteDeadlock, match="INSERT INTO shop"):
        gate.acquire(Ticket(Owner("me", 0, is_task=False)), None)


@unit
@pytest.mark.parametrize("length", [2, 3])
def test_a_circle_of_gates_is_refused_at_once(length: int) -> None:
    graph = WaitGraph()
    gates = [WriteGate(graph, f"file {number}") for number in range(length)]
    for number, gate in enumerate(gates):
        gate.acquire(Ticket(Owner(number, 0, is_task=False)), None)
    waiters = [Waiter(gates[number + 1], number) for number in range(length - 1)]

    with pytest.raises(WriteDeadlock):
        gates[0].acquire(Ticket(Owner(length - 1, 0, is_task=False)), None)

    assert all(waiter.error is None for waiter in waiters)
    for gate in reversed(gates):
        assert gate.holder is not None
        gate.release(gate.holder)
    for waiter in waiters:
        waiter.join()


@unit
def test_slots_are_given_to_who_waited_longest() -> None:
    slots = Slots(1, patience=PATIENCE)
    assert slots.acquire()
    entered: list[int] = []

    def enter(number: int) -> None:
        slots.acquire()
        entered.append(number)
        slots.release()

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(4)]
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(lambda number=number: len(slots._queue) == number + 1)  # type: ignore[misc]  # likewise
    slots.release()
    for thread in threads:
        thread.join(PATIENCE)

    assert entered == [0, 1, 2, 3]


@unit
def test_a_slot_is_not_waited_for_for_ever() -> None:
    slots = Slots(1, patience=0.01)
    assert slots.acquire()

    assert not slots.acquire()
    slots.release()

    assert slots.acquire()


@pytest.fixture
def interrupted() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Yield what makes a signal interrupt the main thread soon, after it has called something."""
    before = signal.getsignal(signal.SIGUSR1)
    timers: list[threading.Timer] = []

    def soon(first: Callable[[], None]) -> None:
        def interrupt(*_: object) -> None:
            first()
            raise KeyboardInterrupt

        signal.signal(signal.SIGUSR1, interrupt)
        main = threading.main_thread().ident
        assert main is not None
        timers.append(threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGUSR1)))
        timers[-1].start()

    yield soon
    for timer in timers:
        timer.join()
    signal.signal(signal.SIGUSR1, before)


@unit
@pytest.mark.parametrize("given", ["nothing", "the slot"])
def test_an_interrupted_wait_keeps_no_slot(
    interrupted: Callable[[Callable[[], None]], None], given: str
) -> None:
    slots = Slots(1, patience=PATIENCE)
    assert slots.acquire()
    interrupted(slots.release if given == "the slot" else lambda: None)

    with pytest.raises(KeyboardInterrupt):
        slots.acquire()
    if given == "nothing":
        slots.release()

    assert slots.acquire()


# ---- through engines ----------------------------------------------------------


@pytest.fixture
async def engine(lab: Lab) -> AsyncEngine:
    """Return an engine on a table of a few rows, which waits 1.5 s for the gate."""
    engine = lab.engine(write_timeout=1.5)
    await lab.set_up(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
        "INSERT INTO t SELECT i, 0 FROM range(1, 65) r(i)",
    )
    return engine


@db
@concurrency
async def test_writers_commit_in_the_order_in_which_they_asked(
    engine: AsyncEngine, lab: Lab
) -> None:
    gate = lab.database.gate
    done: list[int] = []

    async def write(number: int) -> None:
        async with engine.begin() as connection:
            await connection.execute(text(WRITE))
            done.append(number)

    async with engine.begin() as connection:
        await connection.execute(text(WRITE))
        tasks = []
        for number in range(6):
            tasks.append(asyncio.create_task(write(number)))
            await until(lambda number=number: gate.waiting > number)  # type: ignore[misc]  # mypy cannot infer it
    await asyncio.gather(*tasks)

    assert done == list(range(6))


@db
@concurrency
async def test_a_second_session_of_the_task_is_refused_at_once(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as one, AsyncSession(engine) as other:
        await one.execute(text(WRITE))
        began = time.monotonic()
        with pytest.raises(WriteDeadlock, match="UPDATE t"):
            await other.execute(text(WRITE))
        assert time.monotonic() - began < 0.4
        await other.rollback()
        await one.commit()
        await other.execute(text(WRITE))
        await other.commit()


@pytest.mark.slow
@db
@concurrency
async def test_a_second_engine_of_the_task_is_refused_at_once(
    engine: AsyncEngine, lab: Lab
) -> None:
    second = lab.engine()
    async with engine.begin() as connection:
        await connection.execute(text(WRITE))

        with pytest.raises(WriteDeadlock):
            async with second.begin() as other:
                await other.execute(text(WRITE))


@db
@concurrency
async def test_a_blocking_write_on_the_thread_of_the_loop_is_refused_at_once(
    engine: AsyncEngine, lab: Lab
) -> None:
    blocking = lab.sync_engine()
    inside, over = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with engine.begin() as connection:
            await connection.execute(text(WRITE))
            inside.set()
            await over.wait()

    task = asyncio.create_task(hold())
    await inside.wait()
    with pytest.raises(WriteDeadlock, match="loop"), blocking.begin() as other:
        other.execute(text(WRITE))
    over.set()
    await task

    with blocking.begin() as other:
        other.execute(text(WRITE))


@db
@concurrency
async def test_a_circle_of_two_files_is_refused_and_the_other_commits(
    lab_at: Callable[[str], Lab],
) -> None:
    labs = [lab_at(duckdb_memory_url()) for _ in range(2)]
    for lab in labs:
        await lab.set_up("CREATE TABLE t (id INTEGER, n INTEGER)", "INSERT INTO t VALUES (1, 0)")
    both = asyncio.Barrier(2)

    async def write(first: Lab, second: Lab) -> str:
        try:
            async with first.engine().begin() as one, second.engine().begin() as other:
                await one.execute(text(WRITE))
                await both.wait()
                await other.execute(text(WRITE))
        except WriteDeadlock:
            return "refused"
        return "committed"

    async with asyncio.timeout(PATIENCE):
        outcome = await asyncio.gather(write(*labs), write(*reversed(labs)))

    assert sorted(outcome) == ["committed", "refused"]
    assert [await lab.rows("SELECT n FROM t") for lab in labs] == [[(1,)], [(1,)]]


@db
@concurrency
@pytest.mark.slow
async def test_who_waits_too_long_is_told_for_whom(engine: AsyncEngine, lab: Lab) -> None:
    inside, over = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with engine.begin() as connection:
            await connection.execute(text(WRITE))
            inside.set()
            await over.wait()

    holder = asyncio.create_task(hold(), name="the slow one")
    await inside.wait()
    with pytest.raises(WriteGateTimeout) as late:
        async with engine.begin() as connection:
            await connection.execute(text(WRITE))
    over.set()
    await holder

    assert late.value.holder == "task 'the slow one'"
    assert late.value.age >= 1.5
    assert late.value.last_statement == WRITE
    assert lab.database.gate.holder is None
    assert await lab.rows("SELECT n FROM t WHERE id = 1") == [(1,)]


@pytest.mark.slow
@db
@concurrency
async def test_each_engine_of_a_database_has_its_own_patience(
    engine: AsyncEngine, lab: Lab
) -> None:
    hasty = lab.engine(write_timeout=0.05, statement_timeout=0.1)
    inside, over = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with engine.begin() as connection:
            await connection.execute(text(WRITE))
            inside.set()
            await over.wait()

    holder = asyncio.create_task(hold())
    await inside.wait()
    async with asyncio.timeout(1.2):
        with pytest.raises(WriteGateTimeout):
            async with hasty.begin() as connection:
                await connection.execute(text(WRITE))
        with pytest.raises(StatementTimeout):
            async with hasty.connect() as connection:
                await connection.execute(text(ENDLESS))
    over.set()
    await holder


@db
@concurrency
async def test_a_cancelled_wait_ends_at_once(engine: AsyncEngine, lab: Lab) -> None:
    gate = lab.database.gate

    async def write() -> None:
        async with engine.begin() as connection:
            await connection.execute(text(WRITE))

    async with engine.begin() as connection:
        await connection.execute(text(WRITE))
        tasks = [asyncio.create_task(write()) for _ in range(5)]
        await until(lambda: gate.waiting == 5)
        for task in tasks:
            task.cancel()
        _, late = await asyncio.wait(tasks, timeout=10)
        assert (late, gate.waiting) == (set(), 0)

    assert all(task.cancelled() for task in tasks)
    assert gate.holder is None
    assert await lab.rows("SELECT n FROM t WHERE id = 1") == [(1,)]


@db
@concurrency
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.slow
async def test_a_connection_that_was_leaked_lets_the_gate_go(engine: AsyncEngine, lab: Lab) -> None:
    async def leak() -> None:
        connection = await engine.connect()
        await connection.execute(text(WRITE))

    await asyncio.create_task(leak())
    gc.collect()
    async with engine.begin() as connection:
        await connection.execute(text(WRITE))

    assert await lab.rows("SELECT n FROM t WHERE id = 1") == [(1,)]


@db
@concurrency
@pytest.mark.slow
async def test_writers_share_the_gate_evenly(
    engine: AsyncEngine, rounds: Callable[[int, int, int], int]
) -> None:
    counts = [0] * 16
    stop = False

    async def write(number: int) -> None:
        while not stop:
            async with engine.begin() as connection:
                await connection.execute(text(WRITE))
            counts[number] += 1

    tasks = [asyncio.create_task(write(number)) for number in range(len(counts))]
    await until(lambda: sum(counts) >= rounds(160, 800, 8000))
    stop = True
    await asyncio.gather(*tasks)

    assert max(counts) <= 2 * min(counts)


@pytest.mark.slow
@db
@concurrency
async def test_readers_wait_for_no_writer(engine: AsyncEngine, lab: Lab) -> None:
    gate = lab.database.gate
    over = asyncio.Event()

    async def read_and_stay() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT * FROM t WHERE id = 1"))
            await over.wait()

    async def write() -> None:
        async with engine.begin() as connection:
            await connection.execute(text(WRITE))

    async with engine.begin() as holder:
        await holder.execute(text(WRITE))
        idle = [asyncio.create_task(read_and_stay()) for _ in range(20)]
        waiting = [asyncio.create_task(write()) for _ in range(20)]
        await until(lambda: gate.waiting == 20)

        for _ in range(10):
            async with asyncio.timeout(0.4), engine.connect() as connection:
                assert await connection.scalar(text("SELECT n FROM t WHERE id = 1")) == 0
        assert gate.waiting == 20
        over.set()
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
    await asyncio.gather(*idle)


@db
@concurrency
async def test_a_transaction_that_intended_to_write_lets_the_gate_go_when_it_only_read(
    engine: AsyncEngine, lab: Lab
) -> None:
    for _ in range(20):
        async with engine.connect() as connection:
            raw: Any = await connection.get_raw_connection()
            raw.dbapi_connection.write_intent = True
            await connection.execute(text("SELECT 1"))
            assert lab.database.gate.holder is not None
            await connection.rollback()
        async with engine.begin() as connection:
            await connection.execute(text(WRITE))

    assert await lab.rows("SELECT n FROM t WHERE id = 1") == [(20,)]
