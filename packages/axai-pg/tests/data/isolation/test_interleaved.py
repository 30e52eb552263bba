"""Scopes of two organisations and of none, one after the other on the same connection."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from andamios_orm.exceptions import DataFault
from axai_pg.data.config.database import DatabaseManager, PostgresPoolConfig
from axai_pg.data.models import Organization, Topic
from axai_pg.exceptions import OrganizationRequired

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from axai_pg.data.config.database import PostgresConnectionConfig

pytestmark = [pytest.mark.concurrency, pytest.mark.db]

TASKS = 8


async def one(
    manager: DatabaseManager, org_id: uuid.UUID | None, chance: random.Random, seen: list[Any]
) -> None:
    """Add the organisations that a scope has seen, however it ends."""
    ending = chance.choice(["commit", "error", "cancel", "raise"])
    with contextlib.suppress(DataFault, ZeroDivisionError, OrganizationRequired):
        async with manager.async_session_scope(org_id) as session:
            if ending == "cancel":
                running = asyncio.current_task()
                assert running is not None
                asyncio.get_running_loop().call_later(chance.random() / 200, running.cancel)
            seen += await session.scalars(select(Topic.org_id))
            seen += await session.scalars(text("SELECT org_id FROM topics"))
            session.add(Topic(name=uuid.uuid4().hex))
            await session.flush()
            seen += await session.scalars(select(Organization.id))
            if ending == "error":
                await session.execute(text("SELECT 1 / 0"))
            if ending == "raise":
                raise ZeroDivisionError


async def many(
    manager: DatabaseManager, keys: list[uuid.UUID | None], rounds: int, seed: int
) -> int:
    """Return how many rows of others were seen."""
    chance = random.Random(seed)
    crossed = 0
    for _ in range(rounds):
        org_id = chance.choice(keys)
        seen: list[Any] = []
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.create_task(one(manager, org_id, chance, seen))
        crossed += sum(key != org_id for key in seen)
    return crossed


async def test_nothing_crosses_from_one_organisation_to_another(
    manager_of: Callable[..., DatabaseManager], service: str, rounds: Callable[..., int]
) -> None:
    manager = manager_of(service, pool=PostgresPoolConfig(pool_size=1, max_overflow=0))
    keys = [uuid.uuid4(), uuid.uuid4()]
    for key in keys:
        async with manager.async_session_scope(key) as session:
            session.add(Organization(id=key, name="x"))
            session.add(Topic(name="first"))

    each = rounds(5, 125, 2_000)
    crossed = await asyncio.gather(
        *(many(manager, [*keys, None], each, seed) for seed in range(TASKS))
    )

    assert sum(crossed) == 0
    for key in keys:
        async with manager.async_session_scope(key) as session:
            assert set(await session.scalars(select(Topic.org_id))) == {key}
    manager.dispose()


@pytest.mark.slow
async def test_scopes_do_not_cross_behind_pgbouncer(
    config: PostgresConnectionConfig,
    make_login: Callable[..., str],
    bouncer: Callable[..., AbstractContextManager[dict[str, Any]]],
    rounds: Callable[..., int],
) -> None:
    """In transaction mode, where the next transaction is on what another client had."""
    login = make_login("axai_app", options="PASSWORD 'secret'")
    pool = PostgresPoolConfig(pool_size=1, max_overflow=0, prepared_statements=False)
    server = {"host": config.host, "port": config.port, "dbname": config.database}
    keys, each = [uuid.uuid4(), uuid.uuid4()], rounds(5, 125, 2_000)
    with bouncer(login, "secret", server) as place:
        mine = {"username": login, "password": "secret", **place}
        mine["database"] = mine.pop("dbname")
        managers = [
            DatabaseManager(dataclasses.replace(config, **mine), pool, require_unprivileged=True)
            for _ in range(2)
        ]
        for key in keys:
            async with managers[0].async_session_scope(key) as session:
                session.add(Organization(id=key, name="x"))
                session.add(Topic(name="first"))

        crossed = await asyncio.gather(
            *(many(managers[seed % 2], [*keys, None], each, seed) for seed in range(TASKS))
        )

        assert sum(crossed) == 0
        for key in keys:
            async with managers[1].async_session_scope(key) as session:
                assert set(await session.scalars(select(Topic.org_id))) == {key}
                for _ in range(10):
                    await session.execute(text("SELECT 1"))
                prepared = text("SELECT count(*) FROM pg_prepared_statements")
                assert await session.scalar(prepared) == 0
        for manager in managers:
            manager.dispose()
