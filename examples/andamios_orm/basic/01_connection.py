"""Opening databases: in memory, in a file, on PostgreSQL; their settings and their health.

Shows ``Database``, ``Settings``, options of DuckDB and of the pool, ``health()``, the
driver's own connection, and engines for those who want nothing but an engine.

Prints what each step found. Costs: nothing is opened before the first statement; opening
takes 10 to 40 ms, off the event loop; another connection takes microseconds and a thread.

Edge cases: the content of ``:memory:`` goes with the last connection; a file that another
process has open raises ``DatabaseLocked`` with its process id; an option that does not
exist is refused by name; ``Database`` does not read the environment, ``Settings.load`` does.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm
from andamios_orm import AndamiosError, Database, Settings, run
from andamios_orm.core import (
    GateHealth,
    Health,
    PoolHealth,
    create_engine,
    driver_connection,
    guard,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


async def in_memory() -> None:
    """A memory database; a name (``:memory:shop``) lets several engines share it."""
    async with Database("duckdb:///:memory:") as database, database.session() as session:
        print("in memory:", await session.scalar(text("SELECT 'hello'")))


async def in_a_file(path: Path) -> None:
    """A file, with options: they go into the URL or beside it, as one prefers."""
    async with Database(f"duckdb:///{path}?threads=1", memory_limit="1GB", pool_size=4) as database:
        async with database.transaction() as session:
            await session.execute(text("CREATE TABLE shop (id INTEGER PRIMARY KEY, name VARCHAR)"))
            await session.execute(text("INSERT INTO shop VALUES (1, 'corner')"))
        async with database.session() as session:
            settings = "SELECT current_setting('threads'), current_setting('TimeZone')"
            print("in a file:", (await session.execute(text(settings))).one())


async def how_it_is(path: Path) -> None:
    """What a health endpoint would answer; a database that is down is reported, not raised."""
    async with Database(f"duckdb:///{path}") as database, database.session() as session:
        await session.execute(text("SELECT 1"))
        health = await database.health()
        assert isinstance(health, Health)
        assert isinstance(health.pool, PoolHealth)
        assert isinstance(health.gate, GateHealth)
        print(f"health: ok={health.ok} in_use={health.pool.in_use} of {health.pool.limit}")
        print(f"        held by {health.pool.holders[0]}; writing: {health.gate.holder}")
    missing = await Database("duckdb:///no-such-folder/shop.duckdb").health()
    print(f"        of another: ok={missing.ok}, {(missing.error or '').partition(':')[0]}")


async def from_settings(path: Path) -> None:
    """Settings are made once, at the edge: pyproject, then environment, then arguments."""
    environment = {"ANDAMIOS_URL": f"duckdb:///{path}", "ANDAMIOS_SLOW_QUERY": "0.5"}
    settings = Settings.load(environment=environment, pool_timeout=5)
    async with Database(settings=settings) as database:
        print("settings:", database.settings.slow_query, database.settings.pool_timeout)
    secret = Settings(url="postgresql://app:hunter2@db.internal/shop")
    print("secrets are not shown:", secret)


async def what_is_refused() -> None:
    """What makes no sense is named, with the way out."""
    try:
        async with Database("duckdb:///:memory:", thread=2) as database, database.session() as db:
            await db.execute(text("SELECT 1"))
    except AndamiosError as error:
        print("refused:", str(error).partition("?")[0] + "?")


async def beneath(path: Path) -> None:
    """The driver itself: on its thread from async code, or blocking in a thread of yours."""

    def count(connection: DuckDBPyConnection) -> int:
        row = connection.execute("SELECT count(*) FROM shop").fetchone()
        return row[0] if row else 0

    async with Database(f"duckdb:///{path}") as database:
        async with driver_connection(database.engine) as raw:
            print("the driver, awaited:", await raw.run(count))

        def write() -> int:
            with database.raw(write=True) as connection:  # holds the write gate
                connection.execute("INSERT INTO shop VALUES (2, 'market')")
                return count(connection)

        print("the driver, in a thread:", await asyncio.to_thread(write))


async def only_an_engine(path: Path) -> None:
    """The engine alone, made from settings or by SQLAlchemy; ``guard`` is for PostgreSQL."""
    engine = create_engine(Settings(url=f"duckdb:///{path}"))
    plain = create_async_engine(f"duckdb:///{path}")  # the same file, the same database object
    async with engine.connect() as one, plain.connect() as other:
        query = text("SELECT count(*) FROM shop")
        print("two engines:", await one.scalar(query), await other.scalar(query))
    await engine.dispose()
    await plain.dispose()
    guard(create_async_engine("postgresql+psycopg://app@localhost/shop"))  # typed errors there too


async def main() -> None:
    """Run the steps on a file that is removed at the end."""
    print("andamios_orm", andamios_orm.__version__)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.duckdb"
        await in_memory()
        await in_a_file(path)
        await how_it_is(path)
        await from_settings(path)
        await what_is_refused()
        await beneath(path)
        await only_an_engine(path)


if __name__ == "__main__":
    run(main())
