"""10,000 projects at once, by each way in, against what the driver takes for their rows alone.

Three floors are there. ``raw`` writes the rows of projects and nothing else, unchecked, with
framework and score given. ``all tables`` writes from the same columns all that ours leaves:
rows, one change, their history as JSON and the sums by day, in one transaction.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pyarrow import lib as arrow

from andamios_orm import run
from benchmarks.measure import Bound, Figure, Places, Scale, Values, measured
from benchmarks.project_architect_db.contenders import Contenders, opened, values
from project_architect_db.queries import BulkOperations
from project_architect_db.repositories import ProjectRepository
from project_architect_db.schemas.project import ProjectCreate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection as Connection

    from project_architect_db.core.engine import DatabaseEngine
    from project_architect_db.models import Project

__all__ = ["FIGURES", "whole_run"]

Rows = list[dict[str, Any]]

INSERT = """
INSERT INTO projects BY NAME
SELECT *, 'FastAPI' AS framework, 21 AS complexity_score, false AS is_sample, 1 AS version,
    $now AS created_at, $now AS updated_at
FROM given RETURNING id
"""
CHANGE = """
INSERT INTO andamios_changes (position, time, entity, kind, count, first_key, last_key)
SELECT max(position) + 1048576, $now, 'projects', 'bulk_create', $count, $first, $last
FROM andamios_changes RETURNING position
"""
HISTORY = """
INSERT INTO andamios_history (entity, key, position, time, kind, version, after)
SELECT 'projects', id::VARCHAR, $position, $now, 'bulk_create', version, to_json(projects)
FROM projects WHERE id BETWEEN $first AND $last
"""
SUMS = """
INSERT INTO rollup_deltas
SELECT created_at::DATE, 'project.status', status, count(*) FROM projects
WHERE id BETWEEN $first AND $last GROUP BY ALL
UNION ALL
SELECT created_at::DATE, 'project.framework', framework, count(*) FROM projects
WHERE id BETWEEN $first AND $last GROUP BY ALL
UNION ALL
SELECT created_at::DATE, 'project.complexity', complexity_score::VARCHAR, count(*) FROM projects
WHERE id BETWEEN $first AND $last GROUP BY ALL
"""


def raw_arrow(connection: Connection, table: Any) -> Any:
    """Insert what is in Arrow already, unchecked, into projects alone, and get the keys."""
    cursor = connection.cursor()
    cursor.begin()
    cursor.register("given", table)
    keys = cursor.execute(INSERT, {"now": dt.datetime.now(dt.UTC)}).fetchall()
    cursor.unregister("given")
    cursor.commit()
    return keys


def raw_dicts(connection: Connection, rows: Rows) -> Any:
    """Insert dicts by way of Arrow, unchecked, into projects alone, and get their keys."""
    return raw_arrow(connection, as_arrow(rows))


def all_arrow(connection: Connection, table: Any) -> Any:
    """Insert them with all that ours leaves: a change, their history, the sums by day."""
    cursor = connection.cursor()
    cursor.begin()
    cursor.register("given", table)
    now = dt.datetime.now(dt.UTC)
    keys = [key for (key,) in cursor.execute(INSERT, {"now": now}).fetchall()]
    cursor.unregister("given")
    ends = {"first": min(keys), "last": max(keys)}
    texts = {name: str(key) for name, key in ends.items()}
    found = cursor.execute(CHANGE, {**texts, "now": now, "count": len(keys)}).fetchone()
    assert found is not None
    cursor.execute(HISTORY, {**ends, "position": found[0], "now": now})
    cursor.execute(SUMS, ends)
    cursor.commit()
    return keys


def all_dicts(connection: Connection, rows: Rows) -> Any:
    """Insert dicts by way of Arrow with all that ours leaves."""
    return all_arrow(connection, as_arrow(rows))


def as_arrow(rows: Rows) -> Any:
    """Return dicts as a table of Arrow, JSON as text."""
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    columns["architecture"] = [orjson.dumps(value).decode() for value in columns["architecture"]]
    return arrow.Table.from_pydict(columns)


async def insert_projects(database: DatabaseEngine, rows: Any) -> list[int]:
    """Insert dicts or Arrow, checked by the column, and get their keys."""
    async with database.transaction() as session:
        created = await BulkOperations.bulk_insert_projects(session, rows)
    return created.ids


async def bulk_create(database: DatabaseEngine, rows: Any) -> list[int]:
    """Do the same through the repository."""
    async with database.transaction() as session:
        created = await ProjectRepository(session).bulk_create(rows)
    return created.ids


async def bulk_models(database: DatabaseEngine, rows: Rows) -> Sequence[Project]:
    """Insert dicts, checked with pydantic, and get instances."""
    async with database.transaction() as session:
        created = await ProjectRepository(session).bulk_create(rows, schema=ProjectCreate)
    return list(created)


_WRITTEN = (
    "ours checks each value, works out framework and score, and writes the rows a second time: "
    "as history, with the change and the sums, in the same transaction"
)
_ENGINE = "it writes the log of 10,000 rows with two indexes"

FIGURES = (
    Figure(
        "projects_arrow",
        "10,000 projects of Arrow, their keys back",
        {"raw": raw_arrow, "all tables": all_arrow, "ours": insert_projects},
        (Bound(1.3, "raw", reason=_WRITTEN), Bound(1.3, "all tables", reason=_WRITTEN)),
        target=50.0,
        note=_ENGINE,
    ),
    Figure(
        "projects_dicts",
        "BulkOperations.bulk_insert_projects, 10,000 dicts checked, their keys back",
        {"raw": raw_dicts, "all tables": all_dicts, "ours": insert_projects},
        (Bound(1.3, "raw", reason=_WRITTEN), Bound(1.3, "all tables", reason=_WRITTEN)),
        target=50.0,
        note=_ENGINE,
    ),
    Figure(
        "projects_bulk_create",
        "bulk_create, 10,000 dicts checked, their keys back",
        {"raw": raw_dicts, "all tables": all_dicts, "ours": bulk_create},
        (Bound(1.3, "raw", reason=_WRITTEN), Bound(1.3, "all tables", reason=_WRITTEN)),
        target=50.0,
        note=_ENGINE,
    ),
    Figure(
        "projects_models",
        "bulk_create, 10,000 dicts through pydantic, instances back",
        {"raw": raw_dicts, "all tables": all_dicts, "ours": bulk_models},
        (Bound(2.2, "raw", reason=_WRITTEN), Bound(2.2, "all tables", reason=_WRITTEN)),
        target=50.0,
        note=_ENGINE,
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run, on a file."""
    with tempfile.TemporaryDirectory() as folder:
        found = run(_measure(Path(folder), scale))
    return {name: {"file": times} for name, times in found.items()}


