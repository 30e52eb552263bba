import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import MetaData, insert, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped

from andamios_orm import Database, Session
from andamios_orm.core.changes import Change, ChangeFeed
from andamios_orm.models import IntegerKeyMixin, Row
from andamios_orm.models.feed import BASE, feed_tables

pytestmark = [pytest.mark.concurrency, pytest.mark.db]

WRITERS = 32
ROUNDS = 5


class Base(Row, DeclarativeBase):
    """The base of these tests."""


class Note(IntegerKeyMixin, Base):
    """A model."""

    __tablename__ = "notes"

    name: Mapped[str]


tables = feed_tables(Base.metadata)


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[ChangeFeed]:
    """Yield the feed of new tables."""
    async with ChangeFeed(database, Base) as feed:
        yield feed


@pytest.fixture
async def server(postgres_url: str) -> AsyncIterator[Database]:
    """Yield a PostgreSQL with tables."""
    async with Database(postgres_url) as database:
        yield database


async def write(database: Database, name: str) -> None:
    async for attempt in database.transaction(retry=10):
        async with attempt as session:
            session.add(Note(name=name))


async def names(feed: ChangeFeed, changes: list[Change]) -> list[str]:
    async with feed.engine.connect() as connection:
        rows = await connection.execute(select(Note.id, Note.name))
        known = {str(key): name for key, name in rows}
    return [known[change.key or ""] for change in changes]


@pytest.mark.slow
async def test_a_reader_waits_for_a_transaction_that_commits_out_of_order(
    server: Database,
) -> None:
    feed = ChangeFeed(server, Base)
    async with server.session() as first, server.session() as second, server.session() as third:
        for session, name in ((first, "1"), (second, "2"), (third, "3")):
            session.add(Note(name=name))
            await session.flush()
        await third.commit()
        while_both_run = await feed.read()
        await first.commit()
        while_one_runs = await feed.read()
        await second.commit()

    changes = await feed.read()

    assert while_both_run == []
    assert [change.key for change in while_one_runs] == ["1"]
    assert await names(feed, changes) == ["1", "2", "3"]
    assert await feed.position() == changes[-1].position


async def test_a_transaction_that_is_rolled_back_holds_nothing_back(server: Database) -> None:
    feed = ChangeFeed(server, Base)
    async with server.session() as first:
        first.add(Note(name="1"))
        await first.flush()
        await write(server, "2")
        held = await feed.read(), await feed.position()
        await first.rollback()

    assert held == ([], 0)
    assert len(await feed.read()) == 1


async def test_a_reader_looks_again_when_what_held_changes_back_may_have_ended(
    server: Database,
) -> None:
    class Feed(ChangeFeed):
        """One whose first look is just before the other transaction ends."""

        async def look(self, *arguments: Any) -> Any:
            found = await super().look(*arguments)
            await first.rollback()
            return found

    async with server.session() as first:
        first.add(Note(name="1"))
        await first.flush()
        await write(server, "2")

        changes = await Feed(server, Base).read()

    assert len(changes) == 1


async def test_a_transaction_in_another_database_holds_nothing_back(
    server: Database,
) -> None:
    other_url = server.engine.url.set(database="postgres").render_as_string(hide_password=False)
    async with Database(other_url) as other, other.engine.begin() as connection:
        await connection.execute(text("SELECT pg_current_xact_id()"))
        await write(server, "1")

        changes = await ChangeFeed(server, Base).read()

    assert len(changes) == 1


async def test_a_transaction_that_is_prepared_in_another_database_holds_nothing_back(
    server: Database,
) -> None:
    other = server.engine.url.set(drivername="postgresql", database="postgres")
    url = other.render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("SHOW max_prepared_transactions").fetchone() == ("0",):
            pytest.skip("the server prepares no transactions")
        name = sql.Literal(uuid4().hex)
        connection.execute("BEGIN")
        connection.execute("SELECT pg_current_xact_id()")
        connection.execute(sql.SQL("PREPARE TRANSACTION {}").format(name))
        await write(server, "1")

        changes = await ChangeFeed(server, Base).read()

        connection.execute(sql.SQL("ROLLBACK PREPARED {}").format(name))

    assert len(changes) == 1


