"""Writing 10,000 rows in one statement that returns their keys."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyarrow import lib as arrow
from sqlalchemy import Engine, insert

from andamios_orm import run
from benchmarks.andamios_orm.contenders import opened, projects, values
from benchmarks.andamios_orm.measure import Bound, Figure, Places, Scale, Values, measured

if TYPE_CHECKING:
    import duckdb
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["FIGURES", "whole_run"]

Rows = list[dict[str, Any]]


def raw_insert(connection: duckdb.DuckDBPyConnection, rows: Rows) -> Any:
    """Insert dicts by way of Arrow, the fastest way that the driver has."""
    connection.register("given", arrow.Table.from_pylist(rows))
    keys = connection.execute(
        "INSERT INTO project BY NAME SELECT nextval('project_id') AS id, * FROM given RETURNING id"
    ).fetchall()
    connection.unregister("given")
    return keys


def sync_insert(engine: Engine, rows: Rows) -> Any:
    """Insert dicts through Core of the stock dialect."""
    with engine.begin() as connection:
        return connection.execute(insert(projects).returning(projects.c.id), rows).all()


async def core_insert(engine: AsyncEngine, rows: Rows) -> Any:
    """Insert dicts through Core."""
    async with engine.begin() as connection:
        return (await connection.execute(insert(projects).returning(projects.c.id), rows)).all()


FIGURES = (
    Figure(
        "bulk_insert",
        "10,000 dicts in one Core insert with RETURNING, keys from a sequence",
        {"raw": raw_insert, "sync": sync_insert, "ours": core_insert},
        (Bound(0.2, "sync"),),
        target=100.0,
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run."""
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "memory": run(_measure(None, scale)),
            "file": run(_measure(Path(folder), scale)),
        }
    return {"bulk_insert": found}


async def _measure(folder: Path | None, scale: Scale) -> dict[str, Values]:
    rows = [values(number) for number in range(scale.bulk_rows)]
    async with opened(folder, rows=0) as contenders:
        # The first insert of each is not timed.
        assert len(raw_insert(contenders.raw, rows)) == len(rows)
        assert len(sync_insert(contenders.sync, rows)) == len(rows)
        assert len(await core_insert(contenders.engine, rows)) == len(rows)
        return await measured(
            {
                "raw": lambda: raw_insert(contenders.raw, rows),
                "sync": lambda: sync_insert(contenders.sync, rows),
                "ours": lambda: core_insert(contenders.engine, rows),
            },
            replace(scale, rounds=2, block=1, idle=1),
            warm=False,
        )
