"""The contenders of project_architect_db: its tables, seeded, beside the raw driver's.

``raw`` is DuckDB's driver on a file with the same tables, indexes and rows, and the same number
of threads. What it reads and writes by itself is in the code of each figure.
"""

from __future__ import annotations

import datetime as dt
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
from sqlalchemy import make_url
from sqlalchemy.schema import CreateIndex, CreateTable

from andamios_orm.dialect.options import default_threads
from benchmarks.keeping import KEPT, fingerprint
from project_architect_db import analytics, models, seeding
from project_architect_db.core.engine import DatabaseEngine
from project_architect_db.models import Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy import MetaData

__all__ = ["LOG", "Contenders", "opened", "portfolio", "statements"]

LOG: Final = "1TB"
"""How long a log may grow: no contender writes it back before the end."""
UNTIL: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SOURCES: Final = tuple(
    path
    for part in (seeding, models, analytics)
    for path in Path(str(part.__file__)).parent.glob("*.py")
)
"""What seeded rows follow from, beside the tables."""


@dataclass(frozen=True, slots=True)
class Contenders:
    """Open databases with equal tables and rows; ``projects`` are the keys of the projects."""

    raw: duckdb.DuckDBPyConnection
    database: DatabaseEngine
    projects: range


def statements(metadata: MetaData) -> Iterator[str]:
    """Yield the statements that make tables and their indexes."""
    dialect = make_url("duckdb://").get_dialect()()
    for table in metadata.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=dialect))


async def portfolio(projects: int) -> Path:
    """Return a file with so many projects; it is seeded once, and kept.

    It is seeded anew, in place of the one before, when the tables or the seeding have changed.
    """
    path = KEPT / f"portfolio-{projects}-{fingerprint(SOURCES, *statements(Base.metadata))}.duckdb"
    if not path.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        for outdated in KEPT.glob(f"portfolio-{projects}[-.]*"):
            outdated.unlink()
        unfinished = path.with_suffix(".unfinished")
        await _seeded(unfinished, projects)
        unfinished.rename(path)
    return path


async def _seeded(path: Path, projects: int) -> None:
    database = DatabaseEngine(f"duckdb:///{path}")
    await database.initialize()
    await seeding.seed(database, projects=projects, until=UNTIL)
    await database.close()


@asynccontextmanager
async def opened(folder: Path, projects: int) -> AsyncIterator[Contenders]:
    """Yield both on copies of the portfolio in ``folder``."""
    source = await portfolio(projects)
    for name in ("raw", "ours"):
        shutil.copyfile(source, folder / f"{name}.duckdb")
    threads = default_threads()
    config: dict[str, Any] = {"threads": str(threads), "checkpoint_threshold": LOG}
    raw = duckdb.connect(str(folder / "raw.duckdb"), config=config)
    url = f"duckdb:///{folder / 'ours.duckdb'}"
    async with DatabaseEngine(url, threads=threads, checkpoint_threshold=LOG) as database:
        try:
            yield Contenders(raw, database, range(1, projects + 1))
        finally:
            raw.close()
