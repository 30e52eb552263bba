"""Run statements, then be killed: the log stays as it is.

Arguments: "plain" (DuckDB by itself) or "engine" (ours), the path, then the statements.
With "plain", the file is closed in the usual way if the last statement is "close".
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import duckdb
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours

if TYPE_CHECKING:
    from collections.abc import Iterable


def run_plain(path: str, statements: Iterable[str]) -> None:
    """Run the statements in DuckDB, each in a transaction of its own."""
    connection = duckdb.connect(path)
    for statement in statements:
        if statement == "close":
            connection.close()
            return
        connection.execute(statement)
    os.kill(os.getpid(), signal.SIGKILL)


async def run_in_engine(path: str, statements: Iterable[str]) -> None:
    """Run the statements in an engine, each in a transaction of its own."""
    engine = create_async_engine(f"duckdb:///{path}")
    for statement in statements:
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _, how, place, *rest = sys.argv
    if how == "plain":
        run_plain(place, rest)
    else:
        asyncio.run(run_in_engine(place, rest))
