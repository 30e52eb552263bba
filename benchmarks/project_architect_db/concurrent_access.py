"""Many tasks at once on one file: new projects, messages, reads, a dashboard."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from andamios_orm import run
from andamios_orm.exceptions import AndamiosError
from benchmarks.measure import Bound, Figure, Places, Scale, Values, garbage_left_alone
from benchmarks.project_architect_db.contenders import Contenders, opened
from benchmarks.project_architect_db.crud_operations import (
    create,
    get_all,
    message,
    raw_create,
    raw_get_all,
    raw_message,
)
from benchmarks.project_architect_db.driver import values
from project_architect_db.repositories.analytics import AnalyticsRepository

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from project_architect_db.core.engine import DatabaseEngine

__all__ = ["FIGURES", "whole_run"]

WRITERS: Final = 32
READERS: Final = 64
PROJECTS: Final = 10_000


async def dashboard(database: DatabaseEngine) -> Any:
    """Ask for the dashboard, which the cache has unless something was written."""
    return await AnalyticsRepository(database).dashboard()


FIGURES = (
    Figure(
        "project_creates",
        "a new project by 32 tasks at once, for each",
        {"raw": raw_create, "ours": create},
        target=1.0,
        note="a commit costs DuckDB this much; raw writes the row of the project alone",
    ),
    Figure(
        "project_messages",
        "a message in the same conversation by 32 tasks at once, for each",
        {"raw": raw_message, "ours": message},
        target=1.0,
        note="a commit costs DuckDB this much",
    ),
    Figure(
        "project_messages_lost",
        "the same: messages that failed, were lost or not counted",
        {"ours": message},
        (Bound(0.0),),
        target=0.0,
        unit="messages",
    ),
    Figure(
        "project_reads",
        "a project with all that belongs to it by 64 tasks at once, for each",
        {"raw": raw_get_all, "ours": get_all},
        target=1.0,
        note="that is four queries, one after the other",
    ),
    Figure(
        "project_dashboards",
        "the dashboard by 64 tasks at once, for each",
        {"ours": dashboard},
        (Bound(5.0),),
        target=5.0,
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run, on a file."""
    with tempfile.TemporaryDirectory() as folder:
        found = run(_measure(Path(folder), scale))
    return {name: {"file": {"hot": each}} for name, each in found.items()}


async def _measure(folder: Path, scale: Scale) -> dict[str, Values]:
    async with opened(folder, min(PROJECTS, scale.rows)) as contenders:
        raw, database = contenders.raw, contenders.database
        numbers = [itertools.count() for _ in range(2)]
        keys = [itertools.cycle(contenders.projects[::7]) for _ in range(2)]
        bursts = max(1, scale.rounds // 3)
        found = {
            "project_creates": {
                "raw": await _alone(lambda: raw_create(raw, values(next(numbers[0]))), bursts),
                "ours": await _together(
                    lambda: create(database, values(next(numbers[1]))), WRITERS, bursts
                ),
            },
            "project_reads": {
                "raw": await _alone(lambda: raw_get_all(raw, next(keys[0])), bursts),
                "ours": await _together(lambda: get_all(database, next(keys[1])), READERS, bursts),
            },
            "project_dashboards": {
                "ours": await _together(lambda: dashboard(database), READERS, bursts)
            },
        }
        return found | await _messages(contenders, bursts)


async def _messages(contenders: Contenders, bursts: int) -> dict[str, Values]:
    """Return the time of a message, and how many of them are not where they should be."""
    raw, database, key = contenders.raw, contenders.database, 1
    before = await _counted(database, key)
    asked = failed = 0

    async def add() -> None:
        nonlocal asked, failed
        asked += 1
        try:
            await message(database, key, "four words to say")
        except AndamiosError:
            failed += 1

    times = {
        "raw": await _alone(lambda: raw_message(raw, key, "four words to say"), bursts),
        "ours": await _together(add, WRITERS, bursts),
    }
    after = await _counted(database, key)
    lost = failed + sum(abs(now - then - asked) for now, then in zip(after, before, strict=True))
    return {"project_messages": times, "project_messages_lost": {"ours": float(lost)}}


async def _counted(database: DatabaseEngine, key: int) -> tuple[int, int]:
    """Return how many messages a conversation has, and how many it says that it has."""
    (row,) = await database.execute_raw(
        "SELECT (SELECT count(*) FROM conversation_messages WHERE conversation_id = :key) "
        "AS there, message_count AS counted FROM conversations WHERE id = :key",
        {"key": key},
    )
    return row["there"], row["counted"]


async def _alone(call: Callable[[], Any], bursts: int) -> float:
    """Return the milliseconds of a call, one after the other as a driver is used."""
    count = bursts * WRITERS
    with garbage_left_alone():
        started = time.perf_counter()
        for _ in range(count):
            call()
        return 1_000 * (time.perf_counter() - started) / count


async def _together(call: Callable[[], Awaitable[Any]], tasks: int, bursts: int) -> float:
    """Return the milliseconds of a call, of which there are many at a time."""
    await call()
    with garbage_left_alone():
        started = time.perf_counter()
        for _ in range(bursts):
            await asyncio.gather(*(call() for _ in range(tasks)))
        return 1_000 * (time.perf_counter() - started) / (tasks * bursts)
