"""Reading: one row by its key through every door, and one query that has to think."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Row, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from andamios_orm import Database, run
from benchmarks.andamios_orm.contenders import Contenders, Project, opened, projects
from benchmarks.measure import Bound, Figure, Places, Scale, Values, keys, measured

if TYPE_CHECKING:
    import duckdb

__all__ = ["FIGURES", "whole_run"]


def raw_get(connection: duckdb.DuckDBPyConnection, key: int) -> Any:
    """Read one row of nine columns."""
    return connection.execute(
        "SELECT id, name, description, status, priority, score, archived, created_at, updated_at "
        "FROM project WHERE id = $1",
        [key],
    ).fetchone()


def sync_core_get(engine: Engine, key: int) -> Row[*tuple[Any, ...]]:
    """Read it through Core of the stock dialect."""
    with engine.connect() as connection:
        return connection.execute(select(projects).where(projects.c.id == key)).one()


async def core_get(engine: AsyncEngine, key: int) -> Row[*tuple[Any, ...]]:
    """Read it through Core."""
    async with engine.connect() as connection:
        return (await connection.execute(select(projects).where(projects.c.id == key))).one()


def sync_open_get(connection: Connection, key: int) -> Row[*tuple[Any, ...]]:
    """Read it through Core of the stock dialect, on a connection that stays open."""
    return connection.execute(select(projects).where(projects.c.id == key)).one()


async def open_get(connection: AsyncConnection, key: int) -> Row[*tuple[Any, ...]]:
    """Read it through Core, on a connection that stays open."""
    return (await connection.execute(select(projects).where(projects.c.id == key))).one()


def sync_orm_get(engine: Engine, key: int) -> Project:
    """Read it through a new session of the stock dialect."""
    with Session(engine) as session:
        return session.get_one(Project, key)


async def orm_get(engine: AsyncEngine, key: int) -> Project:
    """Read it through a new session."""
    async with AsyncSession(engine) as session:
        return await session.get_one(Project, key)


async def database_get(database: Database, key: int) -> Project:
    """Read it through a new session of the database."""
    async with database.session() as session:
        return await session.get_one(Project, key)


def sync_held_get(session: Session, key: int) -> Project:
    """Read it through a session that stays open."""
    return session.get_one(Project, key)


async def held_get(session: AsyncSession, key: int) -> Project:
    """Read it through a session that stays open."""
    return await session.get_one(Project, key)


DAILY = """
SELECT date_trunc('day', created_at) AS day, status, count(*), avg(score),
    sum(CASE WHEN archived THEN 1 ELSE 0 END), sum(count(*)) OVER (ORDER BY day)
FROM project GROUP BY day, status ORDER BY day, status
"""


def raw_complex(connection: duckdb.DuckDBPyConnection) -> Any:
    """Aggregate all projects by day and status, with a running total."""
    return connection.execute(DAILY).fetchall()


def complex_statement() -> Any:
    """Return the same as a Core statement."""
    day = func.date_trunc("day", projects.c.created_at).label("day")
    return (
        select(
            day,
            projects.c.status,
            func.count(),
            func.avg(projects.c.score),
            func.sum(case((projects.c.archived, 1), else_=0)),
            func.sum(func.count()).over(order_by=day),
        )
        .group_by(day, projects.c.status)
        .order_by(day, projects.c.status)
    )


def sync_complex(engine: Engine) -> Any:
    """Aggregate through Core of the stock dialect."""
    with engine.connect() as connection:
        return connection.execute(complex_statement()).all()


async def core_complex(engine: AsyncEngine) -> Any:
    """Aggregate through Core."""
    async with engine.connect() as connection:
        return (await connection.execute(complex_statement())).all()


_PLANNING = "most of the floor is DuckDB planning the query"
_BETWEEN = "SQLAlchemy works longer on it than DuckDB, on a sync engine as well"

FIGURES = (
    Figure(
        "core_get",
        "async Core, connect and get by key",
        {"raw": raw_get, "sync": sync_core_get, "ours": core_get},
        (Bound(2.3, "raw", reason=_BETWEEN), Bound(1.35, "sync")),
        target=1.0,
        note=_PLANNING,
    ),
    Figure(
        "open_get",
        "async Core, get by key on a connection that stays open",
        {"raw": raw_get, "sync": sync_open_get, "ours": open_get},
        (Bound(2.3, "raw", reason=_BETWEEN), Bound(1.35, "sync")),
        target=1.0,
        note=_PLANNING,
    ),
    Figure(
        "orm_get",
        "async ORM, get by key in a new AsyncSession",
        {"raw": raw_get, "sync": sync_orm_get, "ours": orm_get},
        (Bound(1.1, "sync"),),
        target=1.0,
        note=_PLANNING,
    ),
    Figure(
        "database_get",
        "async ORM, get by key in a new Database.session(), statements observed",
        {"raw": raw_get, "sync": sync_orm_get, "ours": database_get},
        (Bound(1.1, "sync", reason="its statements are timed and counted as well"),),
        target=1.0,
        note=_PLANNING,
    ),
    Figure(
        "held_get",
        "async ORM, get by key in a session that stays open",
        {"raw": raw_get, "sync": sync_held_get, "ours": held_get},
        (Bound(2.5, "raw", reason=_BETWEEN),),
        target=1.0,
        note=_PLANNING,
    ),
    Figure(
        "complex_query",
        "aggregate by day and status with a window, Core",
        {"raw": raw_complex, "sync": sync_complex, "ours": core_complex},
        target=10.0,
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run, on uvloop, and once more on asyncio's own loop."""
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "memory": run(_measure(None, scale)),
            "file": run(_measure(Path(folder), scale)),
        }
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        found["memory, asyncio"] = runner.run(_measure(None, replace(scale, idle=0)))
    return {
        figure.name: {place: values[figure.name] for place, values in found.items()}
        for figure in FIGURES
    }


