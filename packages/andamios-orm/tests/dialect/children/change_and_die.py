"""Run each schema change on a file of its own, then die without closing any of them.

Reads ``[[path, [statement, ...]], ...]`` as JSON from standard input. Its argument is "engine"
for engines of ours, or "plain" for DuckDB by itself, which leaves the change in the log.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import duckdb
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours


async def change_in_engines(work: list[tuple[str, list[str]]]) -> None:
    """Run the statements, each in a transaction of its own."""
    engines = []
    for path, statements in work:
        engine = create_async_engine(f"duckdb:///{path}", threads=1)
        engines.append(engine)
        for statement in statements:
            async with engine.begin() as connection:
                await connection.execute(text(statement))
    os.kill(os.getpid(), signal.SIGKILL)


def change_in_plain_duckdb(work: list[tuple[str, list[str]]]) -> None:
    """Run the statements, each in a transaction of its own, in files that are attached."""
    connection = duckdb.connect(":memory:")
    for number, (path, statements) in enumerate(work):
        connection.execute(f"ATTACH '{path}' AS file{number}")
        connection.execute(f"USE file{number}")
        for statement in statements:
            connection.execute(statement)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1] == "engine":
        asyncio.run(change_in_engines(json.load(sys.stdin)))
    else:
        change_in_plain_duckdb(json.load(sys.stdin))
