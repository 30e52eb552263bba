"""Rows by the thousand, results by the million, and how to see where the time goes.

Shows the insert of many rows in one statement, checked bulk writes, group commit of single rows,
a stream with bounded memory, results as Arrow tables, and the observer that times statements.

Prints the time of each beside the plain way. Costs: 20,000 rows in one insert are a
few hundred milliseconds of which most is spent on building them; group commit makes one
commit of what concurrent tasks write; Arrow loads pyarrow on first use (about 35 MB).

Edge cases: ``create`` and ``insert`` commit by themselves and have no part in your
transaction; while a stream is open, another statement on the same connection makes the rest
of it be read into memory; the figures depend on the machine, the ratios hardly.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Float, Integer, String, func, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, fetch_arrow, run
from andamios_orm.bulk import bulk_create, bulk_delete, bulk_update
from andamios_orm.core import Observer, SlowStatement, StatementRecord, observe, trace_statements

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 20_000
TASKS = 200


class Base(DeclarativeBase):
    """The tables of this example."""


class Reading(Base):
    """What a sensor said; the key comes from a sequence."""

    __tablename__ = "readings"

    id: Mapped[int] = mapped_column(primary_key=True)
    sensor: Mapped[str] = mapped_column(String(20))
    tick: Mapped[int] = mapped_column(Integer)
    value: Mapped[float] = mapped_column(Float)


def readings(count: int) -> list[dict[str, object]]:
    """Return rows as a program would have them."""
    return [
        {"sensor": f"s{number % 50}", "tick": number, "value": number / 7}
        for number in range(count)
    ]


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the block took."""
    before = time.perf_counter()
    yield
    print(f"{what:52} {(time.perf_counter() - before) * 1000:8.1f} ms")


async def many_rows(database: Database) -> None:
    """One insert: columns are sent, not rows, and the keys come back in the order of input."""
    rows = readings(ROWS)
    with timed(f"{ROWS} rows in one insert, with their keys"):
        async with database.engine.begin() as connection:
            statement = insert(Reading).returning(Reading.id, sort_by_parameter_order=True)
            keys = list(await connection.scalars(statement, rows))
    assert keys == sorted(keys)
    with timed(f"{ROWS // 10} rows as instances (session.add_all)"):
        async with database.transaction() as session:
            session.add_all([Reading(**row) for row in readings(ROWS // 10)])


async def bulk_rows(database: Database) -> None:
    """Checked rows by column: keys at once, instances when they are read."""
    rows = readings(ROWS)
    with timed(f"{ROWS} rows checked and created (bulk_create)"):
        async with database.transaction() as session:
            created = await bulk_create(session, Reading, rows)
    assert created[7].tick == 7
    with timed(f"{ROWS} rows given a value each (bulk_update)"):
        async with database.transaction() as session:
            changes = [{"id": key, "value": key / 2} for key in created.ids]
            await bulk_update(session, Reading, changes)
    with timed(f"{ROWS} rows deleted by key (bulk_delete)"):
        async with database.transaction() as session:
            await bulk_delete(session, Reading, created.ids)


async def single_rows(database: Database) -> None:
    """200 tasks with a row each: a commit for every one, or one for all that wait together."""

    async def alone(row: dict[str, object]) -> None:
        async with database.transaction() as session:
            session.add(Reading(**row))

    rows = readings(TASKS)
    with timed(f"{TASKS} tasks, a transaction each"):
        await asyncio.gather(*(alone(row) for row in rows))
    with timed(f"{TASKS} tasks, group commit (database.insert)"):
        stored = await asyncio.gather(*(database.insert(Reading, row) for row in rows))
    assert [row["tick"] for row in stored] == list(range(TASKS))
    with timed("  an instance that way (database.create)"):
        reading = await database.create(Reading(sensor="s1", tick=1, value=1.0))
    assert reading.id > stored[-1]["id"]


async def many_results(database: Database) -> None:
    """All instances, a stream of rows, or columns that never were Python objects."""
    with timed("read everything as instances"):
        async with database.session() as session:
            await session.scalars(select(Reading))
    with timed("stream it, 1,000 rows at a time"):
        async with database.engine.connect() as connection:
            query = select(Reading.tick, Reading.value).execution_options(yield_per=1_000)
            async with connection.stream(query) as rows:
                streamed = sum([1 async for _ in rows])
    with timed("as an Arrow table"):
        async with database.session() as session:
            table = await fetch_arrow(session, select(Reading))
    assert table.num_rows == streamed
    with timed("one aggregate instead of all that"):
        async with database.session() as session:
            await session.execute(
                select(Reading.sensor, func.avg(Reading.value)).group_by(Reading.sensor)
            )


async def where_the_time_goes(database: Database) -> None:
    """The database observes itself; subscribe, add an observer, or make spans of it."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    end = trace_statements(database.observer, tracer_provider=provider)
    logging.getLogger("andamios_orm.statements").setLevel(logging.ERROR)  # printed below instead
    slow: list[StatementRecord] = []
    observer: Observer = observe(database.engine, slow=0.0, explain=True)
    observer.subscribe(slow.append)
    async with database.session() as session:
        await session.scalar(select(func.max(Reading.value)))
    observer.close()
    end()
    provider.shutdown()
    record = slow[0]
    slowest: SlowStatement = observer.slowest[0]
    counters = database.observer.counters
    print(f"observed: {record.operation} in {record.seconds * 1000:.1f} ms; its plan begins with")
    print("\n".join((record.plan or "").splitlines()[:4]))
    print(f"it was slow {slowest.count} time, for {slowest.longest * 1000:.1f} ms at most")
    print(f"spans: {[span.name for span in exporter.get_finished_spans()]}")
    print(f"in all: {counters.statements} statements, {counters.errors} errors")


async def main() -> None:
    """Run the comparisons on a memory database."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await many_rows(database)
        await bulk_rows(database)
        await single_rows(database)
        await many_results(database)
        await where_the_time_goes(database)


if __name__ == "__main__":
    run(main())
