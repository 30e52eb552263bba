"""What the tests of the dialect share: ways into a database, and overlaps of two transactions."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from andamios_orm.testing.databases import duckdb_file_url, duckdb_memory_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Self

    from andamios_orm.dialect import DuckDBDatabase

T = TypeVar("T")

Rows = list[tuple[Any, ...]]
Step = str | Callable[[Rows], str]
"""A statement, or what makes it of the rows that the transaction read last."""

PATIENCE = 20.0
"""Seconds after which a test calls it a hang."""


class Lab:
    """One database with as many engines as a test wants, all of which it disposes of."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._async: list[AsyncEngine] = []
        self._sync: list[Engine] = []

    def engine(self, **options: Any) -> AsyncEngine:
        """Return a new async engine on the database."""
        engine = create_async_engine(self.url, **options)
        self._async.append(engine)
        return engine

    def sync_engine(self, **options: Any) -> Engine:
        """Return a new blocking engine on the database."""
        engine = create_engine(self.url, **options)
        self._sync.append(engine)
        return engine

    async def set_up(self, *statements: str) -> None:
        """Run statements in one transaction."""
        engine = self._async[0] if self._async else self.engine()
        async with engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))

    async def rows(self, query: str) -> Rows:
        """Return what a query gives now."""
        async with self._async[0].connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]

    @property
    def database(self) -> DuckDBDatabase:
        """The database object that all the engines share."""
        return database_of(self._async[0])

    def checked_out(self) -> int:
        """Return how many connections are out of their pools."""
        return sum(engine.pool.checkedout() for engine in [*self._async, *self._sync])  # type: ignore[attr-defined]  # our pools count

    async def close(self) -> None:
        """Dispose of all engines."""
        for engine in self._sync:
            await asyncio.to_thread(engine.dispose)
        for other in self._async:
            await other.dispose()


def database_of(engine: AsyncEngine | Engine) -> DuckDBDatabase:
    """Return the database object behind an engine that has connected."""
    dialect: Any = engine.dialect
    database: DuckDBDatabase = dialect.holder.database
    return database


class Hops:
    """Counts how often the loop waited for a thread, over all connections of an engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._connections: list[Any] = []
        self._before = 0
        event.listen(engine.sync_engine, "connect", self._noted)

    def _noted(self, connection: Any, _record: Any) -> None:
        self._connections.append(connection)

    @property
    def total(self) -> int:
        """All hops so far."""
        return sum(connection.hops for connection in self._connections)

    def __enter__(self) -> Self:
        """Begin to count."""
        self._before = self.total
        return self

    def __exit__(self, *_: object) -> None:
        """Stop counting."""
        self.taken = self.total - self._before


class Party:
    """One transaction, through one of the ways in."""

    async def execute(self, statement: str) -> Rows:
        """Run a statement and return its rows."""
        raise NotImplementedError

    async def commit(self) -> None:
        """Commit."""
        raise NotImplementedError

    async def close(self) -> None:
        """Give everything back."""
        raise NotImplementedError


def _rows(result: Any) -> Rows:
    """Return the rows, or the count of rows changed in the form in which DuckDB gives it."""
    return [tuple(row) for row in result] if result.returns_rows else [(result.rowcount,)]


class SessionParty(Party):
    """Through an ``AsyncSession``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.session = AsyncSession(engine)

    async def execute(self, statement: str) -> Rows:
        """Run a statement and return its rows."""
        return _rows(await self.session.execute(text(statement)))

    async def commit(self) -> None:
        """Commit."""
        await self.session.commit()

    async def close(self) -> None:
        """Give everything back."""
        await self.session.close()


class CoreParty(Party):
    """Through a connection of the async engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None

    async def execute(self, statement: str) -> Rows:
        """Run a statement and return its rows."""
        if self._connection is None:
            self._connection = await self._engine.connect()
        return _rows(await self._connection.execute(text(statement)))

    async def commit(self) -> None:
        """Commit."""
        if self._connection is not None:
            await self._connection.commit()

    async def close(self) -> None:
        """Give everything back."""
        if self._connection is not None:
            await self._connection.close()


class AutocommitParty(CoreParty):
    """Through a connection on which each statement commits by itself."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine.execution_options(isolation_level="AUTOCOMMIT"))


