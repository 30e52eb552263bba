import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import MetaData, create_engine, orm

from andamios_orm import Database, Session
from andamios_orm.testing.prepared import PreparedDatabases


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


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    found: MetaData = shop.Base.metadata
    return found


@pytest.fixture(scope="session", params=["duckdb", "postgresql"])
def filled(
    request: pytest.FixtureRequest,
    andamios_prepared: PreparedDatabases,
    through_driver: Callable[[str], str],
) -> Iterator[str]:
    """Yield the URL of a shop with its items and parts, which nobody changes."""
    lend = {"duckdb": andamios_prepared.duckdb, "postgresql": andamios_prepared.postgresql}
    with lend[request.param](shop.Base.metadata) as url:
        engine = create_engine(url)  # stays open, so that nobody has to open the file again
        with orm.Session(engine) as session:
            session.add_all(shop.items())
            session.flush()
            session.add_all(shop.parts())
            session.commit()
        yield through_driver(url)
        engine.dispose()


@pytest.fixture
async def session(filled: str) -> AsyncIterator[Session]:
    """Yield a session on the shop, which is rolled back in the end."""
    async with Database(filled) as database, database.session() as session:
        yield session
        await session.rollback()
