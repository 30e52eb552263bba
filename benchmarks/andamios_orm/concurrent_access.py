"""Many tasks at once: shared commits, one hot row, fair shares, and a loop that keeps ticking."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text, update

from andamios_orm import AndamiosError, Database, run
from benchmarks.andamios_orm.contenders import Contenders, Project, opened, projects, values
from benchmarks.measure import (
    IDLE,
    Bound,
    Figure,
    Places,
    Scale,
    Values,
    garbage_left_alone,
    interleaved,
    keys,
    milliseconds,
)
from benchmarks.andamios_orm.query_performance import core_get, raw_get

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    import duckdb
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["FIGURES", "whole_run"]

WRITERS = 32
READERS = 64
ROUNDS = 10
"""Operations of each task in one burst."""


def raw_commit(connection: duckdb.DuckDBPyConnection, given: Mapping[str, Any]) -> Any:
    """Insert a row and commit, one after the other on one connection."""
    return connection.execute(
        "INSERT INTO project VALUES (nextval('project_id'), $name, $description, $status, "
        "$priority, $score, $archived, $created_at, $updated_at) RETURNING *",
        given,
    ).fetchone()


async def session_commit(database: Database, given: Mapping[str, Any]) -> Project:
    """Insert a row in a session and commit it."""
    async with database.transaction() as session:
        project = Project(**given)
        session.add(project)
    return project


async def grouped_create(database: Database, given: Mapping[str, Any]) -> Project:
    """Create an instance; tasks that do so at the same time share a commit."""
    return await database.create(Project, given)


async def grouped_insert(database: Database, given: Mapping[str, Any]) -> Any:
    """Insert a row; tasks that do so at the same time share a commit."""
    return await database.insert(Project, given)


def raw_increment(connection: duckdb.DuckDBPyConnection) -> None:
    """Read, change, commit, one after the other on one connection."""
    connection.begin()
    row = connection.execute("SELECT * FROM project WHERE id = 0").fetchone()
    assert row is not None
    connection.execute("UPDATE project SET priority = $1 WHERE id = 0", [row[4] + 1])
    connection.commit()


async def hot_increment(database: Database) -> None:
    """Read, change, commit, again if another task was faster."""
    async for attempt in database.transaction(retry=True):
        async with attempt as session:
            project = await session.get_one(Project, 0)
            project.priority += 1


HEAVY = "SELECT sum(hash(i) % 1000) FROM range({rows}) AS numbers (i)"


async def raw_heavy(connection: duckdb.DuckDBPyConnection, rows: int) -> Any:
    """Run an analytical query in a thread of its own, as one does without an async driver."""
    cursor = connection.cursor()
    return await asyncio.to_thread(lambda: cursor.execute(HEAVY.format(rows=rows)).fetchone())


async def heavy(engine: AsyncEngine, rows: int) -> Any:
    """Run it through the engine."""
    async with engine.connect() as connection:
        return (await connection.execute(text(HEAVY.format(rows=rows)))).one()


_COMMITS: dict[str, Any] = {"raw": raw_commit, "session": session_commit}

FIGURES = (
    Figure(
        "group_create",
        "Database.create by 32 tasks at once, for each row",
        {**_COMMITS, "ours": grouped_create},
        (Bound(10.0, "session", at_least=True),),
        target=1.0,
        note="a commit of its own costs DuckDB this much; only sharing it is cheaper",
    ),
    Figure(
        "group_insert",
        "Database.insert by 32 tasks at once, for each row",
        {**_COMMITS, "ours": grouped_insert},
        (Bound(10.0, "session", at_least=True),),
        target=1.0,
        note="a commit of its own costs DuckDB this much; only sharing it is cheaper",
    ),
    Figure(
        "hot_row",
        "one row read, changed and committed by 32 tasks at once, for each commit",
        {"raw": raw_increment, "ours": hot_increment},
    ),
    Figure(
        "hot_row_failures",
        "the same: changes that failed or were lost",
        {"raw": raw_increment, "ours": hot_increment},
        (Bound(0.0),),
        target=0.0,
        unit="failures",
    ),
    Figure(
        "shared_reads",
        "get by key by 64 tasks that share an engine, for each read",
        {"raw": raw_get, "ours": core_get},
        target=1.0,
    ),
    Figure(
        "fairness",
        "the same: reads of the task with most, divided by those of the task with fewest",
        {"ours": core_get},
        (Bound(2.0),),
        unit="x",
    ),
    Figure(
        "loop_health",
        "longest wait of a 1 ms ticker while two analytical queries of 1 s run",
        {"raw": raw_heavy, "ours": heavy},
        (Bound(50.0),),
        target=50.0,
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run."""
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "memory": run(_measure(None, scale)),
            "file": run(_measure(Path(folder), scale)),
        }
    return {
        figure.name: {
            place: values[figure.name] for place, values in found.items() if figure.name in values
        }
        for figure in FIGURES
    }


async def _measure(folder: Path | None, scale: Scale) -> dict[str, dict[str, Values]]:
    async with opened(folder, rows=scale.rows) as contenders:
        found = await _commits(contenders, scale)
        found |= await _hot_row(contenders)
        found |= await _shares(contenders, scale)
        if folder is None:  # the queries read no table
            found["loop_health"] = await _ticks(contenders, scale)
        return found