@pytest.mark.slow
async def test_one_who_follows_many_writers_misses_nothing_and_sees_nothing_twice(
    database: Database, feed: ChangeFeed
) -> None:
    async def writer(number: int) -> None:
        for turn in range(ROUNDS):
            async for attempt in database.transaction(retry=True):
                async with attempt as session:
                    session.add(Note(name=f"{number}.{turn}"))
                    await session.flush()
                    await asyncio.sleep(0.001 * (number % 5))

    async def reader() -> list[Change]:
        seen: list[Change] = []
        while len(seen) < WRITERS * ROUNDS:
            seen += await feed.read(after=seen[-1].position if seen else 0, limit=7)
        return seen

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        reading = group.create_task(reader())
        for number in range(WRITERS):
            group.create_task(writer(number))

    seen = reading.result()
    found = [change.position for change in seen]
    assert found == sorted(set(found))
    assert len({change.key for change in seen}) == WRITERS * ROUNDS
    assert seen == await feed.read()


async def test_a_prepared_transaction_is_recorded_too(server: Database) -> None:
    async with server.engine.connect() as connection:
        if await connection.scalar(text("SHOW max_prepared_transactions")) == "0":
            pytest.skip("the server prepares no transactions")
    async with Session(server.engine, twophase=True) as session:
        session.add(Note(name="1"))
        await session.commit()

    (change,) = await ChangeFeed(server, Base).read()

    assert change.key == "1"


@pytest.mark.slow
async def test_positions_go_on_after_all_changes_are_gone(
    database: Database, feed: ChangeFeed, url: str
) -> None:
    await write(database, "1")
    position = await feed.position()
    await feed.prune(before=position + 1)
    await database.close()

    async with Database(url) as again:
        await write(again, "2")
        (change,) = await ChangeFeed(again, Base).read(after=position)

    assert change.position > position


async def far_ahead(database: Database, position: int) -> None:
    """Make the database look as if it came from a cluster that had run much longer."""
    async with database.engine.begin() as connection:
        row = {"position": position, "entity": "notes", "key": "0", "kind": "create", "count": 1}
        row["time"] = (await connection.execute(text("SELECT now()"))).scalar_one()
        await connection.execute(insert(tables.changes), row)


@pytest.mark.slow
async def test_a_cluster_whose_ids_are_behind_goes_on_where_the_other_ended(
    postgres_url: str,
) -> None:
    old = 10**9 << 20
    async with Database(postgres_url) as database:
        await far_ahead(database, old)
        feed = ChangeFeed(database, Base)
        before = await feed.read()
        await asyncio.gather(*(write(database, str(number)) for number in range(8)))

        changes = await feed.read(after=old)

        assert [change.position for change in before] == [old]
        assert len(changes) == 8
        async with database.engine.connect() as connection:
            added = await connection.scalar(
                select(tables.followers.c.position).where(tables.followers.c.name == BASE)
            )
        assert added is not None
        assert added > 10**8
        assert all(state.name != BASE for state in await feed.followers())


async def test_positions_of_followers_count_when_a_cluster_is_behind(
    postgres_url: str,
) -> None:
    async with Database(postgres_url) as database:
        feed = ChangeFeed(database, Base)
        await feed.move("index", 10**9 << 20)
        await write(database, "1")

        (change,) = await feed.read()

        assert change.position > 10**9 << 20


async def test_one_that_is_aligned_twice_stays_ahead(postgres_url: str) -> None:
    async with Database(postgres_url) as database:
        await far_ahead(database, 10**9 << 20)
        await write(database, "1")
    async with Database(postgres_url) as database:
        async with database.engine.begin() as connection:
            await connection.execute(
                update(tables.changes)
                .where(tables.changes.c.key == "0")
                .values(position=10**10 << 20)
            )
        await write(database, "2")

        changes = await ChangeFeed(database, Base).read()

    assert [change.key for change in changes] == ["1", "0", "2"]
