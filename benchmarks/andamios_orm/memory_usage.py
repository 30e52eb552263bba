"""Resident memory of a new process with an open engine.

``python -m benchmarks.andamios_orm.memory_usage ours`` is such a process: it
says when it is ready, and ends when its input does.
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.measure import Bound, Figure, Places, Scale

__all__ = ["FIGURES", "whole_run"]


def raw_open() -> object:
    """Open a memory database with the driver."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SELECT 1").fetchone()
    return connection


def sync_open() -> object:
    """Open it through the stock dialect."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import Session

    engine = create_engine("duckdb+duckdb_sqlalchemy:///:memory:")
    with Session(engine) as session:
        session.execute(text("SELECT 1")).one()
    return engine


async def ours_open() -> object:
    """Open it through a Database."""
    from sqlalchemy import text

    from andamios_orm import Database

    database = Database("duckdb:///:memory:")
    async with database.session() as session:
        (await session.execute(text("SELECT 1"))).one()
    return database


FIGURES = (
    Figure(
        "memory",
        "resident memory of a process with an open engine, 1 MB = 1,000,000 bytes",
        {"raw": raw_open, "sync": sync_open, "ours": ours_open},
        (Bound(100.0),),
        target=100.0,
        unit="MB",
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:  # noqa: ARG001 - one signature for all modules
    """Return the values of one run; a process has no idle figure of its own."""
    hot = {name: resident(name) for name in ("raw", "sync", "ours")}
    return {"memory": {"memory": {"hot": hot}}}


def resident(contender: str) -> float:
    """Return the megabytes that a new process has resident once ``contender`` is open."""
    import psutil

    command = [sys.executable, "-m", __spec__.name, contender]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        size: int = psutil.Process(process.pid).memory_info().rss
        process.communicate()
    return size / 1_000_000


def hold_open(contender: str) -> None:
    """Open a contender, say so, and keep it until the input ends."""
    kept: object
    if contender == "ours":
        from andamios_orm import run

        kept = run(ours_open())
    else:
        kept = raw_open() if contender == "raw" else sync_open()
    print("ready", flush=True)
    sys.stdin.read()
    del kept


if __name__ == "__main__":
    hold_open(sys.argv[1])
