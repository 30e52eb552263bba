"""Answers are an organisation's own, and true."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, event, func, select, text, update

from andamios_orm import Database
from andamios_orm.core.freshness import Answer
from andamios_orm.exceptions import ConfigurationError
from axai_pg.data.caching import CacheManager, CacheSettings
from axai_pg.data.caching.stores import Entry
from axai_pg.data.config.database import DatabaseManager, PostgresConnectionConfig
from axai_pg.data.models import Document, Organization, Summary, Topic, User

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable

    import psycopg
    from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = [pytest.mark.integration, pytest.mark.db]


async def names(session: AsyncSession, cache: CacheManager, key: str = "names") -> Any:
    """Return the names of the topics, from the cache if they are there."""
    missing = object()
    found = await cache.get(session, key, missing)
    if found is missing:
        found = sorted(await session.scalars(select(Topic.name)))
        await cache.set(session, key, found, reads=(Topic,))
    return found


async def read(manager: DatabaseManager, cache: CacheManager, org_id: uuid.UUID) -> Any:
    """Return the names of the topics in a scope of an organisation."""
    async with manager.async_session_scope(org_id) as session:
        return await names(session, cache)


def test_a_key_is_made_of_a_name_and_arguments() -> None:
    assert CacheManager.generate_cache_key("related", 7, depth=2) == "related:7,depth=2"


async def test_an_answer_is_kept(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    assert [await read(manager, cache, acme) for _ in range(3)] == [["trees"]] * 3

    statistics = cache.statistics()
    assert (statistics.hits, statistics.misses, statistics.entries) == (2, 1, 1)
    assert cache.get_hit_rate() == pytest.approx(2 / 3)


@pytest.mark.slow
async def test_an_answer_that_is_changed_by_who_got_it_stays_what_it_was(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    for _ in range(3):
        found = await read(manager, cache, acme)
        assert found == ["trees"]
        found.append("mine")


async def test_an_organisation_never_gets_what_is_anothers(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, globex: uuid.UUID
) -> None:
    async with manager.async_session_scope(globex) as session:
        session.add(Topic(name="secret"))
    assert await read(manager, cache, globex) == ["secret", "trees"]

    assert await read(manager, cache, acme) == ["trees"]
    for forged in ("names", f"{globex}:names", f"{globex.hex}:names", f"../{globex}/names", "*"):
        async with manager.async_session_scope(acme) as session:
            assert await cache.get(session, forged) in (["trees"], None)
            await cache.invalidate_pattern(session, f"*{globex}*")
            await cache.clear(session)
    assert cache.statistics().entries == 1
    hits = cache.statistics().hits
    assert await read(manager, cache, globex) == ["secret", "trees"]
    assert cache.statistics().hits == hits + 1


async def test_an_operator_reads_past_it(
    careless: DatabaseManager, new_organisation: Callable[..., uuid.UUID]
) -> None:
    new_organisation(careless)
    async with (
        CacheManager(careless) as cache,
        careless.async_system_scope("a test") as session,
    ):
        assert "trees" in await names(session, cache)

        assert cache.statistics().entries == 0


WRITES: dict[str, Callable[[AsyncSession], Awaitable[Any]]] = {
    "update": lambda session: session.execute(update(Topic).values(name="woods")),
    "delete": lambda session: session.execute(delete(Topic)),
    "organisation": lambda session: session.execute(delete(Organization)),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("write", WRITES)
async def test_a_commit_makes_what_it_changed_untrue(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, write: str
) -> None:
    await read(manager, cache, acme)

    async with manager.async_session_scope(acme) as session:
        await WRITES[write](session)

    assert await read(manager, cache, acme) == (["woods"] if write == "update" else [])
    assert cache.statistics().stale == 1


@pytest.mark.slow
async def test_a_commit_of_a_blocking_scope_is_seen_at_once(
    manager: DatabaseManager,
    cache: CacheManager,
    acme: uuid.UUID,
    until: Callable[..., Awaitable[None]],
) -> None:
    await read(manager, cache, acme)
    await until(lambda: cache.is_listening)
    await read(manager, cache, acme)

    with manager.session_scope(acme) as blocking:
        blocking.add(Topic(name="birds"))

    assert await read(manager, cache, acme) == ["birds", "trees"]


async def test_a_rollback_makes_nothing_untrue(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    await read(manager, cache, acme)

    async with manager.async_session_scope(acme) as session:
        session.add(Topic(name="birds"))
        await session.flush()
        await session.rollback()

    assert await read(manager, cache, acme) == ["trees"]
    assert cache.statistics().hits == 1


@pytest.mark.slow
async def test_what_others_do_makes_nothing_untrue(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, globex: uuid.UUID
) -> None:
    await read(manager, cache, acme)

    async with manager.async_session_scope(globex) as session:
        session.add(Topic(name="birds"))
    async with manager.async_session_scope(acme) as session:
        session.add(User(username="ana", email="ana@example.org"))

    assert await read(manager, cache, acme) == ["trees"]
    assert cache.statistics().hits == 1


@pytest.mark.parametrize("seen", [True, False])
async def test_who_writes_reads_past_it_and_leaves_nothing(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, *, seen: bool
) -> None:
    async with manager.async_session_scope(acme) as session:
        await cache.get(session, "names")
        session.add(Topic(name="birds"))
        if seen:
            await session.flush()

        assert await names(session, cache) == ["birds", "trees"]
        await session.rollback()

    assert cache.statistics().bypassed == 1
    assert await read(manager, cache, acme) == ["trees"]


async def test_what_raw_sql_has_written_is_not_kept(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    async with manager.async_session_scope(acme) as session:
        await cache.get(session, "names")
        await session.execute(text("UPDATE topics SET name = 'woods'"))

        assert not await cache.set(session, "names", ["woods"], reads=(Topic,))
        await session.rollback()

    assert await read(manager, cache, acme) == ["trees"]


@pytest.mark.slow
async def test_a_hit_in_a_transaction_with_raw_sql_is_not_taken_for_new(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    await read(manager, cache, acme)

    async with manager.async_session_scope(acme) as session:
        await session.execute(text("UPDATE topics SET name = 'woods'"))

        assert await names(session, cache) == ["woods"]


async def test_raw_sql_says_what_it_has_changed(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    await read(manager, cache, acme)

    for ending in ("rollback", "commit"):
        async with manager.async_session_scope(acme) as session:
            await session.execute(text("UPDATE topics SET name = 'woods'"))
            await cache.note_change(session, Topic)
            if ending == "rollback":
                await session.rollback()
        assert cache.statistics().stale == 0

    assert await read(manager, cache, acme) == ["woods"]
    assert cache.statistics().stale == 1


async def test_an_answer_of_an_earlier_transaction_is_not_kept(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    async with manager.async_session_scope(acme) as session:
        await cache.get(session, "names")
        await session.commit()
        await session.scalars(select(Topic))

        assert not await cache.set(session, "names", [], reads=(Topic,))


async def test_who_began_before_a_write_cannot_put_an_old_answer_back(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    has_read, has_written = asyncio.Event(), asyncio.Event()

    async def slow() -> Any:
        async with manager.async_session_scope(acme) as session:
            assert await cache.get(session, "names") is None
            found = sorted(await session.scalars(select(Topic.name)))
            has_read.set()
            await has_written.wait()
            await cache.set(session, "names", found, reads=(Topic,))
            return found

    reading = asyncio.create_task(slow())
    await has_read.wait()
    async with manager.async_session_scope(acme) as session:
        session.add(Topic(name="birds"))
    assert await read(manager, cache, acme) == ["birds", "trees"]
    has_written.set()

    assert await reading == ["trees"]
    assert await read(manager, cache, acme) == ["birds", "trees"]


@pytest.mark.slow
async def test_what_was_read_before_a_write_is_old_where_a_transaction_is_no_snapshot(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    async with manager.async_session_scope(acme) as session:
        opened = await session.connection(execution_options={"isolation_level": "READ COMMITTED"})
        assert opened.sync_connection is not None
        assert await cache.get(session, "names") is None
        with manager.session_scope(acme) as blocking:
            blocking.add(Topic(name="birds"))
        await cache.set(session, "names", ["trees"], reads=(Topic,))

    assert await read(manager, cache, acme) == ["birds", "trees"]


async def test_a_transaction_that_began_before_a_write_does_not_confirm_an_answer(
    manager: DatabaseManager,
    cache: CacheManager,
    acme: uuid.UUID,
    until: Callable[..., Awaitable[None]],
) -> None:
    await read(manager, cache, acme)
    await until(lambda: cache.is_listening)
    async with manager.async_session_scope(acme) as old:
        await old.scalars(select(Topic.name))
        before = cache._epochs.now or 0
        with manager.session_scope(acme) as blocking:
            blocking.add(Topic(name="birds"))
        await until(lambda: (cache._epochs.now or 0) >= before + 2)  # by the commit, by NOTIFY
        assert await names(old, cache) == ["trees"]

    assert await read(manager, cache, acme) == ["birds", "trees"]


@pytest.mark.parametrize(
    ("snapshot", "kept"), [("7:12:", "7:12:"), ("9:9:", "9:9:"), ("6:12:", "7:9:8")]
)
def test_a_transaction_that_began_earlier_makes_no_answer_older(snapshot: str, kept: str) -> None:
    entry = Entry(b"[]", frozenset({"topics"}), frozenset(), "7:9:8", epoch=3)
    answer = Answer(snapshot, wrote=False, restricted=True, guarded=True, changed=False)

    CacheManager._renew(entry, answer, 2)

    assert (entry.snapshot, entry.epoch) == (kept, 3)


@pytest.mark.parametrize("everywhere", [True, False])
async def test_what_was_read_before_answers_were_removed_is_not_kept(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, *, everywhere: bool
) -> None:
    async with manager.async_session_scope(acme) as session:
        await session.scalars(select(Topic))
        await cache.clear(None if everywhere else session)
        await cache.get(session, "names")

        assert not await cache.set(session, "names", [], reads=(Topic,))


@pytest.mark.slow
async def test_an_old_transaction_may_get_a_newer_answer(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    async with manager.async_session_scope(acme) as old:
        await old.scalars(select(Topic.name))
        async with manager.async_session_scope(acme) as session:
            session.add(Topic(name="birds"))
        assert await read(manager, cache, acme) == ["birds", "trees"]

        assert await names(old, cache) == ["birds", "trees"]


RENAME = """
import sys
from sqlalchemy import update
from axai_pg import DatabaseManager, PostgresConnectionConfig, Topic

