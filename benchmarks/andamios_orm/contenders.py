"""The three that are compared, each with a database of its own and the same rows in it.

``raw`` is the driver; ``sync`` is duckdb-sqlalchemy as it comes, on a sync
engine; ``ours`` is this package. All of them may use the same number of threads.
"""

from __future__ import annotations

import datetime as dt
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
from sqlalchemy import BigInteger, Engine, Sequence, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSequence, CreateTable

from andamios_orm import Database
from andamios_orm.dialect.options import default_threads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["Contenders", "Project", "opened", "projects", "values"]

# The stock dialect, by its own name: the import above makes duckdb:// ours.
SYNC = "duckdb+duckdb_sqlalchemy"
STARTED = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - the column is a plain TIMESTAMP


class Base(DeclarativeBase):
    """The models of the benchmarks."""


class Project(Base):
    """A row of nine columns, about 300 bytes."""

    __tablename__ = "project"

    id: Mapped[int] = mapped_column(BigInteger, Sequence("project_id"), primary_key=True)
    name: Mapped[str]
    description: Mapped[str]
    status: Mapped[str]
    priority: Mapped[int]
    score: Mapped[float]
    archived: Mapped[bool]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]


projects = Base.metadata.tables["project"]

FILL = """
INSERT INTO project
SELECT i, 'project ' || i, repeat('what it is about ', 14), ['draft', 'active', 'done'][1 + i % 3],
    i % 5, i / 7, i % 11 = 0, moment, moment
FROM (SELECT i, TIMESTAMP '2024-01-01' + to_seconds(60 * i) AS moment FROM range({rows}) AS r (i))
"""


@dataclass(frozen=True, slots=True)
class Contenders:
    """Open databases with equal content."""

    raw: duckdb.DuckDBPyConnection
    sync: Engine
    engine: AsyncEngine
    database: Database
    rows: int


@asynccontextmanager
async def opened(folder: Path | None, *, rows: int) -> AsyncIterator[Contenders]:
    """Yield the contenders on files in ``folder``, or in memory, with ``rows`` projects each."""
    threads = default_threads()
    files = [":memory:"] * 3
    ours = "duckdb:///:memory:benchmark"
    if folder is not None:
        files = [str(folder / f"{name}.duckdb") for name in ("raw", "sync", "ours")]
        ours = f"duckdb:///{files[2]}"
    config = {"threads": threads}
    raw = duckdb.connect(files[0], config={"threads": str(threads)})
    sync = create_engine(f"{SYNC}:///{files[1]}", connect_args={"config": config})
    assert type(sync.dialect).__module__ == "duckdb_sqlalchemy"
    database = Database(ours, threads=threads)
    engine = create_async_engine(ours, connect_args={"threads": threads})
    try:
        await _fill(Contenders(raw, sync, engine, database, rows))
        yield Contenders(raw, sync, engine, database, rows)
    finally:
        await engine.dispose()
        await database.close()
        sync.dispose()
        raw.close()


async def _fill(contenders: Contenders) -> None:
    rows = contenders.rows
    bind = contenders.sync
    sequence = CreateSequence(Sequence("project_id", start=rows + 1))
    schema = [str(item.compile(bind)) for item in (sequence, CreateTable(projects))]
    statements = [*schema, FILL.format(rows=rows), "CHECKPOINT"]
    for statement in statements:
        contenders.raw.execute(statement)
    with bind.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    for opener in (contenders.engine, contenders.database.engine):
        async with opener.connect() as connection:
            await connection.execute(text("SELECT 1"))
    with contenders.database.raw(write=True) as raw:
        for statement in statements:
            raw.execute(statement)


def values(number: int) -> dict[str, Any]:
    """Return the values of a new project, without its key."""
    moment = STARTED + dt.timedelta(seconds=number)
    return {
        "name": f"project {number}",
        "description": "what it is about " * 14,
        "status": "draft",
        "priority": number % 5,
        "score": number / 7,
        "archived": number % 11 == 0,
        "created_at": moment,
        "updated_at": moment,
    }
