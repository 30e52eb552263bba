"""Entries in Redis: a server where there is one, and what behaves like it everywhere."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.exceptions import ConnectionError as RedisConnectionError

from andamios_orm.exceptions import ConfigurationError, MissingExtra
from axai_pg.data.caching import CacheManager, CacheSettings, cache_query
from axai_pg.data.caching import redis as module
from axai_pg.data.caching.redis import RedisStore
from axai_pg.data.caching.stores import Entry, Selection
from axai_pg.data.models import Topic
from axai_pg.exceptions import CacheUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncSession

    from axai_pg import DatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db]


def ignore(_name: str) -> None:
    """Count nothing."""


ACME, GLOBEX = uuid.uuid4(), uuid.uuid4()


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[str]:
    """Yield the URL of a Redis that is started."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server on this machine")
    socket = folder / "redis.sock"
    running = await asyncio.create_subprocess_exec(
        *(program, "--port", "0", "--save", "", "--unixsocket", str(socket)),
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        while not socket.exists():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        yield f"unix://{socket}"
    finally:
        running.terminate()
        await running.wait()


@pytest.fixture(params=["alike", pytest.param("server", marks=pytest.mark.slow)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RedisStore]:
    """Yield a store with nothing in it."""
    counted: list[str] = []
    if request.param == "alike":
        store = RedisStore(FakeAsyncRedis(), counted.append, largest=1_000)
        yield store
        await store.close()
        return
    async with server(tmp_path) as url:
        store = RedisStore.from_url(url, counted.append, largest=1_000)
        yield store
        await store.close()


def entry(value: bytes = b"[1]", *tags: str) -> Entry:
    return Entry(value, frozenset({"topics"}), frozenset(tags), "7:9:8")


async def keys_of(store: RedisStore, org_id: uuid.UUID = ACME) -> list[str]:
    """Return which of some keys an organisation has."""
    return [key for key in "abc" if await store.get(org_id, key) is not None]


async def test_an_entry_comes_back_as_it_was(store: RedisStore) -> None:
    assert await store.put(ACME, "a", entry(b'"\\n x"', "odd"), 60)
    store._known.clear()  # as in another process

    found = await store.get(ACME, "a")

    assert found is not None
    assert (found.value, found.entities) == (b'"\\n x"', frozenset({"topics"}))
    assert (found.tags, found.snapshot, found.epoch) == (frozenset({"odd"}), "7:9:8", -1)
    assert await store.get(ACME, "a") is found
    assert store.usage()[0] == 1


async def test_an_organisation_has_keys_of_its_own(store: RedisStore) -> None:
    await store.put(GLOBEX, "a", entry(), 60)

    for forged in ("a", f"{GLOBEX.hex}:a", f":{GLOBEX.hex}:a", "../a", "*"):
        assert await store.get(ACME, forged) is None
    await store.remove(ACME, Selection())

    assert await keys_of(store, GLOBEX) == ["a"]


async def test_an_entry_is_forgotten_when_its_time_is_over(store: RedisStore) -> None:
    await store.put(ACME, "a", entry(), 0.0001)
    await store.put(ACME, "b", entry(), 60)

    while await store.get(ACME, "a") is not None:  # noqa: ASYNC110 - Redis has a clock of its own
        await asyncio.sleep(0.001)

    assert await keys_of(store) == ["b"]
    assert store.usage()[0] == 1


async def test_entries_are_removed_by_pattern_and_by_tag(store: RedisStore) -> None:
    await store.remove(ACME, Selection())
    for key, tag in (("a", "odd"), ("b", "even"), ("c", "odd")):
        await store.put(ACME, key, entry(b"1", tag), 60)

    await store.remove(ACME, Selection(tags=frozenset({"none"})))
    assert await keys_of(store) == ["a", "b", "c"]
    await store.remove(ACME, Selection(tags=frozenset({"even"})))
    assert await keys_of(store) == ["a", "c"]
    await store.remove(ACME, Selection("[a-b]"))
    assert await keys_of(store) == ["c"]


async def test_nothing_is_fetched_to_remove_what_no_tag_is_asked_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = FakeAsyncRedis()
    store = RedisStore(client, ignore, largest=1_000)
    for key in ("a", "b*", "b1", "c"):
        await store.put(ACME, key, entry(), 60)
    sent: list[str] = []
    execute: Any = client.execute_command

    async def note(*arguments: Any, **options: Any) -> Any:
        sent.append(arguments[0])
        return await execute(*arguments, **options)

    monkeypatch.setattr(client, "execute_command", note)
    await store.remove(ACME, Selection(key="b*"))
    await store.remove(ACME, Selection("c"))

    assert sent == ["UNLINK", "ZREM", "ZRANGE", "UNLINK", "ZREM"]
    assert [key for key in ("a", "b*", "b1", "c") if await store.get(ACME, key)] == ["a", "b1"]
    await store.close()


async def test_the_entries_of_all_are_removed(store: RedisStore) -> None:
    await store.put(ACME, "a", entry(), 60)
    await store.put(GLOBEX, "b", entry(), 60)

    await store.remove(None, Selection())

    assert [await keys_of(store, org_id) for org_id in (ACME, GLOBEX)] == [[], []]


async def test_what_is_too_large_is_not_kept(store: RedisStore) -> None:
    assert not await store.put(ACME, "a", entry(b"1" * 2_000), 60)

    assert await keys_of(store) == []


@pytest.mark.parametrize("written", [b"", b"x\n1", b"[]\n1", b"{}\n1"])
async def test_what_others_have_written_there_is_no_entry(written: bytes) -> None:
    client = FakeAsyncRedis()
    store = RedisStore(client, ignore, largest=1_000)
    await store.put(ACME, "a", entry(b"1", "odd"), 60)
    await client.set(f"axai:{ACME.hex}:a", written)

    assert await store.get(ACME, "a") is None
    await store.remove(ACME, Selection(tags=frozenset({"odd"})))
    await store.close()


async def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KNOWN", 2)
    store = RedisStore(FakeAsyncRedis(), ignore, largest=1_000)

    for key in "abc":
        await store.put(ACME, key, entry(), 60)

    assert store.usage()[0] == 2
    assert await keys_of(store) == ["a", "b", "c"]
    await store.close()


async def test_while_redis_does_not_answer_nothing_is_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisStore.from_url(f"unix://:canary@{tmp_path}/none", ignore, largest=1_000)

    with caplog.at_level(logging.WARNING):
        assert await keys_of(store) == []
        assert not await store.put(ACME, "a", entry(), 60)

    assert caplog.messages == ["Redis does not answer, so nothing is cached: ConnectionError"]
    with pytest.raises(CacheUnavailable, match="ConnectionError") as raised:
        await store.remove(None, Selection())
    assert isinstance(raised.value.__cause__, RedisConnectionError)
    assert "canary" not in str(raised.value)
    await store.close()


def test_a_url_that_is_none_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError, match="is none of Redis") as raised:
        RedisStore.from_url("http://:canary@x", ignore, largest=1)

    assert "canary" not in str(raised.value)
    assert "canary" not in repr(CacheSettings(url="redis://:canary@x"))


def test_a_prefix_that_is_no_word_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is no word"):
        RedisStore(FakeAsyncRedis(), ignore, prefix="a:*", largest=1)


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)

    with pytest.raises(MissingExtra, match=r"pip install 'axai-pg\[redis\]'"):
        RedisStore.from_url("redis://x", ignore, largest=1)


ASKED: list[str] = []


@cache_query(reads=(Topic,))
async def name_of(session: AsyncSession) -> str:
    """Return a name."""
    ASKED.append("name")
    return "trees"


@pytest.mark.slow
async def test_what_one_manager_has_read_another_gets_until_it_is_untrue(
    manager: DatabaseManager,
    manager_of: Callable[..., DatabaseManager],
    new_organisation: Any,
    tmp_path: Path,
) -> None:
    other = manager_of(manager.conn_config.username, pool=manager.pool_config)
    acme = new_organisation(manager)
    async with server(tmp_path) as url:
        settings = CacheSettings(url=url)
        async with CacheManager(manager, settings), CacheManager(other, settings):
            for each in (manager, other, manager):
                async with each.async_session_scope(acme) as session:
                    assert await name_of(session) == "trees"
            assert len(ASKED) == 1
            async with other.async_session_scope(acme) as session:
                session.add(Topic(name="birds"))
            while len(ASKED) == 1:  # until the notification has arrived
                async with manager.async_session_scope(acme) as session:
                    await name_of(session)

    assert len(ASKED) == 2
