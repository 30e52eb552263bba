import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import MetaData, event, make_url, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.core import drivers, followers, signals
from andamios_orm.core.changes import ChangeFeed
from andamios_orm.core.followers import Batch, Follower
from andamios_orm.dialect.greenlets import await_
from andamios_orm.exceptions import (
    ConfigurationError,
    FollowerUnknown,
    HistoryExpired,
    WriteConflict,
)
from andamios_orm.models import IntegerKeyMixin, Row

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The base of these tests."""


class Note(IntegerKeyMixin, Base):
    """A model."""

    __tablename__ = "notes"

    name: Mapped[str]


class Other(IntegerKeyMixin, Base):
    """Another one."""

    __tablename__ = "others"

    name: Mapped[str]


class Total(Base):
    """What is derived."""

    __tablename__ = "totals"

    name: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[ChangeFeed]:
    """Yield the feed of new tables."""
    async with ChangeFeed(database, Base) as feed:
        yield feed


async def write(database: Database, *names: str, model: Any = Note) -> None:
    async with database.transaction() as session:
        session.add_all([model(name=name) for name in names])


def keys(batch: Batch) -> list[str | None]:
    return [change.key for change in batch]


async def take(follower: Follower) -> Batch:
    async with asyncio.timeout(10):
        return await anext(follower)


async def test_batches_come_in_order_and_are_limited(database: Database, feed: ChangeFeed) -> None:
    await write(database, "a", "b", "c")

    follower = feed.follow("index", limit=2)
    first, second = await take(follower), await take(follower)

    assert (keys(first), keys(second)) == (["1", "2"], ["3"])
    assert first[0].key == "1"
    assert [change.key for change in first[:1]] == ["1"]
    assert first.position == first[1].position


async def test_asking_for_the_next_batch_saves_that_the_last_is_done(
    database: Database, feed: ChangeFeed
) -> None:
    await write(database, "a", "b", "c")
    follower = feed.follow("index", limit=1)
    await take(follower)
    second = await take(follower)

    (state,) = await feed.followers()
    again = await take(feed.follow("index", limit=1))

    assert (state.name, state.position) == ("index", second.position - 1)
    assert keys(again) == keys(second)


@pytest.mark.slow
async def test_a_follower_wakes_up_when_something_is_committed(
    database: Database, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_LOOK", 60)
    monkeypatch.setattr(signals, "_LOOK_WITHOUT_NOTIFY", 60)
    follower = feed.follow("index")
    waiting = asyncio.create_task(take(follower))
    await asyncio.sleep(0.2)

    await write(database, "a")

    assert keys(await waiting) == ["1"]


async def test_several_followers_have_positions_of_their_own(
    database: Database, feed: ChangeFeed
) -> None:
    await write(database, "a", "b")
    index, mirror = feed.follow("index"), feed.follow("mirror", limit=1)

    assert keys(await take(index)) == ["1", "2"]
    assert keys(await take(mirror)) == ["1"]
    assert keys(await take(mirror)) == ["2"]
    assert [state.name for state in await feed.followers()] == ["index", "mirror"]


async def test_a_follower_sees_only_the_entities_it_wants(
    database: Database, feed: ChangeFeed
) -> None:
    await write(database, "a")
    await write(database, "x", model=Other)
    await write(database, "b")

    follower = feed.follow("index", entities=[Other])
    batch = await take(follower)

    assert [change.entity for change in batch] == ["others"]
    assert batch.position == await feed.position()


@pytest.mark.slow
async def test_what_is_saved_in_the_callers_transaction_is_saved_exactly_once(
    database: Database, feed: ChangeFeed
) -> None:
    await write(database, "a", "b", "c")
    follower = feed.follow("totals", entities=["notes"], limit=2)
    attempts = 0
    async with asyncio.timeout(20):
        async for batch in follower:
            attempts += 1
            async with database.session() as session:
                total = await session.get(Total, "notes") or Total(name="notes", count=0)
                total.count += len(batch)
                session.add(total)
                await batch.save(session)
                if attempts == 2:
                    await session.rollback()
                    continue
                await session.commit()
            if attempts == 3:
                break

    async with database.session() as session:
        assert await session.scalar(select(Total.count)) == 3
    assert attempts == 3


async def test_two_under_one_name_are_told(database: Database, feed: ChangeFeed) -> None:
    await write(database, "a", "b", "c")
    first, second = feed.follow("index", limit=1), feed.follow("index", limit=1)
    batch = await take(first)
    for _ in range(3):
        await take(second)

    with pytest.raises(WriteConflict, match="somebody else follows the change feed as 'index'"):
        await take(first)
    with pytest.raises(WriteConflict, match="somebody else"):
        async with database.transaction() as session:
            await batch.save(session)


async def test_a_save_that_succeeded_although_it_was_cancelled_is_no_conflict(
    database: Database, feed: ChangeFeed
) -> None:
    await write(database, "a", "b")
    follower = feed.follow("index", limit=1)
    batch = await take(follower)
    await feed.move("index", batch.position)

    assert keys(await take(follower)) == ["2"]


async def test_a_follower_that_is_cancelled_goes_on(database: Database, feed: ChangeFeed) -> None:
    follower = feed.follow("index")
    for pause in (0, 0.001, 0.01, 0.05):
        waiting = asyncio.create_task(anext(follower))
        await asyncio.sleep(pause)
        waiting.cancel()
        await asyncio.wait({waiting})

    await write(database, "a")

    assert keys(await take(follower)) == ["1"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["feed", "follower"])
async def test_followers_stop_at_once(
    database: Database, feed: ChangeFeed, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for unasked in ("_LOOK", "_LOOK_WITHOUT_NOTIFY"):
        monkeypatch.setattr(signals, unasked, 60.0)
    follower = feed.follow("index")

    async def loop() -> int:
        return sum([len(batch) async for batch in follower])

    running = asyncio.create_task(loop())
    await asyncio.sleep(0.2)

    async with asyncio.timeout(20):
        await (feed.close() if how == "feed" else follower.aclose())
        await running

    assert feed.closed == (how == "feed")
    await feed.close()
    assert [batch async for batch in feed.follow("late")] == []


async def test_a_feed_that_is_closed_gives_its_waiters_no_rest(feed: ChangeFeed) -> None:
    await feed.close()

    armed = feed.signals.arm()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert armed.done()


async def test_one_who_left_is_not_woken(feed: ChangeFeed) -> None:
    armed = feed.signals.arm()
    feed.signals.wake()
    armed.cancel()

    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert armed.cancelled()


async def test_a_new_follower_can_start_where_it_likes(
    database: Database, feed: ChangeFeed
) -> None:
    await write(database, "a")
    position = await feed.position()
    await write(database, "b")

    assert keys(await take(feed.follow("index", after=position))) == ["2"]


@pytest.mark.slow
async def test_a_follower_that_is_behind_retention_is_told_what_to_do(
    database: Database, feed: ChangeFeed
) -> None:
    await write(database, "a")
    follower = feed.follow("index")
    await take(follower)
    await write(database, "b")
    await feed.prune(before=await feed.position() + 1)
    late = feed.follow("late")

    with pytest.raises(HistoryExpired, match=r"feed\.move\(name, position\)") as caught:
        await take(late)

    assert caught.value.position == await feed.position()
    position = await feed.move("late")
    await write(database, "c")
    assert position == caught.value.position
    assert keys(await take(feed.follow("late"))) == ["3"]


async def test_followers_can_be_asked_for_and_forgotten(
    database: Database, feed: ChangeFeed
) -> None:
    await feed.move("index", 7)

    assert await feed.follower_position("index") == 7
    await feed.forget("index")
    with pytest.raises(FollowerUnknown, match="named 'index'; there are: none") as caught:
        await feed.forget("index")
    assert (caught.value.name, caught.value.known) == ("index", ())


async def test_reserved_names_are_refused(feed: ChangeFeed) -> None:
    with pytest.raises(ConfigurationError, match="reserved"):
        feed.follow("andamios:pruned")
    with pytest.raises(ConfigurationError, match="reserved"):
        await feed.move("andamios:base", 1)


async def test_what_is_of_no_interest_is_saved_now_and_then(
    database: Database, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followers, "_SAVE_WHEN_IDLE", 0)
    await write(database, "x", model=Other)
    waiting = asyncio.create_task(anext(feed.follow("index", entities=[Note])))
    async with asyncio.timeout(10):
        while not (states := await feed.followers()) or not states[0].position:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)

    waiting.cancel()
    await asyncio.wait({waiting})

    assert states[0].position == await feed.position()


# ---- how they wake up --------------------------------------------------------------


@pytest.mark.slow
async def test_a_commit_in_another_thread_wakes_a_follower(
    duckdb_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_LOOK", 60)
    async with ChangeFeed(duckdb_database, Base) as feed:
        await feed.position()  # an engine's first connection is of one loop alone
        waiting = asyncio.create_task(take(feed.follow("index")))
        await asyncio.sleep(0.2)
        thread = threading.Thread(
            target=lambda: asyncio.run(_write_elsewhere(duckdb_database, feed))
        )
        thread.start()

        batch = await waiting
        await asyncio.to_thread(thread.join)

    assert keys(batch) == ["1"]


async def _write_elsewhere(database: Database, feed: ChangeFeed) -> None:
    armed = feed.signals.arm()
    await write(database, "a")
    await asyncio.wait({armed}, timeout=5)
    _ = feed.signals.arm()  # left behind by a loop that ends


async def test_another_engine_on_the_same_file_is_noticed_by_looking(
    duckdb_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_LOOK", 0.05)
    async with ChangeFeed(duckdb_database, Base) as feed:
        waiting = asyncio.create_task(take(feed.follow("index")))
        async with Database(str(duckdb_database.engine.url)) as other:
            await write(other, "a")

        assert keys(await waiting) == ["1"]


@pytest.fixture(params=["psycopg", "asyncpg"])
async def server(postgres_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Yield a PostgreSQL with tables, through each driver in turn."""
    url = make_url(postgres_url).set(drivername=f"postgresql+{request.param}")
    async with Database(url.render_as_string(hide_password=False)) as database:
        yield database


