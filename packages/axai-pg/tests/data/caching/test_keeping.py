"""What is kept by hand: for how long, until when, and what is refused."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.exceptions import ConfigurationError, QueryRefused, ValueRefused
from andamios_orm.testing.clock import FrozenClock
from axai_pg.data.caching import CacheManager
from axai_pg.data.caching.stores import MemoryStore
from axai_pg.data.models import AuditLog, Topic

if TYPE_CHECKING:
    from axai_pg import DatabaseManager
    from axai_pg.data.caching import QueryKind

pytestmark = [pytest.mark.integration, pytest.mark.db]


async def test_none_is_an_answer(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    async with manager.async_session_scope(acme) as session:
        assert await cache.get(session, "best", "nothing") == "nothing"
        assert await cache.set(session, "best", None, reads=(Topic,))

        assert await cache.get(session, "best", "nothing") is None


class Counted(MemoryStore):
    """A store that says how many entries it has, which are none at first."""

    def __len__(self) -> int:
        """Return how many there are."""
        return self.usage()[0]


async def test_a_store_that_is_empty_is_used(manager: DatabaseManager, acme: uuid.UUID) -> None:
    store = Counted(10_000, lambda _name: None)
    async with (
        CacheManager(manager, store=store) as cache,
        manager.async_session_scope(acme) as session,
    ):
        await cache.get(session, "one")
        assert await cache.set(session, "one", 1, reads=(Topic,))

        assert len(store) == 1


async def test_without_an_organisation_nothing_is_kept(
    manager: DatabaseManager, cache: CacheManager
) -> None:
    async with manager.async_session_scope() as session:
        assert await cache.get(session, "one", "nothing") == "nothing"
        assert not await cache.set(session, "one", 1, reads=(Topic,))
        await cache.clear(session)

    assert cache.statistics().entries == 0


@pytest.mark.slow
async def test_the_answers_of_a_key_a_pattern_or_a_tag_are_removed(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    async def kept() -> set[str]:
        async with manager.async_session_scope(acme) as session:
            keys = ("a:1", "a:2", "b[1]*", "b1*")
            return {key for key in keys if await cache.get(session, key) is not None}

    for key in ("a:1", "a:2", "b[1]*", "b1*"):
        async with manager.async_session_scope(acme) as session:
            await cache.get(session, key)
            await cache.set(session, key, 1, reads=(Topic,), tags=["odd"] if "1*" in key else [])
    async with manager.async_session_scope(acme) as session:
        assert await kept() == {"a:1", "a:2", "b[1]*", "b1*"}
        await cache.invalidate(session, "b[1]*")
        assert await kept() == {"a:1", "a:2", "b1*"}
        await cache.invalidate_tags(session, "odd", "other")
        assert await kept() == {"a:1", "a:2"}
        await cache.invalidate_pattern(session, "a:*")
        assert await kept() == set()


@pytest.mark.slow
async def test_an_answer_has_its_time(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    async def left() -> list[str]:
        async with manager.async_session_scope(acme) as session:
            keys = ("own", "search", "default", "graph")
            return [key for key in keys if await cache.get(session, key) is not None]

    with FrozenClock() as clock:
        async with manager.async_session_scope(acme) as session:
            await cache.get(session, "own")
            await cache.set(session, "own", 1, reads=(Topic,), ttl=10)
            kinds: tuple[QueryKind, ...] = ("search", "default", "graph")
            for kind in kinds:
                await cache.set(session, kind, 1, reads=(Topic,), ttl=kind)
        assert await left() == ["own", "search", "default", "graph"]
        clock.tick(10)
        assert await left() == ["search", "default", "graph"]
        clock.tick(290)
        assert await left() == ["default", "graph"]
        clock.tick(1500)
        assert await left() == ["graph"]
        clock.tick(5400)
        assert await left() == []


@pytest.mark.sampled(5)
@pytest.mark.parametrize("value", [uuid.uuid4(), (1,), {1: 2}, object(), Topic(name="x")])
async def test_what_is_no_json_is_refused(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, value: object
) -> None:
    async with manager.async_session_scope(acme) as session:
        with pytest.raises(ValueRefused, match="cache_query"):
            await cache.set(session, "key", value, reads=(Topic,))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("reads", "reason"),
    [
        ((), "say which models"),
        ((AuditLog,), "not recorded"),
        (("topics",), "is no model"),
    ],
)
async def test_what_nobody_records_is_refused(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, reads: Any, reason: str
) -> None:
    async with manager.async_session_scope(acme) as session:
        with pytest.raises(QueryRefused, match=reason):
            await cache.set(session, "key", 1, reads=reads)


@pytest.mark.slow
async def test_changes_of_a_model_without_a_feed_cannot_be_noted(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    async with manager.async_session_scope(acme) as session:
        with pytest.raises(ConfigurationError, match="AuditLog are not recorded"):
            await cache.note_change(session, AuditLog)


@pytest.mark.slow
async def test_a_time_that_is_none_is_refused(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    async with manager.async_session_scope(acme) as session:
        with pytest.raises(ConfigurationError, match="ttl=0"):
            await cache.set(session, "key", 1, reads=(Topic,), ttl=0)
