"""Every answer of the analytics at a million projects: asked anew, after a write, asked again.

``raw`` runs the very statements of an answer on the driver, in the same database. Ours is
judged against it when the database has to be asked; right after a write, which makes what was
kept out of date; and when the answer is asked for again, which the cache has.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from andamios_orm import run
from benchmarks.measure import (
    Bound,
    Figure,
    Places,
    Scale,
    Values,
    garbage_left_alone,
    measured,
    milliseconds,
)
from benchmarks.project_architect_db.contenders import Contenders, opened
from benchmarks.project_architect_db.driver import values
from project_architect_db.models import rollups
from project_architect_db.repositories import ProjectRepository
from project_architect_db.repositories.analytics import AnalyticsRepository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection as Connection

    from project_architect_db.core.engine import DatabaseEngine

__all__ = ["ANSWERS", "FIGURES", "whole_run"]

ANSWERS: Final[dict[str, tuple[Any, ...]]] = {
    "project_metrics": (),
    "project_analytics": (),
    "conversation_metrics": (),
    "conversation_flow_analysis": (),
    "document_usage_stats": (),
    "repository_health_metrics": (),
    "cross_entity_analytics": (),
    "time_series_analysis": ("messages", "day"),
    "needs_attention": (),
    "dashboard": (),
}
"""The methods that are asked, with their arguments."""


def raw_answer(connection: Connection, statements: Sequence[tuple[str, list[Any]]]) -> Any:
    """Run the statements of an answer, one after the other, and fetch their rows."""
    return [connection.execute(sql, parameters).fetchall() for sql, parameters in statements]


async def asked_anew(database: DatabaseEngine, name: str) -> Any:
    """Ask the database."""
    return await getattr(AnalyticsRepository(database).uncached(), name)(*ANSWERS[name])


async def asked_again(database: DatabaseEngine, name: str) -> Any:
    """Ask for what may be kept."""
    return await getattr(AnalyticsRepository(database), name)(*ANSWERS[name])


async def by_rollup(database: DatabaseEngine) -> Any:
    """Sum up what was kept by day."""
    async with database.session() as session:
        return (await session.execute(rollups.totals("project.framework"))).all()


def by_column(connection: Connection) -> Any:
    """Count the rows, by the column that was filled when they were written."""
    return connection.execute(
        "SELECT created_at::DATE, framework, count(*) FROM projects WHERE deleted_at IS NULL "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()


def by_json(connection: Connection) -> Any:
    """Count the rows by a path into their JSON."""
    return connection.execute(
        "SELECT created_at::DATE, architecture->>'$.framework', count(*) FROM projects "
        "WHERE deleted_at IS NULL GROUP BY ALL ORDER BY ALL"
    ).fetchall()


def by_join(connection: Connection) -> Any:
    """Count the messages of conversations that are there, by day and role."""
    return connection.execute(
        "SELECT m.time::DATE, m.role, count(*) FROM conversation_messages m "
        "JOIN conversations c ON c.id = m.conversation_id WHERE c.deleted_at IS NULL "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()


async def message_rollup(database: DatabaseEngine) -> Any:
    """Sum up what was kept of messages by day."""
    async with database.session() as session:
        return (await session.execute(rollups.totals("message.role"))).all()


def by_sqlite(connection: sqlite3.Connection) -> Any:
    """Count the rows by the column in SQLite, which has them in an index."""
    return connection.execute(
        "SELECT day, framework, count(*) FROM projects GROUP BY day, framework"
    ).fetchall()


_WAYS: dict[str, Any] = {
    "ours": by_rollup,
    "typed column": by_column,
    "JSON path": by_json,
    "live join": by_join,
    "sqlite": by_sqlite,
}
_ROWS = "its statements read that many rows"
_POINTS = (
    "a statement through a session takes 1 ms, and pydantic 0.6 ms for the 730 points that are "
    "checked: the bound leaves less than that"
)

FIGURES = (
    *(
        Figure(
            f"analytics_{name}",
            f"{name}, asked anew",
            {"raw": raw_answer, "ours": asked_anew},
            (Bound(1.3, "raw", reason=_POINTS if name == "time_series_analysis" else ""),),
            target=5.0,
            note=_ROWS,
        )
        for name in ANSWERS
    ),
    *(
        Figure(
            f"analytics_{name}_written",
            f"{name}, right after a write",
            {"raw": raw_answer, "ours": asked_again},
            (Bound(5.0, reason=_ROWS),),
            target=5.0,
            note=_ROWS,
        )
        for name in ANSWERS
    ),
    *(
        Figure(
            f"analytics_{name}_repeated",
            f"{name}, asked again",
            {"raw": raw_answer, "ours": asked_again},
            (Bound(5.0),),
            target=5.0,
            note=_ROWS,
        )
        for name in ANSWERS
    ),
    Figure("analytics_frameworks", "projects by day and framework", _WAYS, compares=True),
    Figure("analytics_roles", "messages by day and role", _WAYS, compares=True),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run, on a file."""
    with tempfile.TemporaryDirectory() as folder:
        found = run(_measure(Path(folder), scale))
    return {name: {"file": times} for name, times in found.items()}


