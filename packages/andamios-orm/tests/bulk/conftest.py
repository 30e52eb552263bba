from collections.abc import AsyncIterator

import pytest

from andamios_orm import Database


@pytest.fixture(params=["duckdb", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database, of each system in turn."""
    fixture = {"duckdb": "andamios_duckdb_url", "postgresql": "andamios_postgres_url"}
    found: str = request.getfixturevalue(fixture[request.param])
    return found


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """Yield a database of each system in turn."""
    async with Database(url) as database:
        yield database


@pytest.fixture
async def duckdb_database(andamios_duckdb_url: str) -> AsyncIterator[Database]:
    """Yield a database in a DuckDB file."""
    async with Database(andamios_duckdb_url) as database:
        yield database