async def _burst(work: Callable[[], Awaitable[object]], *, tasks: int, each: int) -> None:
    async def series() -> None:
        for _ in range(each):
            await work()

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(series())


def _given() -> Iterator[dict[str, Any]]:
    return (values(number) for number in itertools.count())


async def _commits(contenders: Contenders, scale: Scale) -> dict[str, dict[str, Values]]:
    """Time bursts of 32 tasks, 10 rows each; after a rest, one row each."""
    raw, database, given = contenders.raw, contenders.database, _given()

    def bursts(each: int) -> dict[str, Callable[[], Any]]:
        def one_after_another() -> None:
            for _ in range(WRITERS * each):
                raw_commit(raw, next(given))

        works = {"session": session_commit, "create": grouped_create, "insert": grouped_insert}
        return {"raw": one_after_another} | {
            name: lambda work=work: _burst(
                lambda: work(database, next(given)), tasks=WRITERS, each=each
            )
            for name, work in works.items()
        }

    await interleaved(bursts(1), rounds=1, block=1)
    hot = await interleaved(bursts(ROUNDS), rounds=max(1, scale.rounds // 7), block=1)
    idle = await interleaved(bursts(1), rounds=max(1, scale.rounds // 3), block=1, rest=IDLE)
    times = {"hot": _each(hot, WRITERS * ROUNDS), "idle": _each(idle, WRITERS)}
    return {
        f"group_{ours}": {
            when: {"raw": each["raw"], "session": each["session"], "ours": each[ours]}
            for when, each in times.items()
        }
        for ours in ("create", "insert")
    }


def _each(seconds: Values, operations: int) -> Values:
    return milliseconds({name: value / operations for name, value in seconds.items()})


async def _hot_row(contenders: Contenders) -> dict[str, dict[str, Values]]:
    raw, database = contenders.raw, contenders.database
    failed = 0
    await _reset(database)

    async def increment() -> None:
        nonlocal failed
        try:
            await hot_increment(database)
        except AndamiosError:
            failed += 1

    def one_after_another() -> None:
        for _ in range(WRITERS * ROUNDS):
            raw_increment(raw)

    times = await interleaved(
        {
            "raw": one_after_another,
            "ours": lambda: _burst(increment, tasks=WRITERS, each=ROUNDS),
        },
        rounds=1,
        block=1,
    )
    lost = WRITERS * ROUNDS - await _counted(database)
    return {
        "hot_row": {"hot": _each(times, WRITERS * ROUNDS)},
        "hot_row_failures": {"hot": {"raw": 0.0, "ours": float(max(failed, lost))}},
    }


async def _reset(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(update(projects).where(projects.c.id == 0).values(priority=0))


async def _counted(database: Database) -> int:
    async with database.session() as session:
        return (await session.get_one(Project, 0)).priority


async def _shares(contenders: Contenders, scale: Scale) -> dict[str, dict[str, Values]]:
    """Let 64 tasks read for a while; none of them ever rests."""
    reads = [0] * READERS
    numbers = keys(contenders.rows)
    await _burst(lambda: core_get(contenders.engine, next(numbers)), tasks=READERS, each=2)
    until = time.perf_counter() + scale.seconds

    async def read(task: int) -> None:
        while not reads[task] or time.perf_counter() < until:
            await core_get(contenders.engine, next(numbers))
            reads[task] += 1

    started = time.perf_counter()
    with garbage_left_alone():
        async with asyncio.TaskGroup() as group:
            for task in range(READERS):
                group.create_task(read(task))
    seconds = time.perf_counter() - started
    raw = await interleaved(
        {"raw": lambda: raw_get(contenders.raw, next(numbers))}, rounds=scale.rounds, block=20
    )
    return {
        "shared_reads": {"hot": milliseconds({"ours": seconds / sum(reads)} | raw)},
        "fairness": {"hot": {"ours": max(reads) / max(1, min(reads))}},
    }


async def _ticks(contenders: Contenders, scale: Scale) -> dict[str, Values]:
    raw, engine = contenders.raw, contenders.engine
    rows = await _rows_for(scale.seconds, raw)
    waits = {
        "raw": await _longest_wait(lambda: raw_heavy(raw, rows)),
        "ours": await _longest_wait(lambda: heavy(engine, rows)),
    }
    return {"hot": milliseconds(waits)}


async def _rows_for(seconds: float, raw: duckdb.DuckDBPyConnection) -> int:
    """Return how many rows keep the query busy for ``seconds``."""
    rows = 1_000_000
    while True:
        started = time.perf_counter()
        await raw_heavy(raw, rows)
        took = time.perf_counter() - started
        if took > 0.05:
            return int(rows * seconds / took)
        rows *= 4


async def _longest_wait(query: Callable[[], Awaitable[object]]) -> float:
    """Return the longest time between two ticks, beyond the millisecond, of two queries."""
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before - 0.001)

    ticker = asyncio.create_task(tick())
    with garbage_left_alone():
        await asyncio.gather(query(), query())
    ticker.cancel()
    return longest
