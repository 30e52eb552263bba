"""Projects like each other stored in five ways, and what each way is for.

Shows a transaction for each row, a repository on a database (which shares commits), one
transaction for all rows, ``BulkOperations`` with dicts, and with columns of Arrow.

Prints the time of each way, reckoned for a thousand rows: the slow ones store only some. A commit
for each row is the slowest by far, tasks that share commits come next, then instances in one
transaction, then bulks. Dicts and columns are close to each other: most of what is left is what
every way does, to check the values, to fill typed columns, sums by day, history and the change
feed.

Edge cases: a transaction of millions of rows has to fit into memory, so commit every 100,000 or
so; while one is open nobody else writes to the DuckDB file; ratios hold on another machine,
milliseconds do not.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from andamios_orm import run
from project_architect_db.core import DatabaseEngine
from project_architect_db.models import Project
from project_architect_db.queries import BulkOperations
from project_architect_db.repositories import ProjectRepository

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pa: Any = importlib.import_module("pyarrow")  # it comes without types
FEW, MANY = 50, 5_000


def rows(number: int) -> list[dict[str, Any]]:
    """Return values of projects."""
    return [
        {
            "name": f"project {index}",
            "project_idea": "A scaffold for the data of a team",
            "architecture": {"framework": "FastAPI", "services": ["api"]},
        }
        for index in range(number)
    ]


async def one_by_one(engine: DatabaseEngine) -> int:
    """A transaction for each row: what a loop in a script does."""
    for row in rows(FEW):
        async with engine.transaction() as session:
            session.add(Project(**row))
    return FEW


async def many_tasks(engine: DatabaseEngine) -> int:
    """A create in each of many tasks, as requests are: those that wait share a commit."""
    projects = ProjectRepository(engine)
    await asyncio.gather(*(projects.create(row) for row in rows(FEW)))
    return FEW


async def one_transaction(engine: DatabaseEngine) -> int:
    """Instances in one transaction: hooks and middleware of the repository run for each."""
    async with engine.transaction() as session:
        await ProjectRepository(session).add_many(rows(MANY // 10))
    return MANY // 10


async def in_bulk(engine: DatabaseEngine) -> int:
    """Columns made of dicts."""
    async with engine.transaction() as session:
        await BulkOperations.bulk_insert_projects(session, rows(MANY))
    return MANY


async def as_columns(engine: DatabaseEngine) -> int:
    """Columns that were never rows: from Parquet, Polars, another database."""
    numbers = range(MANY)
    table = pa.table(
        {
            "name": [f"project {number}" for number in numbers],
            "project_idea": ["A scaffold for the data of a team"] * MANY,
            "architecture": [{"framework": "FastAPI", "services": ["api"]}] * MANY,
        }
    )
    async with engine.transaction() as session:
        await BulkOperations.bulk_insert_projects(session, table)
    return MANY


WAYS: dict[str, Callable[[DatabaseEngine], Awaitable[int]]] = {
    "a transaction for each row": one_by_one,
    "a task for each row": many_tasks,
    "instances in one transaction": one_transaction,
    "bulk_insert_projects(dicts)": in_bulk,
    "bulk_insert_projects(columns)": as_columns,
}


async def main() -> None:
    """Store projects in each way, in a file."""
    with TemporaryDirectory() as folder:
        url = f"duckdb:///{Path(folder) / 'architect.duckdb'}"
        async with DatabaseEngine(url) as engine:
            await engine.initialize()
            await in_bulk(engine)  # what is done first imports and compiles
            stored = MANY
            for name, way in WAYS.items():
                before = time.perf_counter()
                number = await way(engine)
                each = (time.perf_counter() - before) / number
                stored += number
                print(f"{name:32} {each * 1_000_000:9,.0f} ms for a thousand")
            projects = ProjectRepository(engine)
            assert await projects.count(framework="FastAPI") == stored


if __name__ == "__main__":
    run(main())
