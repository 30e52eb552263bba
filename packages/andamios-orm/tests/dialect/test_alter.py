"""ADD COLUMN with an expression as default, which DuckDB's parser makes five statements of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy import exc as sa_exc
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours
from andamios_orm.exceptions import StatementRefused, TransactionAborted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = [pytest.mark.integration, pytest.mark.db]

ADD = "ALTER TABLE t ADD COLUMN extra INTEGER DEFAULT (1 + 1)"
FAILING = "ALTER TABLE t ADD COLUMN extra INTEGER DEFAULT error('no default')"


@pytest.fixture
async def engine() -> AsyncIterator[AsyncEngine]:
    """Yield an engine with one row in the table ``t``."""
    engine = create_async_engine("duckdb:///:memory:")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t AS SELECT 1 AS n"))
    yield engine
    await engine.dispose()


async def rows(engine: AsyncEngine) -> list[tuple[int | None, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text("SELECT * FROM t"))]


@pytest.mark.parametrize("before", [[], ["INSERT INTO t VALUES (2)"], ["SELECT 1"]], ids=len)
async def test_it_is_part_of_the_transaction(engine: AsyncEngine, before: list[str]) -> None:
    async with engine.connect() as connection:
        for statement in [*before, ADD]:
            await connection.execute(text(statement))
        inside = await connection.scalar(text("SELECT extra FROM t WHERE n = 1"))
        await connection.rollback()

    assert inside == 2
    assert await rows(engine) == [(1,)]


@pytest.mark.parametrize("add", [ADD, f"  -- why\n{ADD.lower()} ; ;"], ids=["plain", "odd"])
async def test_it_is_committed_with_the_transaction(engine: AsyncEngine, add: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO t VALUES (5)"))
        await connection.exec_driver_sql(add)

    assert await rows(engine) == [(1, 2), (5, 2)]


async def test_it_commits_by_itself_where_everything_does(engine: AsyncEngine) -> None:
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with autocommit.connect() as connection:
        await connection.execute(text(ADD))

        assert await rows(engine) == [(1, 2)]


async def test_a_default_that_fails_leaves_the_table_as_it_was(engine: AsyncEngine) -> None:
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with autocommit.connect() as connection:
        with pytest.raises(sa_exc.DBAPIError, match="no default"):
            await connection.execute(text(FAILING))
        await connection.execute(text("INSERT INTO t VALUES (2)"))

    assert await rows(engine) == [(1,), (2,)]


def test_the_blocking_engine_does_the_same() -> None:
    engine = create_engine("duckdb:///:memory:")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t AS SELECT 1 AS n"))
        connection.execute(text(ADD))
        found = connection.scalar(text("SELECT extra FROM t"))
    engine.dispose()

    assert found == 2


@pytest.mark.parametrize(
    "several",
    [
        """BEGIN; ALTER TABLE t ADD COLUMN a INT; UPDATE t SET a = 1;
        ALTER TABLE t ALTER a SET NOT NULL; COMMIT""",
        f"{ADD}; SELECT 1",
        f"SELECT 1; {ADD}",
        f"{ADD}; {ADD}",
    ],
)
async def test_what_the_caller_strung_together_is_refused(
    engine: AsyncEngine, several: str
) -> None:
    async with engine.connect() as connection:
        with pytest.raises(StatementRefused, match="one by one"):
            await connection.exec_driver_sql(several)

    assert await rows(engine) == [(1,)]


async def test_a_forbidden_default_is_refused(engine: AsyncEngine) -> None:
    forbidden = "ALTER TABLE t ADD COLUMN home VARCHAR DEFAULT getenv('HOME')"
    async with engine.connect() as connection:
        with pytest.raises(StatementRefused, match="getenv"):
            await connection.execute(text(forbidden))


@pytest.mark.parametrize(
    "change", ["UPDATE t SET n = 2", "DELETE FROM t WHERE n = 1"], ids=["update", "delete"]
)
async def test_a_table_whose_rows_were_changed_is_altered_in_a_transaction_of_its_own(
    engine: AsyncEngine, change: str
) -> None:
    add = text("ALTER TABLE t ADD COLUMN extra INTEGER")
    with pytest.raises(TransactionAborted, match="in a transaction of its own"):
        async with engine.begin() as connection:
            await connection.execute(text(change))
            await connection.execute(add)
    assert await rows(engine) == [(1,)]

    async with engine.begin() as connection:
        await connection.execute(add)
    assert await rows(engine) == [(1, None)]