async def _measure(folder: Path | None, scale: Scale) -> dict[str, dict[str, Values]]:
    async with opened(folder, rows=scale.rows) as contenders:
        found = await _gets(contenders, scale)
        found |= await _held(contenders, scale)
        return found | await _complex(contenders, scale)


async def _gets(contenders: Contenders, scale: Scale) -> dict[str, dict[str, Values]]:
    raw, sync, engine = contenders.raw, contenders.sync, contenders.engine
    numbers = [keys(contenders.rows) for _ in range(6)]
    assert raw_get(raw, 7) == sync_core_get(sync, 7) == await core_get(engine, 7)
    times = await measured(
        {
            "raw": lambda: raw_get(raw, next(numbers[0])),
            "sync core": lambda: sync_core_get(sync, next(numbers[1])),
            "core": lambda: core_get(engine, next(numbers[2])),
            "sync orm": lambda: sync_orm_get(sync, next(numbers[3])),
            "orm": lambda: orm_get(engine, next(numbers[4])),
            "database": lambda: database_get(contenders.database, next(numbers[5])),
        },
        scale,
    )
    return {
        "core_get": _picked(times, sync="sync core", ours="core"),
        "orm_get": _picked(times, sync="sync orm", ours="orm"),
        "database_get": _picked(times, sync="sync orm", ours="database"),
    }


def _picked(times: dict[str, Values], *, sync: str, ours: str) -> dict[str, Values]:
    return {
        when: {"raw": values["raw"], "sync": values[sync], "ours": values[ours]}
        for when, values in times.items()
    }


async def _held(contenders: Contenders, scale: Scale) -> dict[str, dict[str, Values]]:
    """Measure one after the other: in memory, the stock dialect has one connection a thread."""
    numbers = [keys(contenders.rows) for _ in range(3)]
    found = {}
    async with contenders.engine.connect() as connection:
        with contenders.sync.connect() as sync_connection:
            found["open_get"] = await measured(
                {
                    "raw": lambda: raw_get(contenders.raw, next(numbers[0])),
                    "sync": lambda: sync_open_get(sync_connection, next(numbers[1])),
                    "ours": lambda: open_get(connection, next(numbers[2])),
                },
                scale,
            )
    async with AsyncSession(contenders.engine) as session:
        with Session(contenders.sync) as sync_session:
            found["held_get"] = await measured(
                {
                    "raw": lambda: raw_get(contenders.raw, next(numbers[0])),
                    "sync": lambda: sync_held_get(sync_session, next(numbers[1])),
                    "ours": lambda: held_get(session, next(numbers[2])),
                },
                scale,
            )
    return found


async def _complex(contenders: Contenders, scale: Scale) -> dict[str, dict[str, Values]]:
    raw, sync, engine = contenders.raw, contenders.sync, contenders.engine
    assert len(raw_complex(raw)) == len(sync_complex(sync)) == len(await core_complex(engine))
    times = await measured(
        {
            "raw": lambda: raw_complex(raw),
            "sync": lambda: sync_complex(sync),
            "ours": lambda: core_complex(engine),
        },
        replace(scale, rounds=max(1, scale.rounds // 2), block=2, idle=scale.idle // 3),
    )
    return {"complex_query": times}
