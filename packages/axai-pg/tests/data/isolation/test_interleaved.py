"""Scopes of two organisations and of none, one after the other on the same connection."""

from __future__ import annotations

import asyncio
import contextlib
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

pytestmark = [pytest.mark.concurrency, pytest.mark.db]

TASKS = 8


async def one(manager: DatabaseManager, org_id: uuid.UUID | None, chance: random.Random) -> Any:
    """Return the organisations that a scope has seen, however it ends."""
    seen: list[Any] = []
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
    return seen


async def many(
    manager: DatabaseManager, keys: list[uuid.UUID | None], rounds: int, seed: int
) -> int:
    """Return how many rows of others were seen."""
    chance = random.Random(seed)
    crossed = 0
    for _ in range(rounds):
        org_id = chance.choice(keys)
        task = asyncio.create_task(one(manager, org_id, chance))
        with contextlib.suppress(asyncio.CancelledError):
            crossed += sum(key != org_id for key in await task)
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
