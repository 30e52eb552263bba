"""A manager with room for several tasks, and two organisations with a user and documents each."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from axai_pg.data.config.database import PostgresPoolConfig
from axai_pg.data.models import Organization, User
from axai_pg.data.repositories import DocumentRepository

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from andamios_orm import Session
    from axai_pg.data.config.database import DatabaseManager

    Unit = Callable[[Session, Callable[[], Awaitable[object]]], Awaitable[Any]]

DOCUMENTS = 3


@dataclass(frozen=True)
class Firm:
    """An organisation, the user who acts in it, and the keys of its documents."""

    id: uuid.UUID = field(default_factory=uuid.uuid4)
    user_id: uuid.UUID = field(default_factory=uuid.uuid4)
    documents: list[uuid.UUID] = field(default_factory=list)

    async def founded(self, manager: DatabaseManager) -> Firm:
        """Return itself, with rows in the database."""
        async with manager.async_session_scope(self.id, self.user_id) as session:
            session.add(Organization(id=self.id, name="x"))
            await session.flush()
            session.add(User(id=self.user_id, username="ana", email=f"{self.user_id}@x.org"))
            await session.flush()
            for number in range(DOCUMENTS):
                given = {"title": f"List {number}", "content": "", "owner_id": self.user_id}
                made = await DocumentRepository(session).create(given)
                self.documents.append(made.id)
        return self


@pytest.fixture
def manager(service: str, manager_of: Callable[..., DatabaseManager]) -> DatabaseManager:
    """Return a manager with a connection for each of several tasks."""
    pool = PostgresPoolConfig(pool_size=5, max_overflow=5)
    return manager_of(service, pool=pool, require_unprivileged=True)


@pytest.fixture
async def firm(manager: DatabaseManager) -> Firm:
    """Return an organisation."""
    return await Firm().founded(manager)


@pytest.fixture
async def firms(manager: DatabaseManager, firm: Firm) -> Sequence[Firm]:
    """Return two organisations."""
    return firm, await Firm().founded(manager)


@pytest.fixture
def race(manager: DatabaseManager, firm: Firm) -> Callable[..., Awaitable[list[Any]]]:
    """Return what runs units at once, each in a scope, and returns what each says or raises.

    A unit gets the session, and what waits until all of them have come as far.
    """

    async def run(*units: Unit) -> list[Any]:
        together = asyncio.Barrier(len(units))

        async def one(unit: Unit) -> Any:
            async with manager.async_session_scope(firm.id, firm.user_id) as session:
                return await unit(session, together.wait)

        async with asyncio.timeout(60):
            return await asyncio.gather(*map(one, units), return_exceptions=True)

    return run
