"""Connections: taken from the pool and given back, and the first one of an engine."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from andamios_orm import run
from benchmarks.andamios_orm.contenders import SYNC, opened
from benchmarks.measure import Bound, Figure, Places, Scale, Values, keys, measured
from benchmarks.andamios_orm.query_performance import raw_get

__all__ = ["FIGURES", "whole_run"]


def sync_acquire(engine: Engine) -> None:
    """Take a connection of the stock dialect and give it back."""
    with engine.connect():
        pass


async def acquire(engine: AsyncEngine) -> None:
    """Take a connection and give it back."""
    async with engine.connect():
        pass


def raw_open(place: str) -> Any:
    """Open a database and ask it something."""
    with duckdb.connect(place) as connection:
        return connection.execute("SELECT 1").fetchone()


def sync_open(place: str) -> Any:
    """Open it through the stock dialect."""
    engine = create_engine(f"{SYNC}:///{place}")
    with engine.connect() as connection:
        value = connection.execute(text("SELECT 1")).scalar()
    engine.dispose()
    return value


async def first_connection(place: str) -> Any:
    """Open it through an async engine."""
    engine = create_async_engine(f"duckdb:///{place}")
    async with engine.connect() as connection:
        value = await connection.scalar(text("SELECT 1"))
    await engine.dispose()
    return value


FIGURES = (
    Figure(
        "acquire",
        "take a connection from the pool and give it back (raw: one read by key)",
        {"raw": raw_get, "sync": sync_acquire, "ours": acquire},
        (Bound(0.5, "raw"),),
        target=5.0,
    ),
    Figure(
        "first_connection",
        "make an engine, open the database, ask, close (once in the life of a program)",
        {"raw": raw_open, "sync": sync_open, "ours": first_connection},
        target=5.0,
        note="it is DuckDB opening the database, which later connections find open",
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
        figure.name: {place: values[figure.name] for place, values in found.items()}
        for figure in FIGURES
    }


async def _measure(folder: Path | None, scale: Scale) -> dict[str, dict[str, Values]]:
    async with opened(folder, rows=scale.rows) as contenders:
        numbers = keys(scale.rows)
        acquired = await measured(
            {
                "raw": lambda: raw_get(contenders.raw, next(numbers)),
                "sync": lambda: sync_acquire(contenders.sync),
                "ours": lambda: acquire(contenders.engine),
            },
            scale,
        )
    places = {
        name: ":memory:" if folder is None else str(folder / f"{name}_first.duckdb")
        for name in ("raw", "sync", "ours")
    }
    opening = await measured(
        {
            "raw": lambda: raw_open(places["raw"]),
            "sync": lambda: sync_open(places["sync"]),
            "ours": lambda: first_connection(places["ours"]),
        },
        replace(scale, rounds=scale.idle // 3, block=1, idle=scale.idle // 3),
    )
    return {"acquire": acquired, "first_connection": opening}
