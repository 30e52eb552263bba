"""A cache, and two organisations with a topic each."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest

from axai_pg.data.caching import CacheManager
from axai_pg.data.config.database import PostgresPoolConfig
from axai_pg.data.models import Organization, Topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from axai_pg import DatabaseManager


@pytest.fixture
def manager(service: str, manager_of: Callable[..., DatabaseManager]) -> DatabaseManager:
    """Return a manager with room for what listens, and for several sessions."""
    pool = PostgresPoolConfig(pool_size=2, max_overflow=2)
    return manager_of(service, pool=pool, require_unprivileged=True)


@pytest.fixture
async def cache(manager: DatabaseManager) -> AsyncIterator[CacheManager]:
    """Yield the cache of a service's manager."""
    async with CacheManager(manager) as cache:
        yield cache


@pytest.fixture
def new_organisation() -> Callable[[DatabaseManager], uuid.UUID]:
    """Return what makes an organisation with the topic "trees"."""

    def make(manager: DatabaseManager) -> uuid.UUID:
        org_id = uuid.uuid4()
        with manager.session_scope(org_id) as session:
            session.add(Organization(id=org_id, name="x"))
            session.flush()
            session.add(Topic(name="trees"))
        return org_id

    return make


@pytest.fixture
def acme(manager: DatabaseManager, new_organisation: Callable[..., uuid.UUID]) -> uuid.UUID:
    """Return an organisation."""
    return new_organisation(manager)


@pytest.fixture
def globex(manager: DatabaseManager, new_organisation: Callable[..., uuid.UUID]) -> uuid.UUID:
    """Return another organisation."""
    return new_organisation(manager)


@pytest.fixture
def until() -> Callable[..., object]:
    """Return what waits until a condition holds; the time limit of a test is its limit."""

    async def wait(holds: Callable[[], bool], *, pause: float = 0.01) -> None:
        while not holds():  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(pause)

    return wait
