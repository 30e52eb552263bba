import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from andamios_orm import Database, Session


def _shared(name: str) -> ModuleType:
    """Make a module of this folder importable by the name that type checkers know it by."""
    full = f"tests.queries.{name}"
    spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[full] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shop = _shared("shop")


@pytest.fixture(params=["duckdb", "postgresql"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Yield a database of each system in turn, with the empty tables of the shop."""
    name = {"duckdb": "andamios_memory_url", "postgresql": "andamios_postgres_url"}[request.param]
    async with Database(request.getfixturevalue(name)) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(shop.Base.metadata.create_all)
        yield database


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    """Yield a session on the shop with its items and parts."""
    async with database.transaction() as session:
        session.add_all(shop.items())
        await session.flush()
        session.add_all(shop.parts())
    async with database.session() as session:
        yield session
