"""What the tests share: databases of both systems, with the tables of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Text, cast, func, select

from andamios_orm import Database
from project_architect_db.models import Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from sqlalchemy import MetaData

    from andamios_orm import Session
    from andamios_orm.testing.lending import LentDatabases
    from andamios_orm.testing.prepared import PreparedDatabases


@pytest.fixture(scope="session")
def andamios_metadata() -> MetaData:
    """Return the tables that databases have from the start."""
    return Base.metadata


@pytest.fixture(params=["duckdb", "postgresql"])
def database(request: pytest.FixtureRequest, andamios_databases: LentDatabases) -> Iterator[Any]:
    """Yield a database with the tables of the package, of each system in turn."""
    with getattr(andamios_databases, request.param)(Base.metadata) as database:
        yield database


@pytest.fixture
async def duckdb_file(andamios_prepared: PreparedDatabases) -> AsyncIterator[Database]:
    """Yield a database in a DuckDB file."""
    with andamios_prepared.duckdb(Base.metadata) as url:
        async with Database(url) as database:
            yield database


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    """Yield a session that is rolled back in the end."""
    async with database.session() as session:
        yield session
        await session.rollback()


@pytest.fixture
def settled() -> Callable[[Database], Awaitable[None]]:
    """Return what waits until no transaction of the server runs that did so with the changes.

    Where they are those of other databases, one look at the feed may hold a change back.
    """

    async def wait(database: Database) -> None:
        end = await _transaction(database, func.pg_snapshot_xmax)
        while await _transaction(database, func.pg_snapshot_xmin) < end:
            pass

    return wait


async def _transaction(database: Database, end: Any) -> int:
    """Return the number of a transaction at an end of the snapshot of now."""
    statement = select(cast(end(func.pg_current_snapshot()), Text))
    async with database.engine.connect() as connection:
        return int((await connection.execute(statement)).scalar_one())


@pytest.fixture
def project_values() -> Callable[..., dict[str, Any]]:
    """Return what makes the values of a project: those it is given, and what else it needs."""

    def values(**given: Any) -> dict[str, Any]:
        return {"name": "Andamios", "project_idea": "A scaffold for the data of a team", **given}

    return values
