from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select
from sqlalchemy.exc import DatabaseError, DBAPIError

from andamios_orm import Database
from andamios_orm.core.ledger import Entry, Ledger, before_commit, watch
from andamios_orm.exceptions import (
    CommitOutcomeUnknown,
    ConfigurationError,
    DatabaseUnavailable,
    DiskFull,
    WriteConflict,
    WriteGateTimeout,
)
from andamios_orm.testing.faults import FaultNotReached, Faults
from andamios_orm.testing.rollback import rolled_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from andamios_orm.testing.lending import LentDatabases

pytestmark = [pytest.mark.integration, pytest.mark.db]

METADATA = MetaData()
THINGS = Table("things", METADATA, Column("id", Integer, primary_key=True, autoincrement=False))

STATEMENTS: dict[str, dict[str, type[Exception]]] = {
    "duckdb": {
        "conflict": WriteConflict,
        "lock": WriteGateTimeout,
        "interrupt": DatabaseError,
        "disk_full": DiskFull,
        "lost_connection": DatabaseError,
    },
    "postgresql": {
        "conflict": WriteConflict,
        # OperationalError by psycopg; asyncpg has no such class.
        "lock": DBAPIError,
        "interrupt": DBAPIError,
        "disk_full": DiskFull,
        "lost_connection": DatabaseUnavailable,
    },
}
COMMITS: dict[str, type[Exception]] = {
    "conflict": WriteConflict,
    "disk_full": DiskFull,
    "lost_connection": CommitOutcomeUnknown,
}


@pytest.fixture
def metadata() -> MetaData:
    return METADATA


async def add(database: Database, *keys: int) -> None:
    """Add things, each by a statement of its own, in one transaction."""
    async with database.transaction() as session:
        for key in keys:
            await session.execute(insert(THINGS), [{"id": key}])


async def count(database: Database) -> int | None:
    """Return how many things there are."""
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(THINGS))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", sorted(STATEMENTS["duckdb"]))
async def test_a_statement_fails_and_the_next_transaction_works(
    database: Database, andamios_faults: Faults, kind: str
) -> None:
    expected = STATEMENTS[database.engine.dialect.name][kind]
    fail: Any = getattr(andamios_faults, kind)

    with pytest.raises(expected), fail(database):
        await add(database, 1, 2)

    await add(database, 3)
    assert await count(database) == 1


@pytest.mark.parametrize("kind", sorted(COMMITS))
async def test_a_commit_fails_and_the_next_one_works(
    database: Database, andamios_faults: Faults, kind: str
) -> None:
    fail: Any = getattr(andamios_faults, kind)

    with pytest.raises(COMMITS[kind]), fail(database, commit=True):
        await add(database, 1)

    await add(database, 3)
    assert await count(database) == 1


class Noted(Entry):
    """Something that is written with the commit."""

    @classmethod
    def settle(cls, connection: Connection, entries: Sequence[Noted]) -> None:
        """Write how many there are."""
        before_commit(connection, insert(THINGS).values(id=len(entries)))


async def test_a_commit_fails_that_has_something_to_write(
    database: Database, andamios_faults: Faults
) -> None:
    async def note() -> None:
        async with database.transaction() as session:
            await session.execute(insert(THINGS), [{"id": 7}])
            watch(database.engine.sync_engine)
            connection = await session.connection()
            await connection.run_sync(lambda held: Ledger.of(held).add(Noted()))

    with pytest.raises(DiskFull), andamios_faults.disk_full(database, commit=True):
        await note()

    assert await count(database) == 0
    await note()
    assert await count(database) == 2


async def test_it_is_the_statement_that_was_named(
    database: Database, andamios_faults: Faults
) -> None:
    with andamios_faults.conflict(database.engine, statement=3):
        await add(database, 1, 2)
        with pytest.raises(WriteConflict):
            await add(database, 3)

    assert await count(database) == 2


async def test_a_fault_that_never_came_fails_the_block(
    database: Database, andamios_faults: Faults
) -> None:
    never = pytest.raises(FaultNotReached, match="before the conflict: there was no statement 2")
    with never, andamios_faults.conflict(database, statement=2):
        await add(database, 1)
    never = pytest.raises(FaultNotReached, match="no commit")
    with never, andamios_faults.disk_full(database, commit=True):
        pass


async def test_another_database_is_left_alone(
    duckdb_database: Database, andamios_faults: Faults
) -> None:
    async with Database("duckdb:///:memory:") as other:
        with pytest.raises(FaultNotReached), andamios_faults.lock(duckdb_database):
            async with other.engine.begin() as connection:
                await connection.run_sync(METADATA.create_all)
            await add(other, 1)


async def test_the_commit_of_another_database_is_left_alone(
    duckdb_database: Database, andamios_faults: Faults
) -> None:
    async with Database("duckdb:///:memory:") as other:
        with pytest.raises(WriteConflict), andamios_faults.conflict(duckdb_database, commit=True):
            async with other.engine.begin() as connection:
                await connection.run_sync(METADATA.create_all)
            assert await count(other) == 0
            await add(duckdb_database, 1)

    assert await count(duckdb_database) == 0


async def test_a_session_whose_commit_ends_a_savepoint_can_fail_too(
    andamios_databases: LentDatabases, andamios_faults: Faults
) -> None:
    held = andamios_databases.held_postgresql(METADATA)

    with rolled_back(held.engine, andamios_databases.settle) as session:
        await session.execute(insert(THINGS), [{"id": 1}])
        with pytest.raises(WriteConflict), andamios_faults.conflict(session, commit=True):
            await session.commit()
        await session.rollback()
        await session.execute(insert(THINGS), [{"id": 1}])
        await session.commit()


def test_statements_are_counted_from_one(duckdb_url: str, andamios_faults: Faults) -> None:
    refused = pytest.raises(ConfigurationError, match="counted from 1")
    with refused, andamios_faults.lock(Database(duckdb_url), statement=0):
        pass


def test_what_has_no_engine_is_refused(andamios_faults: Faults) -> None:
    refused = pytest.raises(ConfigurationError, match="no engine")
    with refused, andamios_faults.lock("duckdb://"):  # type: ignore[arg-type]  # that is the mistake
        pass
