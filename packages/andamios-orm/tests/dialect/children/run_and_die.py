"""Run statements, then be killed: the log stays as it is.

Arguments: "plain" (DuckDB by itself), "engine" (ours), "raw" (all of them in one block of
``database.raw()``) or "handed" (each by a function that is handed the connection), the path,
then the statements. With "plain", the file is closed in the usual way if the last is "close".
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import duckdb
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours
from andamios_orm.core.connection import driver_connection

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


async def run_handed(path: str, statements: Iterable[str]) -> None:
    """Run the statements by functions that nobody looks into."""
    engine = create_async_engine(f"duckdb:///{path}")
    for statement in statements:
        async with driver_connection(engine) as handed:
            await handed.run(methodcaller("execute", statement), write=True)
    os.kill(os.getpid(), signal.SIGKILL)


def run_raw(path: str, statements: Iterable[str]) -> None:
    """Run the statements on a plain connection that holds the gate."""
    engine = create_engine(f"duckdb:///{path}")
    with engine.connect():
        pass
    database: Any = engine.dialect.holder.database  # type: ignore[attr-defined]
    with database.raw(write=True) as raw:
        for statement in statements:
            raw.execute(statement)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _, how, place, *rest = sys.argv
    if how == "plain":
        run_plain(place, rest)
    elif how == "raw":
        run_raw(place, rest)
    else:
        asyncio.run((run_in_engine if how == "engine" else run_handed)(place, rest))