async def _measure(folder: Path, scale: Scale) -> dict[str, dict[str, Values]]:
    found: dict[str, dict[str, Values]] = {}
    few = replace(scale, rounds=max(2, scale.rounds // 3), block=2, idle=0)
    async with opened(folder, scale.projects) as contenders:
        for name in ANSWERS:
            found |= await _answer(contenders, name, few)
        found |= await _ways(contenders, few)
    return found


async def _answer(contenders: Contenders, name: str, scale: Scale) -> dict[str, dict[str, Values]]:
    """Return the figures of one answer."""
    database = contenders.database
    answer = await asked_anew(database, name)
    statements = [(each.sql, list(each.parameters.values())) for each in answer.sql]
    with database.raw() as raw:
        anew = await measured(
            {
                "raw": lambda: raw_answer(raw, statements),
                "ours": lambda: asked_anew(database, name),
            },
            scale,
        )
    again = await measured({"ours": lambda: asked_again(database, name)}, scale)
    written = await _after_writes(database, name, scale.rounds * scale.block)
    floor = {"raw": anew["hot"]["raw"]}
    return {
        f"analytics_{name}": anew,
        f"analytics_{name}_written": {"hot": floor | written},
        f"analytics_{name}_repeated": {"hot": floor | again["hot"]},
    }


async def _after_writes(database: DatabaseEngine, name: str, count: int) -> Values:
    """Return the median time of an answer that is asked for right after a project was created."""
    times = []
    with garbage_left_alone():
        for number in range(count):
            await ProjectRepository(database).create(values(number))
            started = time.perf_counter()
            await asked_again(database, name)
            times.append(time.perf_counter() - started)
    return milliseconds({"ours": statistics.median(times)})


async def _ways(contenders: Contenders, scale: Scale) -> dict[str, dict[str, Values]]:
    """Return the same questions answered in other ways, each from its own place."""
    raw, database = contenders.raw, contenders.database
    with sqlite3.connect(":memory:") as sqlite:
        sqlite.execute("CREATE TABLE projects (id INTEGER PRIMARY KEY, day TEXT, framework TEXT)")
        rows = raw.execute("SELECT id, created_at::DATE::VARCHAR, framework FROM projects")
        sqlite.executemany("INSERT INTO projects VALUES (?, ?, ?)", rows.fetchall())
        sqlite.execute("CREATE INDEX by_day ON projects (day, framework)")
        frameworks = await measured(
            {
                "ours": lambda: by_rollup(database),
                "typed column": lambda: by_column(raw),
                "JSON path": lambda: by_json(raw),
                "sqlite": lambda: by_sqlite(sqlite),
            },
            scale,
        )
    roles = await measured(
        {"ours": lambda: message_rollup(database), "live join": lambda: by_join(raw)}, scale
    )
    return {"analytics_frameworks": frameworks, "analytics_roles": roles}
