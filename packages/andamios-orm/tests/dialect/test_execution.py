"""One call at a time on a connection, and an interrupt that hits the call it is meant for."""

from __future__ import annotations

import threading
import time

import duckdb
import pytest

from andamios_orm.dialect.calls import Call
from andamios_orm.dialect.execution import Execution
from andamios_orm.dialect.gate import Owner, Slots, Withdrawn
from andamios_orm.dialect.watchdog import Watchdog

pytestmark = [pytest.mark.concurrency, pytest.mark.db]

PATIENCE = 20.0
ENDLESS = "SELECT count(*) FROM range(100000000000) r(i) WHERE i % 7 = 3"


def call() -> Call:
    return Call(ENDLESS, None, Owner.of_thread())


@pytest.mark.slow
def test_an_interrupt_spares_every_call_but_its_own() -> None:
    execution = Execution(Slots(1), Watchdog())
    running, another = call(), call()
    started = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        with duckdb.connect() as raw:

            def work() -> None:
                started.set()
                raw.execute(ENDLESS)

            try:
                execution.perform(raw, running, work)
            except duckdb.Error as error:
                errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(PATIENCE)
    for _ in range(10):
        execution.interrupt(another)
        time.sleep(0.01)
    spared = thread.is_alive()
    deadline = time.monotonic() + PATIENCE
    while thread.is_alive() and time.monotonic() < deadline:
        execution.interrupt(running)
        thread.join(0.01)

    assert spared
    assert [type(error) for error in errors] == [duckdb.InterruptException]


def test_an_interrupt_of_nothing_does_nothing() -> None:
    execution = Execution(Slots(1), Watchdog())

    execution.interrupt()

    with duckdb.connect() as raw:
        found = execution.perform(raw, call(), lambda: raw.execute("SELECT 1").fetchall())
    assert found == [(1,)]


def test_a_call_that_was_given_up_does_not_start() -> None:
    execution, given_up = Execution(Slots(1), Watchdog()), call()
    given_up.cancelled = True

    with duckdb.connect() as raw, pytest.raises(Withdrawn):
        execution.perform(raw, given_up, lambda: raw.execute(ENDLESS))

    assert not execution.lock.locked()


@pytest.mark.slow
def test_what_ends_a_transaction_is_waited_for_to_its_end_and_a_call_is_not() -> None:
    execution, endless = Execution(Slots(1), Watchdog()), call()
    started, release = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        release.wait(PATIENCE)

    with duckdb.connect() as raw:
        thread = threading.Thread(target=execution.perform, args=(raw, endless, work))
        thread.start()
        assert started.wait(PATIENCE)
        execution.settle(0.0)  # returns, although it runs
        runs_on = execution.lock.locked()
        release.set()
        thread.join(PATIENCE)

    execution.lock.acquire()  # as COMMIT does
    threading.Timer(0.1, execution.lock.release).start()
    execution.settle(0.0)

    assert runs_on
    assert not execution.lock.locked()