CUT_OFF = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE query LIKE 'LISTEN%' AND datname = current_database()"
)


async def listening(feed: ChangeFeed) -> None:
    async with asyncio.timeout(10):
        while not feed.signals.listening:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_postgresql_tells_of_commits_elsewhere(
    server: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_LOOK", 60)
    async with ChangeFeed(server, Base) as feed, Database(postgres_url) as other:
        waiting = asyncio.create_task(take(feed.follow("index")))
        await listening(feed)
        await asyncio.sleep(0.1)

        await write(other, "a")

        assert keys(await waiting) == ["1"]


@pytest.mark.slow
async def test_what_came_while_the_listener_was_cut_off_is_read_when_it_is_back(
    server: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_LOOK", 60)
    monkeypatch.setattr(signals, "_LOOK_WITHOUT_NOTIFY", 60)
    async with ChangeFeed(server, Base) as feed, Database(postgres_url) as other:
        waiting = asyncio.create_task(take(feed.follow("index")))
        await listening(feed)
        await asyncio.sleep(0.1)
        monkeypatch.setattr(signals, "_FIRST_PAUSE", 0.3)
        async with other.engine.connect() as connection:
            await connection.execute(text(CUT_OFF))
        async with asyncio.timeout(5):
            while feed.signals.listening:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)

        await write(other, "a")

        assert keys(await waiting) == ["1"]
        assert feed.signals.listening


async def test_nothing_listens_while_a_broken_connection_is_closed(
    server: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing, may_close = asyncio.Event(), asyncio.Event()

    async def close(driver: Any) -> None:
        closing.set()
        await may_close.wait()
        await drivers.close(driver)

    monkeypatch.setattr(signals, "close", close)
    async with ChangeFeed(server, Base) as feed, Database(postgres_url) as other:
        armed = feed.signals.arm()
        await listening(feed)

        async with other.engine.connect() as connection:
            await connection.execute(text(CUT_OFF))
        async with asyncio.timeout(20):
            await closing.wait()

        assert not feed.signals.listening
        feed.signals.disarm(armed)
        may_close.set()


@pytest.mark.slow
async def test_a_feed_closes_at_once_whatever_its_listener_is_doing(postgres_url: str) -> None:
    for milliseconds in range(25):
        async with Database(postgres_url) as database, ChangeFeed(database, Base) as feed:
            armed = feed.signals.arm()
            await asyncio.sleep(milliseconds / 2000)

            async with asyncio.timeout(5):
                await feed.close()
                await armed

    gc.collect()  # a connection that was left open is warned of


async def test_a_feed_closes_when_the_cancellation_of_its_listener_turns_into_an_error(
    server: Database, caplog: pytest.LogCaptureFixture
) -> None:
    connecting = asyncio.Event()

    def refuse(*_: object) -> None:
        connecting.set()
        try:
            await_(asyncio.sleep(60))
        except asyncio.CancelledError:
            raise RuntimeError("the connection is closed") from None

    event.listen(server.engine.sync_engine, "connect", refuse)
    feed = ChangeFeed(server, Base)
    armed = feed.signals.arm()
    await connecting.wait()

    async with asyncio.timeout(5):
        await feed.close()
        await armed

    assert "listening" not in caplog.text


@pytest.mark.slow
async def test_a_follower_of_changes_that_are_held_back_looks_again_soon(
    server: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_LOOK", 60)
    async with ChangeFeed(server, Base) as feed, server.session() as slow:
        slow.add(Note(name="a"))
        await slow.flush()
        await write(server, "b")
        waiting = asyncio.create_task(take(feed.follow("index")))
        await asyncio.sleep(0.3)
        await slow.rollback()

        assert keys(await waiting) == ["2"]


async def test_a_feed_that_nobody_keeps_is_not_woken(database: Database) -> None:
    feed = ChangeFeed(database, Base)
    wake = signals._weak_call(feed.signals)
    wake()
    del feed

    wake()


def test_metadata_without_a_feed_are_refused(duckdb_url: str) -> None:
    class Plain(DeclarativeBase):
        pass

    with pytest.raises(ConfigurationError, match="make its base with Row"):
        ChangeFeed(Database(duckdb_url), Plain)
