"""What happens when DuckDB is used from asyncio: three ways that people paste, and this one.

Shows, on one file, with every number measured in this run: a heavy query beside 200
point reads in one event loop, a query that is given 0.2 s, and 50 tasks that each add 1
to the same row. ``make first-look`` runs it; ``--asyncio`` runs it on asyncio's own loop.

Prints a table with a column for each way. Costs about 15 s, two cores and 40 MB in the
folder for temporary files, which it removes. The naive ways are bounded, so that
the process ends: on its own, a thread in a query keeps it alive until the query is done.

Edge cases: on a machine with one core nobody's loop is calm while a query runs; how many
updates the naive way loses differs from run to run, and may rarely be none.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import duckdb
from sqlalchemy import BigInteger, Integer, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

ROWS = 400_000
READS = 200
TASKS = 50
ARRIVAL = 0.0075
GROUPS = 100
LIMIT = 0.2
PATIENCE = 2.0
HEAVY = """
    SELECT shop, count(*), avg(total), quantile_cont(total, 0.9), count(DISTINCT total)
    FROM sales CROSS JOIN range({times}) GROUP BY shop
"""
FILL = f"""
    INSERT INTO sales SELECT range, range % {GROUPS}, range * 3, 0 FROM range(1, {ROWS} + 1)
"""
RUNAWAY = "SELECT sum(hash(a.range) % 7) FROM range(3000000000) a, range(1000) b"


COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ


class Base(DeclarativeBase):
    """The tables of this example."""


class Sale(Base):
    """One sale; row 1 is the one that everybody wants to change."""

    __tablename__ = "sales"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    shop: Mapped[int] = mapped_column(Integer)
    total: Mapped[int] = mapped_column(BigInteger)
    returned: Mapped[int] = mapped_column(Integer)


class Line(NamedTuple):
    """One figure of one way."""

    name: str
    value: str
    bad: bool = False


class Way(Protocol):
    """How one goes about it."""

    async def heavy(self, sql: str) -> int:
        """Return the number of rows of an analytical query."""

    async def read(self, key: int) -> int:
        """Return the total of one sale."""

    async def add_one(self, number: int) -> None:
        """Add 1 to ``returned`` of row 1; every second caller wants the new value back."""

    async def stored(self) -> int:
        """Return ``returned`` of row 1."""

    def stop(self) -> None:
        """Stop what still runs, from any thread."""

    async def close(self) -> None:
        """Let go of everything."""


class Andamios:
    """Plain sessions of SQLAlchemy, on this library."""

    title = "andamios_orm"

    def __init__(self, path: Path) -> None:
        self.database = Database(f"duckdb:///{path}")

    async def heavy(self, sql: str) -> int:
        async with self.database.session() as session:
            return len((await session.execute(text(sql))).all())

    async def read(self, key: int) -> int:
        async with self.database.session() as session:
            return (await session.get_one(Sale, key)).total

    async def add_one(self, number: int) -> None:
        change = update(Sale).where(Sale.id == 1).values(returned=Sale.returned + 1)
        async with self.database.transaction() as session:
            if number % 2:
                await session.scalars(change.returning(Sale.returned))
            else:
                await session.execute(change)

    async def stored(self) -> int:
        async with self.database.session() as session:
            return (await session.get_one(Sale, 1)).returned

    def stop(self) -> None:
        """Do nothing: a cancelled task leaves nothing behind."""

    async def close(self) -> None:
        await self.database.close()


class SharedConnection:
    """One connection for the whole process, every call in a thread (``asyncio.to_thread``)."""

    title = "shared+threads"

    def __init__(self, path: Path) -> None:
        self.connection = duckdb.connect(str(path))

    async def call(self, function: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Return ``function(connection)``."""
        return await asyncio.to_thread(function, self.connection)

    async def heavy(self, sql: str) -> int:
        return await self.call(lambda connection: len(connection.execute(sql).fetchall()))

    async def read(self, key: int) -> int:
        return await self.call(lambda connection: one(connection, TOTAL, [key]))

    async def add_one(self, number: int) -> None:
        await self.call(lambda connection: add_one(connection, wants_value=number % 2 == 1))

    async def stored(self) -> int:
        return await self.call(lambda connection: one(connection, RETURNED, []))

    def stop(self) -> None:
        self.connection.interrupt()

    async def close(self) -> None:
        self.stop()
        await asyncio.to_thread(self.connection.close)


