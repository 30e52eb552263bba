"""Whether a transaction that begins to write is told that what it read has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from andamios_orm.exceptions import WriteConflict

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from tests.dialect.conftest import Lab


pytestmark = [pytest.mark.integration, pytest.mark.db]


async def _read_then_write(engine: AsyncEngine, query: str, *parameters: object) -> None:
    """Read, let another transaction change the table, then write."""
    reader: AsyncConnection
    async with engine.connect() as reader:
        await reader.exec_driver_sql(query, parameters)
        async with engine.begin() as writer:
            await writer.exec_driver_sql("INSERT INTO t VALUES (3)")
        await reader.exec_driver_sql("INSERT INTO log VALUES (1)")
        await reader.commit()


@pytest.fixture
async def engine(memory_lab: Lab) -> AsyncEngine:
    """Return an engine on a database with a table to read and another to write."""
    engine = memory_lab.engine()
    await memory_lab.set_up("CREATE TABLE t AS SELECT 1 AS n", "CREATE TABLE log (n INTEGER)")
    return engine


@pytest.mark.parametrize(
    "query",
    [
        "SELECT n FROM t WHERE n = $1 OR n = 3",
        "SELECT n FROM t WHERE n=$1or n=3",  # with NULL for the parameter it does not parse
    ],
)
async def test_a_read_with_parameters_whose_rows_changed_is_a_conflict(
    engine: AsyncEngine, query: str
) -> None:
    with pytest.raises(WriteConflict, match="another writer changed"):
        await _read_then_write(engine, query, 1)


async def test_a_read_whose_rows_are_the_same_is_none(engine: AsyncEngine, memory_lab: Lab) -> None:
    await _read_then_write(engine, "SELECT n FROM t WHERE n < $1", 2)

    assert await memory_lab.rows("SELECT n FROM log") == [(1,)]


async def test_a_read_that_depends_on_no_rows_is_none(engine: AsyncEngine, memory_lab: Lab) -> None:
    await _read_then_write(engine, "SELECT random() + $1", 2)

    assert await memory_lab.rows("SELECT n FROM log") == [(1,)]
