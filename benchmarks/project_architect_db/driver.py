"""Projects as the driver alone writes them: nothing of ours is imported here.

So a process that has this module has the footprint of the driver, of Arrow and of orjson.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
from pyarrow import lib as arrow

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

__all__ = ["Rows", "all_arrow", "all_dicts", "as_arrow", "raw_arrow", "raw_dicts", "values"]

Rows: TypeAlias = list[dict[str, Any]]

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
SELECT created_at::DATE, 'project.complexity',
    least(complexity_score // 10 * 10, 90)::VARCHAR, count(*) FROM projects
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


def values(number: int) -> dict[str, Any]:
    """Return the values of a new project."""
    return {
        "name": f"Project {number}",
        "description": "Everything that is known about it. " * 4,
        "project_idea": f"A service that a small team can keep up, number {number}. " * 4,
        "architecture": {
            "framework": ("FastAPI", "Django", "React")[number % 3],
            "services": ["api", "worker", "web"][: number % 4],
            "databases": ["PostgreSQL"],
            "dependencies": number % 40,
        },
        "status": ("draft", "active", "completed")[number % 3],
        "owner": "maria.lindqvist@example.com",
    }