class CursorPerCall(SharedConnection):
    """A new cursor of that connection for every call in a thread."""

    title = "cursor+threads"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.cursors: list[duckdb.DuckDBPyConnection] = []

    async def call(self, function: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        self.cursors.append(self.connection.cursor())
        return await asyncio.to_thread(function, self.cursors[-1])

    def stop(self) -> None:
        for cursor in self.cursors:
            cursor.interrupt()


class InTheCoroutine(SharedConnection):
    """The driver called as it is, which is what ``is_async = True`` on a sync dialect does."""

    title = "no thread"

    async def call(self, function: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        return function(self.connection)


TOTAL = "SELECT total FROM sales WHERE id = ?"
RETURNED = "SELECT returned FROM sales WHERE id = 1"
ADD_ONE = "UPDATE sales SET returned = returned + 1 WHERE id = 1"


def one(connection: duckdb.DuckDBPyConnection, sql: str, values: list[int]) -> int:
    """Return the one value of a query; -1 if the row is not there (somebody else fetched it)."""
    row = connection.execute(sql, values).fetchone()
    return row[0] if row else -1


def add_one(connection: duckdb.DuckDBPyConnection, *, wants_value: bool) -> None:
    """Add 1, again and again while DuckDB reports a conflict, as one should."""
    while True:
        with contextlib.suppress(duckdb.TransactionException):
            connection.execute(ADD_ONE + (" RETURNING returned" if wants_value else "")).fetchall()
            return


async def ticker(gaps: list[float]) -> None:
    """Note how long each sleep of 1 ms really took, in ms: longer means the loop stood still."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        gaps.append((time.perf_counter() - before) * 1000)


async def timed(work: Awaitable[T]) -> tuple[float, T]:
    """Return (seconds, what ``work`` returned)."""
    before = time.perf_counter()
    result = await work
    return time.perf_counter() - before, result


async def arriving(way: Way, number: int, key: int) -> tuple[float, int]:
    """Read one sale like a request that comes in: 200 of them within 1.5 s."""
    await asyncio.sleep(number * ARRIVAL)
    return await timed(way.read(key))


async def mixed_load(way: Way, times: int) -> list[Line]:
    """Run a heavy query and 200 point reads at once; return lines of the table."""
    gaps: list[float] = []
    ticking = asyncio.create_task(ticker(gaps))
    heavy = asyncio.create_task(timed(way.heavy(HEAVY.format(times=times))))
    await asyncio.sleep(0.05)
    keys = [number * 97 % ROWS + 1 for number in range(READS)]
    reads = await asyncio.gather(*(arriving(way, *pair) for pair in enumerate(keys)))
    seconds, groups = await heavy
    ticking.cancel()
    wrong = sum(total != key * 3 for key, (_, total) in zip(keys, reads, strict=True))
    waits = [seconds for seconds, _ in reads]
    return [
        Line("heavy query: time", f"{seconds:.1f} s"),
        Line(f"  rows of its {GROUPS} that arrived", f"{groups}", bad=groups != GROUPS),
        Line(f"{READS} point reads beside it: wrong", f"{wrong}", bad=wrong > 0),
        Line("  the median one took", f"{median(waits) * 1000:.0f} ms"),
        Line("  the slowest one took", f"{max(waits) * 1000:.0f} ms"),
        Line("longest wait of a 1 ms ticker", f"{max(gaps):.0f} ms", bad=max(gaps) > 250),
    ]


async def runaway(way: Way) -> list[Line]:
    """Give a query that would take hours 0.2 s, and look what goes on after that."""
    force = threading.Timer(PATIENCE, way.stop)
    force.start()
    before = time.perf_counter()
    with contextlib.suppress(TimeoutError, duckdb.InterruptException):
        async with asyncio.timeout(LIMIT):
            await way.heavy(RUNAWAY)
    returned = time.perf_counter() - before
    busy = time.process_time()
    reading = asyncio.create_task(timed(way.read(1)))
    await asyncio.sleep(1)
    busy = time.process_time() - busy
    answered = f"{reading.result()[0] * 1000:.0f} ms" if reading.done() else "not in 1 s"
    reading.cancel()
    force.cancel()
    shown = f"{returned:.2f} s" if returned < PATIENCE - 0.1 else f"cut at {PATIENCE:.0f} s"
    return [
        Line(f"runaway query, {LIMIT} s limit: took", shown, bad=returned > LIMIT + 0.5),
        Line("  CPU it burns in the next second", f"{busy:.1f} s", bad=busy > 0.2),
        Line("  the next read took", answered, bad=answered == "not in 1 s"),
    ]


async def one_row(way: Way) -> list[Line]:
    """Let 50 tasks add 1 to one row, and count what is there when all have been told "done"."""
    before = await way.stored()
    await asyncio.gather(*(way.add_one(number) for number in range(TASKS)))
    lost = TASKS - (await way.stored() - before)
    return [
        Line(f"{TASKS} tasks add 1 to one row: stored", f"{TASKS - lost}", bad=lost > 0),
        Line("  acknowledged and lost in silence", f"{lost}", bad=lost > 0),
    ]


async def prepare(path: Path) -> int:
    """Fill the file; return how often the heavy query joins it to run for a good second."""
    async with Database(f"duckdb:///{path}") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(text(FILL))
        async with database.session() as session:
            seconds, _ = await timed(session.execute(text(HEAVY.format(times=4))))
    return max(4, round(4 * 1.75 / seconds))


def show(titles: list[str], columns: list[list[Line]]) -> None:
    """Print the table; what one would not want is marked, and red where there are colours."""
    print(f"  {'':35}" + "".join(f"{title:>14}  " for title in titles))
    for line in zip(*columns, strict=True):
        cells = ""
        for cell in line:
            shown = f"{cell.value:>14}{' !' if cell.bad else '  '}"
            cells += f"\033[1;31m{shown}\033[0m" if COLOURS and cell.bad else shown
        print(("" if line[0].name.startswith(" ") else "\n") + f"  {line[0].name:35}{cells}")


async def main() -> None:
    """Run the ways one after another on the same file and print the table."""
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    print(
        f"\n  DuckDB {duckdb.__version__} in one event loop ({loop}), Python "
        f"{platform.python_version()}, {os.cpu_count()} cores; ! is what hurts\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sales.duckdb"
        times = await prepare(path)
        columns = []
        for way in WAYS:
            if COLOURS:
                print(f"  measuring: {way.title:20}", end="\r", flush=True)
            opened = way(path)
            try:
                await opened.read(1)  # so that nobody pays for a first time below
                lines = await mixed_load(opened, times)
                lines += await one_row(opened)
                lines += await runaway(opened)
            finally:
                await opened.close()
            columns.append(lines)
    show([way.title for way in WAYS], columns)
    print(NOTES)


NOTES = """
  no thread       the driver called in the coroutine, as a sync dialect with is_async=True does
  shared+threads  to_thread, one connection for all: a row goes to whoever fetches first
  cursor+threads  to_thread, a cursor per call: DuckDB loses one of two overlapping updates
  andamios_orm    plain SQLAlchemy sessions. Go on with docs/tutorial/first-steps.md
"""

WAYS: tuple[type[InTheCoroutine | SharedConnection | CursorPerCall | Andamios], ...] = (
    InTheCoroutine,
    SharedConnection,
    CursorPerCall,
    Andamios,
)

if __name__ == "__main__":
    if "--asyncio" in sys.argv:
        asyncio.run(main())
    else:
        run(main())
