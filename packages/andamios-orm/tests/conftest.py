"""What the tests share: databases of both systems, with the tables that a module names."""

import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from sqlalchemy import MetaData

from andamios_orm import Database
from andamios_orm.testing.prepared import PreparedDatabases

EMPTY = MetaData()


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables that a database has from the start; a module names its own."""
    return EMPTY


@pytest.fixture
def duckdb_url(metadata: MetaData, andamios_prepared: PreparedDatabases) -> Iterator[str]:
    """Yield the URL of a DuckDB file with the tables of the module."""
    with andamios_prepared.duckdb(metadata) as url:
        yield url


@pytest.fixture
def postgres_url(metadata: MetaData, andamios_prepared: PreparedDatabases) -> Iterator[str]:
    """Yield the URL of a PostgreSQL database with the tables of the module."""
    with andamios_prepared.postgresql(metadata) as url:
        yield url


@pytest.fixture(scope="session")
def through_driver() -> Callable[[str], str]:
    """Return what makes a URL go through ANDAMIOS_TEST_DRIVER: psycopg, or asyncpg."""
    driver = os.environ.get("ANDAMIOS_TEST_DRIVER", "psycopg")
    return lambda url: url.replace("+psycopg", f"+{driver}", 1)


@pytest.fixture(params=["duckdb", "postgresql"])
def url(request: pytest.FixtureRequest, through_driver: Callable[[str], str]) -> str:
    """Return the URL of a database with the tables of the module, of each system in turn."""
    fixture = {"duckdb": "duckdb_url", "postgresql": "postgres_url"}[request.param]
    found: str = request.getfixturevalue(fixture)
    return through_driver(found)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """Yield a database with the tables of the module, of each system in turn."""
    async with Database(url) as database:
        yield database


@pytest.fixture
async def duckdb_database(duckdb_url: str) -> AsyncIterator[Database]:
    """Yield a database in a DuckDB file with the tables of the module."""
    async with Database(duckdb_url) as database:
        yield database