class SyncParty(Party):
    """Through the blocking engine, in a thread of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1)
        self._connection: Connection | None = None

    def _call(self, function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def execute(self, statement: str) -> Rows:
        """Run a statement and return its rows."""
        return await self._call(self._execute, statement)

    def _execute(self, statement: str) -> Rows:
        if self._connection is None:
            self._connection = self._engine.connect()
        return _rows(self._connection.execute(text(statement)))

    async def commit(self) -> None:
        """Commit."""
        if self._connection is not None:
            await self._call(self._connection.commit)

    async def close(self) -> None:
        """Give everything back."""
        closing = self._call(self._close)
        self._thread.shutdown(wait=False)
        await asyncio.shield(closing)  # what was cancelled in a thread is closed there nevertheless

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


DOORS = ("session", "core", "autocommit", "sync")


@dataclass
class Doors:
    """The four ways into one database; ``second`` is another async engine on it."""

    lab: Lab
    first: AsyncEngine
    second: AsyncEngine
    blocking: Engine

    def open(self, door: str) -> Party:
        """Return a new transaction through ``door``."""
        if door == "session":
            return SessionParty(self.first)
        if door == "core":
            return CoreParty(self.first)
        if door == "autocommit":
            return AutocommitParty(self.first)
        if door == "sync":
            return SyncParty(self.blocking)
        assert door == "second engine"
        return CoreParty(self.second)

    async def overlap(self, schedule: str, **steps: tuple[str, list[Step]]) -> Outcome:
        """Run transactions step by step in the order of ``schedule``.

        ``overlap("abba", a=("core", [...]), b=("sync", [...]))``: each letter is the next
        step of that transaction, the last of which is its commit. Who waits for the gate
        stays behind and goes on when it is let in.
        """
        runs = {name: _Run(self.open(door), list(todo)) for name, (door, todo) in steps.items()}
        gate = self.lab.database.gate
        for name in schedule:
            run = runs[name]
            waiting = gate.waiting
            run.allow()
            while not (run.idle or run.stays_behind):
                await asyncio.sleep(0.0002)
                run.stays_behind = gate.waiting > waiting
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(run.task for run in runs.values()))
        return Outcome(
            {name: run.answers for name, run in runs.items() if run.error is None},
            {name: run.error for name, run in runs.items() if run.error is not None},
        )


@dataclass
class Outcome:
    """Who committed, with the answer to each step, and what the others were told."""

    committed: dict[str, list[Rows]]
    errors: dict[str, BaseException]


class _Run:
    """A transaction that takes a step when it is allowed to."""

    def __init__(self, party: Party, steps: list[Step]) -> None:
        self._party = party
        self._steps = steps
        self._allowed = asyncio.Semaphore(0)
        self._pending = 0
        self.stays_behind = False
        self.answers: list[Rows] = []
        self.error: BaseException | None = None
        self.task = asyncio.create_task(self._run())

    def allow(self) -> None:
        """Let it take one more step, when it has taken those before."""
        self._pending += 1
        self._allowed.release()

    @property
    def idle(self) -> bool:
        """Whether it has taken every step that it was allowed, or failed."""
        return self._pending == 0 or self.task.done()

    async def _run(self) -> None:
        rows: Rows = []
        try:
            for step in [*self._steps, None]:
                await self._allowed.acquire()
                if step is None:
                    await self._party.commit()
                else:
                    rows = await self._party.execute(step if isinstance(step, str) else step(rows))
                    self.answers.append(rows)
                self._pending -= 1
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            await self._party.close()


@pytest.fixture(params=["memory", "file"])
def place(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database: in memory, then on a file."""
    fixture = {"memory": "andamios_memory_url", "file": "andamios_duckdb_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture
async def lab(place: str) -> AsyncIterator[Lab]:
    """Yield a database in memory, then one on a file."""
    lab = Lab(place)
    yield lab
    await lab.close()


@pytest.fixture
async def lab_at() -> AsyncIterator[Callable[[str], Lab]]:
    """Yield what opens the database at a URL."""
    labs: list[Lab] = []

    def opened(url: str) -> Lab:
        labs.append(Lab(url))
        return labs[-1]

    yield opened
    for lab in labs:
        await lab.close()


@pytest.fixture
async def memory_lab(andamios_memory_url: str) -> AsyncIterator[Lab]:
    """Yield a database in memory."""
    lab = Lab(andamios_memory_url)
    yield lab
    await lab.close()


@pytest.fixture
async def file_lab(andamios_duckdb_url: str) -> AsyncIterator[Lab]:
    """Yield a database on a file."""
    lab = Lab(andamios_duckdb_url)
    yield lab
    await lab.close()


@pytest.fixture
def count_hops() -> Callable[[AsyncEngine], Hops]:
    """Return what counts the hops of an engine that has not connected yet."""
    return Hops


@pytest.fixture
async def doors(lab: Lab) -> Doors:
    """Return all ways into a database in memory, then into one on a file."""
    return Doors(lab, lab.engine(), lab.engine(), lab.sync_engine())


@pytest.fixture(scope="module", params=["memory", "file"])
def shared_doors(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Doors]:
    """Yield all ways into one database for all tests of a module, whatever their loops."""
    if request.param == "memory":
        url = duckdb_memory_url()
    else:
        url = duckdb_file_url(tmp_path_factory.mktemp("shared") / "shared.duckdb")
    lab = Lab(url)
    yield Doors(lab, lab.engine(), lab.engine(), lab.sync_engine())
    asyncio.run(lab.close())


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Fail if the dialect's threads outlive the test's engines."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2
    while left := [
        thread
        for thread in set(threading.enumerate()) - before
        if thread.name.startswith("andamios")
    ]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads are left: {left}")
        time.sleep(0.01)