manager = DatabaseManager(PostgresConnectionConfig.from_url(sys.argv[1]))
with manager.session_scope(sys.argv[2]) as session:
    session.execute(update(Topic).values(name="woods"))
"""


@pytest.mark.slow
async def test_a_write_of_another_process_is_seen(
    manager: DatabaseManager,
    cache: CacheManager,
    acme: uuid.UUID,
    until: Callable[..., Awaitable[None]],
) -> None:
    await read(manager, cache, acme)
    await until(lambda: cache.is_listening)
    await read(manager, cache, acme)
    heard = cache.statistics().stale

    url = manager.conn_config.url.render_as_string(hide_password=False)
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", RENAME, url, str(acme))
    assert await other.wait() == 0
    while await read(manager, cache, acme) == ["trees"]:  # noqa: ASYNC110 - NOTIFY tells nobody else
        await asyncio.sleep(0.01)

    assert await read(manager, cache, acme) == ["woods"]
    assert cache.statistics().stale == heard + 1


async def test_while_nobody_listens_each_hit_asks(
    manager: DatabaseManager,
    cache: CacheManager,
    acme: uuid.UUID,
    monkeypatch: pytest.MonkeyPatch,
    shared_url: str,
) -> None:
    monkeypatch.setattr("axai_pg.data.caching.signals.Epochs.listen", lambda _self: None)
    await read(manager, cache, acme)

    async with Database(shared_url) as other, other.transaction() as session:
        await session.execute(text("SET LOCAL ROLE axai_app"))
        await session.execute(
            text("SELECT set_config('axai.org_id', :org_id, true)"), {"org_id": str(acme)}
        )
        await session.execute(update(Topic).values(name="woods"))

    assert not cache.is_listening
    assert await read(manager, cache, acme) == ["woods"]


@pytest.mark.slow
async def test_what_was_written_while_nobody_listened_is_seen_once_somebody_does(
    manager: DatabaseManager,
    cache: CacheManager,
    acme: uuid.UUID,
    until: Callable[..., Awaitable[None]],
    superuser: psycopg.Connection[Any],
    manager_of: Callable[..., DatabaseManager],
) -> None:
    other = manager_of(manager.conn_config.username)
    await read(manager, cache, acme)
    await until(lambda: cache.is_listening)
    assert await read(manager, cache, acme) == ["trees"]

    superuser.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND query LIKE 'LISTEN %'"
    )
    await until(lambda: not cache.is_listening, pause=0)
    with other.session_scope(acme) as session:
        session.execute(update(Topic).values(name="woods"))
    await until(lambda: cache.is_listening, pause=0)  # in the moment in which it is

    assert await read(manager, cache, acme) == ["woods"]


@pytest.mark.slow
async def test_a_hit_asks_nothing_while_nothing_happens(
    schema_url: str,
    new_organisation: Callable[..., uuid.UUID],
    until: Callable[..., Awaitable[None]],
) -> None:
    manager = DatabaseManager(PostgresConnectionConfig.from_url(schema_url))
    manager.isolation.warned = True
    asked: list[str] = []
    async with CacheManager(manager) as cache:
        acme = new_organisation(manager)
        await read(manager, cache, acme)
        await until(lambda: cache.is_listening)
        engine = manager._async_engine.sync_engine  # nobody else counts its statements
        event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

        for _ in range(200):
            assert await read(manager, cache, acme) == ["trees"]

    manager.dispose()
    assert len(asked) < 20


@pytest.mark.slow
async def test_all_answers_are_removed(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, globex: uuid.UUID
) -> None:
    await read(manager, cache, acme)
    await read(manager, cache, globex)

    await cache.clear()

    assert cache.statistics().entries == 0


@pytest.mark.slow
async def test_a_row_that_goes_with_its_parent_makes_an_answer_untrue(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    async with manager.async_session_scope(acme) as session:
        owner = User(username="ana", email="ana@example.org")
        session.add(owner)
        await session.flush()
        document = Document(title="x", owner_id=owner.id)
        session.add(document)
        await session.flush()
        session.add(
            Summary(document_id=document.id, content="x", summary_type="short", tool_agent="x")
        )
    async with manager.async_session_scope(acme) as session:
        await cache.get(session, "count")
        count = await session.scalar(select(func.count(Summary.id)))
        assert count == 1
        await cache.set(session, "count", count, reads=(Summary,))

    async with manager.async_session_scope(acme) as session:
        await session.execute(delete(Document))

    async with manager.async_session_scope(acme) as session:
        assert await cache.get(session, "count") is None


@pytest.mark.slow
async def test_a_session_of_another_manager_is_refused(
    careless: DatabaseManager, cache: CacheManager, acme: uuid.UUID, shared_url: str
) -> None:
    async with careless.async_session_scope(acme) as session:
        assert CacheManager.of(session) is None
        with pytest.raises(ConfigurationError, match="not of the DatabaseManager"):
            await cache.get(session, "key")
    async with Database(shared_url) as other, other.session() as session:
        assert CacheManager.of(session) is None
        with pytest.raises(ConfigurationError, match="not of the DatabaseManager"):
            await cache.get(session, "key")


async def test_a_manager_has_one_cache_at_a_time(manager: DatabaseManager) -> None:
    async with CacheManager(manager) as cache:
        with pytest.raises(ConfigurationError, match="has a cache"):
            CacheManager(manager)
    await cache.close()

    async with (
        CacheManager(manager, CacheSettings(size=0)) as another,
        manager.async_session_scope() as session,
    ):
        assert CacheManager.of(session) is another


@pytest.mark.slow
async def test_without_memory_nothing_is_kept(manager: DatabaseManager, acme: uuid.UUID) -> None:
    async with CacheManager(manager, CacheSettings(size=0)) as cache:
        assert await read(manager, cache, acme) == await read(manager, cache, acme) == ["trees"]

        assert cache.statistics().oversized == 2


async def test_a_redis_is_not_asked_before_there_is_an_answer(manager: DatabaseManager) -> None:
    settings = CacheSettings(url="redis://127.0.0.1:1/0")

    async with CacheManager(manager, settings) as cache:
        assert cache.settings.url == settings.url