async def _measure(folder: Path, scale: Scale) -> dict[str, dict[str, Values]]:
    rows = [values(number) for number in range(scale.bulk_rows)]
    few = replace(scale, block=1, rounds=max(2, scale.rounds // 2), idle=scale.idle // 10)
    async with opened(folder, 1_000) as contenders:
        return {
            "projects_arrow": await _arrow(contenders, as_arrow(rows), few),
            "projects_dicts": await _dicts(contenders, rows, insert_projects, few),
            "projects_bulk_create": await _dicts(contenders, rows, bulk_create, few),
            "projects_models": await _dicts(contenders, rows, bulk_models, few),
        }


async def _arrow(contenders: Contenders, table: Any, scale: Scale) -> dict[str, Values]:
    return await measured(
        {
            "raw": lambda: raw_arrow(contenders.raw, table),
            "all tables": lambda: all_arrow(contenders.raw, table),
            "ours": lambda: insert_projects(contenders.database, table),
        },
        scale,
    )


async def _dicts(
    contenders: Contenders, rows: Rows, ours: Any, scale: Scale
) -> dict[str, Values]:
    return await measured(
        {
            "raw": lambda: raw_dicts(contenders.raw, rows),
            "all tables": lambda: all_dicts(contenders.raw, rows),
            "ours": lambda: ours(contenders.database, rows),
        },
        scale,
    )
