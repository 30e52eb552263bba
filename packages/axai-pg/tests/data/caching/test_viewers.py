"""Answers of repositories with a viewer: kept for the viewer, while what is permitted holds."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, func, select

from andamios_orm.testing.clock import FrozenClock
from axai_pg.data.caching import CacheManager, cache_query
from axai_pg.data.models import Document, DocumentPermission, User
from axai_pg.data.repositories import DocumentRepository

if TYPE_CHECKING:
    import uuid

    from axai_pg import DatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db]

CALLS: list[uuid.UUID | None] = []


class Titles(DocumentRepository):
    """Documents, of which the titles are kept."""

    @cache_query(3600, reads=(Document,), for_all_users=True)
    async def titles(self) -> list[str]:
        """Return the titles that the viewer may see."""
        CALLS.append(self.viewer)
        return sorted([each.title for each in await self.list(limit=None)])


@dataclass
class Acme:
    """An organisation with a document of ana; ben is there too, and nothing is shared."""

    manager: DatabaseManager
    org_id: uuid.UUID
    ana: uuid.UUID
    ben: uuid.UUID
    plan: uuid.UUID
    calls: list[uuid.UUID | None] = field(default_factory=lambda: CALLS)

    async def titles(self, viewer: uuid.UUID | None, *, deleted: bool = False) -> list[str]:
        """Return what a viewer sees, in a scope that names no user."""
        async with self.manager.async_session_scope(self.org_id) as session:
            titles = Titles(session, viewer=viewer)
            return await (titles.with_deleted() if deleted else titles).titles()

    async def share(self, until: dt.timedelta | None = None) -> None:
        """Let ben read the document, for as long."""
        async with self.manager.async_session_scope(self.org_id) as session:
            now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
            ends = None if until is None else now + until
            documents = DocumentRepository(session)
            await documents.share(self.plan, "read", user_id=self.ben, expires_at=ends)


@pytest.fixture
async def people(manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID) -> Acme:
    """Return the organisation."""
    CALLS.clear()
    async with manager.async_session_scope(acme) as session:
        ana, ben = (User(username=name, email=f"{name}@example.org") for name in ("ana", "ben"))
        session.add_all([ana, ben])
        await session.flush()
        plan = Document(title="Plan", owner_id=ana.id)
        session.add(plan)
        await session.flush()
        return Acme(manager, acme, ana.id, ben.id, plan.id)


@pytest.mark.slow
async def test_an_answer_is_kept_for_its_viewer(people: Acme, cache: CacheManager) -> None:
    found = [await people.titles(viewer) for viewer in (people.ana, people.ben, None) * 2]

    assert found == [["Plan"], [], ["Plan"]] * 2
    assert people.calls == [people.ana, people.ben, None]
    assert cache.statistics().hits == 3


@pytest.mark.slow
async def test_an_answer_for_a_viewer_is_kept_for_the_user_who_acts(people: Acme) -> None:
    for user_id in (people.ana, people.ben):
        async with people.manager.async_session_scope(people.org_id, user_id) as session:
            await Titles(session, viewer=people.ana).titles()

    assert len(people.calls) == 2


async def test_deleted_rows_are_in_no_answer_without_them(people: Acme) -> None:
    async with people.manager.async_session_scope(people.org_id) as session:
        await DocumentRepository(session).delete(people.plan)

    found = [await people.titles(None, deleted=deleted) for deleted in (True, False)]

    assert found == [["Plan"], []]


@pytest.mark.slow
async def test_a_permission_that_comes_or_goes_makes_it_untrue(people: Acme) -> None:
    before = await people.titles(people.ben)
    await people.share()
    shared = await people.titles(people.ben)
    async with people.manager.async_session_scope(people.org_id) as session:
        await session.execute(delete(DocumentPermission))

    assert (before, shared, await people.titles(people.ben)) == ([], ["Plan"], [])


@pytest.mark.slow
async def test_a_permission_that_expires_makes_it_untrue(people: Acme) -> None:
    await people.share(dt.timedelta(seconds=1_000))

    with FrozenClock() as clock:
        for seconds in (0, 900, 200):
            clock.tick(seconds)
            await people.titles(people.ben)

    assert len(people.calls) == 2


async def test_an_answer_is_not_kept_if_a_permission_has_expired_since_the_transaction_began(
    people: Acme, cache: CacheManager
) -> None:
    async with people.manager.async_session_scope(people.org_id) as session:
        level = {"isolation_level": "READ COMMITTED"}
        connection = await session.connection(execution_options=level)
        began = (await connection.execute(select(func.now()))).scalar_one()
        async with people.manager.async_session_scope(people.org_id) as other:
            await DocumentRepository(other).share(
                people.plan,
                "read",
                user_id=people.ben,
                expires_at=began + dt.timedelta(microseconds=1),
            )

        assert await Titles(session, viewer=people.ben).titles() == ["Plan"]

    assert cache.statistics().entries == 0
