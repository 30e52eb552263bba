"""A connection that has rested is tried before it is handed out; one just used is not."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from axai_pg.data.config import pinging
from axai_pg.data.config.database import DatabaseManager, PostgresPoolConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from sqlalchemy import Engine

pytestmark = [pytest.mark.integration, pytest.mark.db]


def pings_of(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what gets one more element at each ping."""
    pings: list[Any] = []
    ping = engine.dialect.do_ping

    def noted(connection: Any) -> bool:
        pings.append(connection)
        return ping(connection)

    monkeypatch.setattr(engine.dialect, "do_ping", noted)
    return pings


def backend(manager: DatabaseManager) -> Any:
    """Return the number of the server's process, in a scope."""
    with manager.session_scope(uuid.uuid4()) as session:
        return session.scalar(text("SELECT pg_backend_pid()"))


async def backend_of_async(manager: DatabaseManager) -> Any:
    """Return the same of an async scope."""
    async with manager.async_session_scope(uuid.uuid4()) as session:
        return await session.scalar(text("SELECT pg_backend_pid()"))


@pytest.mark.parametrize(
    ("fresh", "tried"), [(0, 2), (60, 0)], ids=["it has rested", "it was used just now"]
)
async def test_only_one_that_has_rested_is_tried(
    manager: DatabaseManager, monkeypatch: pytest.MonkeyPatch, fresh: float, tried: int
) -> None:
    monkeypatch.setattr(pinging, "_FRESH", fresh)
    pings = pings_of(manager._engine, monkeypatch)
    pings_of_async = pings_of(manager._async_engine.sync_engine, monkeypatch)

    found = {backend(manager) for _ in range(3)}
    found_by_async = {await backend_of_async(manager) for _ in range(3)}

    assert (len(found), len(found_by_async)) == (1, 1)
    assert (len(pings), len(pings_of_async)) == (tried, tried)


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [0, 60], ids=["it has rested", "it was used just now"])
async def test_one_that_the_server_has_ended_is_replaced(
    manager: DatabaseManager,
    superuser: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    fresh: float,
) -> None:
    monkeypatch.setattr(pinging, "_FRESH", fresh)
    before = [backend(manager), await backend_of_async(manager)]
    for process in before:
        superuser.execute("SELECT pg_terminate_backend(%s, 10000)", [process])

    after = [backend(manager), await backend_of_async(manager)]

    assert not set(before) & set(after)


def test_none_is_tried_where_the_pool_is_told_not_to(
    service: str,
    manager_of: Callable[..., DatabaseManager],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pinging, "_FRESH", 0)
    pool = PostgresPoolConfig(pool_size=1, max_overflow=0, pool_pre_ping=False)
    manager = manager_of(service, pool=pool)
    pings = pings_of(manager._engine, monkeypatch)

    found = {backend(manager) for _ in range(3)}

    assert len(found) == 1
    assert pings == []
