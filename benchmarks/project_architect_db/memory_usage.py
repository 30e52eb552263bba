"""Resident memory of a new process: with an open database, after a bulk, after an import.

``python -m benchmarks.project_architect_db.memory_usage project_memory ours FILE`` is such a
process: it says when it is ready, and ends when its input does. That of the driver imports
nothing of ours.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Bound, Figure, Places, Scale

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FIGURES", "whole_run"]

ROOT = Path(__file__).parent.parent.parent


def raw_open(path: str) -> Any:
    """Open a file with the driver."""
    import duckdb

    connection = duckdb.connect(path)
    connection.execute("SELECT 1").fetchone()
    return connection


async def ours_open(path: str) -> Any:
    """Open it as its commands do, and create its tables."""
    from project_architect_db.core.engine import DatabaseEngine

    database = DatabaseEngine(f"duckdb:///{path}")
    await database.initialize()
    return database


def raw_bulk(path: str) -> Any:
    """Insert 10,000 projects by way of Arrow with the driver, into tables that are there."""
    from benchmarks.project_architect_db.driver import raw_dicts, values

    connection = raw_open(path)
    raw_dicts(connection, [values(number) for number in range(10_000)])
    return connection


async def ours_bulk(path: str) -> Any:
    """Insert them as dicts."""
    from benchmarks.project_architect_db.bulk_operations import insert_projects
    from benchmarks.project_architect_db.driver import values

    database = await ours_open(path)
    await insert_projects(database, [values(number) for number in range(10_000)])
    return database


async def ours_import(path: str) -> Any:
    """Import the clone that this repository is."""
    from project_architect_db.importers import import_clone

    database = await ours_open(path)
    await import_clone(database, ROOT)
    return database


CONTENDERS: dict[str, dict[str, Callable[[str], Any]]] = {
    "project_memory": {"raw": raw_open, "ours": ours_open},
    "project_memory_bulk": {"raw": raw_bulk, "ours": ours_bulk},
    "project_memory_import": {"ours": ours_import},
}
_ALEMBIC = (
    "DuckDB and SQLAlchemy have 90 MB between them; Alembic, which brings the tables up to date, "
    "and pydantic come on top"
)

FIGURES = (
    Figure(
        "project_memory",
        "resident memory of a process with an open database, 1 MB = 1,000,000 bytes",
        CONTENDERS["project_memory"],
        (Bound(100.0, reason=_ALEMBIC),),
        target=100.0,
        unit="MB",
    ),
    Figure(
        "project_memory_bulk",
        "the same after a bulk of 10,000 projects",
        CONTENDERS["project_memory_bulk"],
        unit="MB",
    ),
    Figure(
        "project_memory_import",
        "the same after an import of this repository",
        CONTENDERS["project_memory_import"],
        (Bound(400.0),),
        target=400.0,
        unit="MB",
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:  # noqa: ARG001 - one signature for all modules
    """Return the values of one run; a process has no idle figure of its own."""
    return {
        figure: {"file": {"hot": {name: resident(figure, name) for name in names}}}
        for figure, names in CONTENDERS.items()
    }


def resident(figure: str, contender: str) -> float:
    """Return the megabytes that a new process has resident once ``contender`` is done."""
    import psutil

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "memory.duckdb")
        if CONTENDERS[figure][contender] is raw_bulk:
            make_tables(path)
        command = [sys.executable, "-m", __spec__.name, figure, contender, path]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            size: int = psutil.Process(process.pid).memory_info().rss
            process.communicate()
    return size / 1_000_000


def make_tables(path: str) -> None:
    """Leave a file with our tables, in this process, which is not measured."""
    from andamios_orm import run

    async def make() -> None:
        await (await ours_open(path)).close()

    run(make())


def hold_open(figure: str, contender: str, path: str) -> None:
    """Do what a contender does, say so, and keep it until the input ends."""
    kept = CONTENDERS[figure][contender](path)
    if contender == "ours":
        from andamios_orm import run

        kept = run(kept)
    print("ready", flush=True)
    sys.stdin.read()
    del kept


if __name__ == "__main__":
    hold_open(*sys.argv[1:])
