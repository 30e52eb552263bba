"""Connections and cursors as SQLAlchemy uses them: closed twice, cancelled twice, interrupted."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from sqlalchemy import exc as sa_exc
from sqlalchemy import text

from andamios_orm.dialect.adapter import (
    AsyncConnection,
    BlockingConnection,
    DriverConnection,
    _to_its_end,
)
from andamios_orm.dialect.calls import Further
from andamios_orm.dialect.database import DuckDBDatabase
from andamios_orm.dialect.gate import WaitGraph
from andamios_orm.dialect.options import parse_options
from andamios_orm.exceptions import MissingTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.dialect.conftest import Lab

unit = pytest.mark.unit
integration = pytest.mark.integration
concurrency = pytest.mark.concurrency
db = pytest.mark.db

PATIENCE = 20.0
ENDLESS = "SELECT count(*) FROM range(100000000000) r(i) WHERE i % 7 = 3"


@pytest.fixture
def database() -> Iterator[DuckDBDatabase]:
    """Yield a database in memory that no registry knows of."""
    database = DuckDBDatabase(None, "", parse_options({}), WaitGraph(), when_unused=lambda _: None)
    yield database
    database.close()


def blocking(database: DuckDBDatabase) -> BlockingConnection:
    return BlockingConnection(database, database.options)


def hopping(database: DuckDBDatabase) -> AsyncConnection:
    return AsyncConnection(database, database.options, database.crew.hire())


@db
@integration
@pytest.mark.parametrize("autocommit", [True, False])
def test_what_is_kept_for_a_commit_without_a_write_is_run_before_it(
    database: DuckDBDatabase, *, autocommit: bool
) -> None:
    seen: list[Any] = []
    connection = blocking(database)
    connection.autocommit = autocommit
    cursor = connection.cursor(server_side=True)
    cursor.at_commit = lambda rows: Further("SELECT 2", None, seen.append) if rows else None
    cursor.execute("SELECT 1")

    connection.commit()
    connection.commit()

    assert seen == [[(2,)]]
    connection.close()


@db
@integration
def test_what_is_kept_for_a_commit_without_a_write_undoes_it(database: DuckDBDatabase) -> None:
    connection = blocking(database)
    cursor: Any = connection.cursor()
    cursor.at_commit = lambda _rows: None
    cursor.execute("CREATE TABLE t (n BIGINT)")
    cursor.at_commit = lambda rows: 1 // len(rows)
    cursor.execute("SELECT 1 WHERE false")

    with pytest.raises(ZeroDivisionError):
        connection.commit()

    cursor.at_commit = None
    with pytest.raises(MissingTable):
        cursor.execute("SELECT * FROM t")
    assert database.gate.holder is None
    connection.close()


@db
@integration
async def test_the_loop_has_something_to_do_while_duckdb_works(lab: Lab) -> None:
    done: list[str] = []
    meanwhile = {"meanwhile": lambda: done.append("meanwhile"), "yield_per": 2}

    async with lab.engine().connect() as connection:
        result = await connection.stream(text("FROM range(5)"), execution_options=meanwhile)
        rows = [row async for row in result]

    assert len(rows) == 5
    assert done == ["meanwhile"]


@db
@integration
def test_without_a_loop_it_is_done_before(database: DuckDBDatabase) -> None:
    done: list[str] = []
    connection = blocking(database)
    cursor = connection.cursor()
    cursor.meanwhile = lambda: done.append("meanwhile")

    cursor.execute("SELECT 1")

    assert done == ["meanwhile"]
    connection.close()


@db
@concurrency
async def test_a_statement_is_interrupted_when_what_is_done_meanwhile_fails(lab: Lab) -> None:
    failing = {"meanwhile": lambda: 1 // 0}

    async with lab.engine().connect() as connection:
        with pytest.raises(ZeroDivisionError):
            async with asyncio.timeout(PATIENCE):
                await connection.execute(text(ENDLESS), execution_options=failing)
        await connection.rollback()
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1


@db
@integration
def test_what_is_kept_for_a_commit_is_dropped_by_a_rollback(database: DuckDBDatabase) -> None:
    seen: list[Any] = []
    connection = blocking(database)
    cursor = connection.cursor()
    cursor.at_commit = seen.append
    cursor.execute("SELECT 1")

    connection.rollback()
    connection.commit()

    assert seen == []
    connection.close()


@db
@integration
@pytest.mark.parametrize("kind", [blocking, hopping])
def test_a_connection_may_be_closed_twice(database: DuckDBDatabase, kind: Any) -> None:
    connection = kind(database)

    connection.close()
    connection.close()
    connection.terminate()

    assert connection.closed


@db
@integration
def test_a_worker_rests_once_however_often_its_connection_is_closed(
    database: DuckDBDatabase,
) -> None:
    connection = hopping(database)

    connection.close()
    connection.close()

    assert len(database.crew) == 1


@unit
async def test_a_commit_that_is_cancelled_again_and_again_is_awaited() -> None:
    commit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(_to_its_end(commit))
    for _ in range(4):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    commit.set_result(None)

    with pytest.raises(asyncio.CancelledError) as cancelled:
        await task

    assert cancelled.value.__cause__ is None


@unit
async def test_a_cancelled_commit_that_failed_says_so() -> None:
    commit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(_to_its_end(commit))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    failure = duckdb.IOException("the disk is gone")
    commit.set_exception(failure)

    with pytest.raises(asyncio.CancelledError) as cancelled:
        await task

    assert cancelled.value.__cause__ is failure


@db
@concurrency
async def test_the_driver_connection_interrupts_the_statement_that_runs(memory_lab: Lab) -> None:
    async with memory_lab.engine().connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        task = asyncio.create_task(connection.execute(text(ENDLESS)))
        async with asyncio.timeout(PATIENCE):
            while not task.done():
                driver.interrupt()
                await asyncio.sleep(0.01)

        with pytest.raises(sa_exc.DBAPIError, match=r"(?i)interrupt"):
            await task


@db
@integration
@pytest.mark.slow
async def test_the_driver_connection_of_one_that_is_gone_has_nothing_to_interrupt(
    database: DuckDBDatabase,
) -> None:
    connection = hopping(database)
    gone = weakref.ref(connection)
    driver = DriverConnection(connection)
    connection.close()
    del connection
    gc.collect()

    driver.interrupt()

    assert gone() is None
    with pytest.raises(ReferenceError, match="closed"):
        await driver.run(lambda raw: raw.execute("SELECT 1"))


# ---- statements that changed rows ------------------------------------------------


@db
@integration
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_statements_that_change_rows_are_counted_by_transaction(
    database: DuckDBDatabase, end: str
) -> None:
    connection = blocking(database)
    seen = []
    cursor = connection.cursor()
    for statement in ("CREATE TABLE t AS SELECT 1 AS n", "SELECT n FROM t", "UPDATE t SET n = 2"):
        cursor.execute(statement)
        seen.append(connection.changes - connection.changes_before)

    getattr(connection, end)()

    assert seen == [0, 0, 1]
    assert (connection.changes, connection.changes_before) == (1, 1)
    connection.close()


@db
@integration
@pytest.mark.parametrize("write", [True, False])
def test_work_on_the_raw_connection_may_change_rows_if_it_writes(
    database: DuckDBDatabase, *, write: bool
) -> None:
    connection = blocking(database)

    connection.hand_out(lambda raw: raw.execute("SELECT 1"), write=write, changes_schema=False)

    assert connection.changes == int(write)
    connection.rollback()
    connection.close()
