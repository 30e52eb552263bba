"""What an operator changes for all makes untrue what each organisation has kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, select, text, update

from axai_pg.data.caching import CacheManager
from axai_pg.data.models import Organization, Topic, User

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncSession

    from axai_pg import DatabaseManager

    Write = Callable[[CacheManager, AsyncSession, list[uuid.UUID]], Awaitable[Any]]

pytestmark = [pytest.mark.integration, pytest.mark.db]


async def read(manager: DatabaseManager, cache: CacheManager, org_id: uuid.UUID) -> Any:
    """Return the names of the topics of an organisation, from the cache if they are there."""
    async with manager.async_session_scope(org_id) as session:
        found = await cache.get(session, "names")
        if found is None:
            found = sorted(await session.scalars(select(Topic.name)))
            await cache.set(session, "names", found, reads=(Topic,))
        return found


async def _noted(cache: CacheManager, session: AsyncSession, keys: list[uuid.UUID]) -> None:
    await session.execute(
        text("UPDATE topics SET name = 'woods' WHERE org_id = ANY(:keys)"), {"keys": keys}
    )
    await cache.note_change(session, Topic)


async def _updated(_cache: CacheManager, session: AsyncSession, keys: list[uuid.UUID]) -> None:
    await session.execute(update(Topic).where(Topic.org_id.in_(keys)).values(name="woods"))


async def _gone(_cache: CacheManager, session: AsyncSession, keys: list[uuid.UUID]) -> None:
    await session.execute(delete(Organization).where(Organization.id.in_(keys)))


WRITES: dict[str, tuple[Write, list[str]]] = {
    "a statement": (_updated, ["woods"]),
    "raw SQL": (_noted, ["woods"]),
    "organisations": (_gone, []),
}


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("case", WRITES)
async def test_each_organisation_learns_of_it(
    manager: DatabaseManager,
    careless: DatabaseManager,
    cache: CacheManager,
    acme: uuid.UUID,
    globex: uuid.UUID,
    case: str,
) -> None:
    write, expected = WRITES[case]
    keys = [acme, globex]
    assert [await read(manager, cache, key) for key in keys] == [["trees"]] * 2

    async with CacheManager(careless) as own, careless.async_system_scope("a test") as session:
        await write(own, session, keys)

    assert [await read(manager, cache, key) for key in keys] == [expected] * 2
    assert cache.statistics().stale == 2


async def test_what_was_not_changed_stays_true(
    manager: DatabaseManager, careless: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    await read(manager, cache, acme)

    async with careless.async_system_scope("a test") as session:
        await session.execute(update(User).where(User.org_id == acme).values(is_active=False))
        async with session.begin_nested() as savepoint:
            await session.execute(update(Topic).where(Topic.org_id == acme).values(name="woods"))
            await savepoint.rollback()

    assert await read(manager, cache, acme) == ["trees"]
    assert (cache.statistics().stale, cache.statistics().hits) == (0, 1)


@pytest.mark.slow
async def test_a_blocking_scope_tells_of_kind_and_actor_and_not_how_many_rows(
    careless: DatabaseManager, acme: uuid.UUID, manager: DatabaseManager
) -> None:
    with careless.system_scope("a test") as session:
        session.execute(update(Topic).values(name=Topic.name))

    async with manager.async_session_scope(acme) as inside:
        changes = await inside.execute(
            text("SELECT entity, kind, key, count FROM andamios_changes ORDER BY position")
        )
        assert list(changes)[-1] == ("topics", "bulk_update", None, 1)
