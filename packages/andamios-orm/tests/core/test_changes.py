import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.core.changes import ChangeFeed
from andamios_orm.core.recording import record_batch
from andamios_orm.exceptions import ConfigurationError, HistoryExpired
from andamios_orm.models import HistoryMixin, IntegerKeyMixin, Row, VersionMixin
from andamios_orm.models.feed import feed_tables

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The base of these tests."""


class Page(IntegerKeyMixin, VersionMixin, HistoryMixin, Base):
    """A model with history."""

    __tablename__ = "pages"
    __tenant__: ClassVar[str | None] = "owner"

    title: Mapped[str]
    owner: Mapped[str | None]
    secret: Mapped[str | None] = mapped_column(String, info={"secret": True})


class Cell(HistoryMixin, Base):
    """A model with history and a composite key."""

    __tablename__ = "cells"

    x: Mapped[int] = mapped_column(primary_key=True)
    y: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[str]


class Animal(HistoryMixin, Base):
    """A model with subclasses, in its own table and in theirs."""

    __tablename__ = "animals"
    __mapper_args__ = {  # noqa: RUF012 - SQLAlchemy's own form
        "polymorphic_on": "kind",
        "polymorphic_identity": "animal",
    }

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    name: Mapped[str]


class Cat(Animal):
    """One in the same table."""

    __mapper_args__ = {  # noqa: RUF012 - SQLAlchemy's own form
        "polymorphic_identity": "cat"
    }


class Dog(Animal):
    """One in a table of its own."""

    __tablename__ = "dogs"
    __mapper_args__ = {  # noqa: RUF012 - SQLAlchemy's own form
        "polymorphic_identity": "dog"
    }

    id: Mapped[int] = mapped_column(ForeignKey("animals.id"), primary_key=True)
    breed: Mapped[str]


class Note(IntegerKeyMixin, Base):
    """A model without history."""

    __tablename__ = "notes"

    title: Mapped[str]


class Quiet(IntegerKeyMixin, Base):
    """A model that is off."""

    __tablename__ = "quiet"
    __feed__: ClassVar[bool] = False


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[ChangeFeed]:
    """Yield the feed of new tables."""
    async with ChangeFeed(database, Base) as feed:
        yield feed


async def rename(database: Database, page: Page, title: str) -> None:
    async with database.transaction() as session:
        session.add(page)
        page.title = title


async def now(database: Database, feed: ChangeFeed) -> dt.datetime:
    """Return a time after all that was committed and before what will be."""
    newest = (await feed.read())[-1].time
    return newest + dt.timedelta(microseconds=1)


# ---- reading -------------------------------------------------------------------------


async def test_an_empty_feed_has_no_position(feed: ChangeFeed) -> None:
    assert await feed.position() == 0
    assert await feed.read() == []
    assert await feed.read(after=0) == []


async def test_changes_are_read_behind_a_position(database: Database, feed: ChangeFeed) -> None:
    for number in range(4):
        await database.create(Note, {"title": str(number)})
    first, second, *_ = await feed.read()

    assert [change.key for change in await feed.read(after=first.position)] == ["2", "3", "4"]
    assert [change.key for change in await feed.read(after=second.position, limit=1)] == ["3"]


async def test_changes_are_read_of_some_entities_and_one_tenant(
    database: Database, feed: ChangeFeed
) -> None:
    await database.create(Note, {"title": "a"})
    await database.create(Page, {"title": "b", "owner": "acme"})
    await database.create(Page, {"title": "c", "owner": "other"})

    assert [change.entity for change in await feed.read(entities=[Note])] == ["notes"]
    assert len(await feed.read(entities=["pages", Note])) == 3
    assert [change.key for change in await feed.read(tenant="acme")] == ["1"]
    assert await feed.read(entities=[]) == []


async def test_a_name_that_nothing_is_recorded_under_is_refused(
    database: Database, feed: ChangeFeed
) -> None:
    with pytest.raises(ConfigurationError, match=r"recorded as 'nots': known are .*notes, .*pages"):
        await feed.read(entities=["nots"])
    with pytest.raises(ConfigurationError, match="known are"):
        feed.follow("index", entities=[Note, "andamios_changes"])

    reader = MetaData()
    feed_tables(reader)
    assert await ChangeFeed(database, reader).read(entities=["of another program"]) == []


async def test_a_model_that_is_off_cannot_be_asked_for(feed: ChangeFeed) -> None:
    with pytest.raises(ConfigurationError, match="changes of Quiet are not recorded"):
        await feed.read(entities=[Quiet])
    with pytest.raises(ConfigurationError, match="Quiet keeps no history"):
        await feed.history(Quiet, 1)


# ---- history ----------------------------------------------------------------------------


async def test_history_is_the_versions_of_one_row(database: Database, feed: ChangeFeed) -> None:
    page = await database.create(Page, {"title": "a", "secret": "x"})
    await database.create(Page, {"title": "other"})
    await rename(database, page, "b")

    versions = await feed.history(Page, page.id)

    assert [(each.kind, each.version) for each in versions] == [("create", 1), ("update", 2)]
    assert [each.after for each in versions] == [
        {"id": 1, "title": "a", "owner": None, "version": 1},
        {"id": 1, "title": "b", "owner": None, "version": 2},
    ]
    assert await feed.history(Page, 99) == []


async def test_a_model_without_history_says_how_to_get_it(feed: ChangeFeed) -> None:
    with pytest.raises(ConfigurationError, match="give it HistoryMixin"):
        await feed.history(Note, 1)


@pytest.mark.parametrize("key", [(1, 2), [1, 2], {"y": 2, "x": 1}])
async def test_composite_keys_are_given_whole(
    database: Database, feed: ChangeFeed, key: Any
) -> None:
    await database.create(Cell, {"x": 1, "y": 2, "value": "a"})

    (version,) = await feed.history(Cell, key)

    assert version.after == {"x": 1, "y": 2, "value": "a"}
    assert await feed.as_of(Cell, key, version.time) == version.after


@pytest.mark.slow
async def test_subclasses_have_the_history_of_their_base(
    database: Database, feed: ChangeFeed
) -> None:
    async with database.transaction() as session:
        session.add_all([Cat(id=1, name="Tom"), Dog(id=2, name="Rex", breed="pug")])
    time = await now(database, feed)
    async with database.transaction() as session:
        (await session.get_one(Cat, 1)).name = "Kit"
        dog = await session.get_one(Dog, 2)
        session.expire(dog)
        dog.breed = "boxer"

    assert [each.entity for each in await feed.history(Dog, 2)] == ["animals"] * 2
    assert (await feed.history(Dog, 2))[-1].before == {
        "id": 2,
        "kind": "dog",
        "name": "Rex",
        "breed": "pug",
    }
    assert await feed.as_of(Dog, 2, time) == (await feed.history(Dog, 2))[0].after
    assert (await feed.as_of(Cat, 1, time) or {})["name"] == "Tom"
    assert {row["name"] for row in await feed.all_as_of(Animal, time)} == {"Tom", "Rex"}
    with pytest.raises(ConfigurationError, match="ask for all rows of its base"):
        await feed.all_as_of(Cat, time)


async def test_a_row_is_seen_as_it_was(database: Database, feed: ChangeFeed) -> None:
    page = await database.create(Page, {"title": "a"})
    first = await now(database, feed)
    await rename(database, page, "b")
    second = await now(database, feed)
    async with database.transaction() as session:
        await session.delete(page)
    third = await now(database, feed)

    titles = [
        (await feed.as_of(Page, 1, time) or {}).get("title") for time in (first, second, third)
    ]

    assert titles == ["a", "b", None]
    assert await feed.as_of(Page, 1, first - dt.timedelta(days=1)) is None


@pytest.mark.slow
async def test_all_rows_are_seen_as_they_were(database: Database, feed: ChangeFeed) -> None:
    pages = [await database.create(Page, {"title": title}) for title in "abc"]
    time = await now(database, feed)
    await rename(database, pages[0], "x")
    await rename(database, pages[0], "y")
    async with database.transaction() as session:
        await session.delete(pages[1])
    await database.create(Page, {"title": "d"})

    rows = await feed.all_as_of(Page, time)

    assert sorted(row["title"] for row in rows) == ["a", "b", "c"]
    assert sorted(
        row["title"] for row in await feed.all_as_of(Page, await now(database, feed))
    ) == [
        "c",
        "d",
        "y",
    ]


async def test_bulk_changes_are_undone_too(database: Database, feed: ChangeFeed) -> None:
    page = await database.create(Page, {"title": "a"})
    time = await now(database, feed)
    before = {"id": 1, "title": "a", "version": 1}
    async with database.transaction() as session:
        session.add(page)
        connection = await session.connection()
        await connection.run_sync(
            lambda inner: record_batch(inner, Page, "bulk_delete", [1], before=[before])
        )

    assert await feed.as_of(Page, 1, time) == before


async def test_erasure_reaches_history(database: Database, feed: ChangeFeed) -> None:
    page = await database.create(Page, {"title": "a"})
    other = await database.create(Page, {"title": "z"})
    time = await now(database, feed)
    await rename(database, page, "b")
    await rename(database, other, "y")

    await feed.erase(Page, 1)

    assert [each.kind for each in await feed.history(Page, 1)] == ["erase"]
    assert len(await feed.history(Page, 2)) == 2
    assert (await feed.read())[-1].kind == "erase"
    with pytest.raises(HistoryExpired, match="the history of pages 1 was erased"):
        await feed.as_of(Page, 1, time)
    assert [row["title"] for row in await feed.all_as_of(Page, time)] == ["z"]
    assert (await feed.as_of(Page, 1, await now(database, feed)) or {})["title"] == "b"


async def test_erasure_can_be_part_of_a_transaction(database: Database, feed: ChangeFeed) -> None:
    await database.create(Page, {"title": "a"})
    async with database.session() as session:
        await feed.erase(Page, 1, within=session)
        await session.rollback()

    assert [each.kind for each in await feed.history(Page, 1)] == ["create"]
    with pytest.raises(ConfigurationError):
        await feed.erase(Note, 1)


# ---- retention --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("by", ["time", "position"])
async def test_retention_removes_what_is_older_and_says_so(
    database: Database, feed: ChangeFeed, by: str
) -> None:
    page = await database.create(Page, {"title": "a"})
    await rename(database, page, "b")
    long_ago = (await feed.read())[0].time
    before: dt.datetime | int = (
        await now(database, feed) if by == "time" else await settled(feed, 2) + 1
    )
    await rename(database, page, "c")

    assert await feed.prune(before=before) == 2

    assert [change.kind for change in await feed.read()] == ["update"]
    with pytest.raises(HistoryExpired, match="ask for since=") as caught:
        await feed.history(Page, 1)
    with pytest.raises(HistoryExpired, match="later time"):
        await feed.as_of(Page, 1, long_ago)
    with pytest.raises(HistoryExpired, match=r"feed\.move"):
        await feed.read(after=0)
    since = caught.value.time
    assert isinstance(since, dt.datetime)
    (kept,) = await feed.history(Page, 1, since=since)
    assert kept.after is not None
    assert kept.after["title"] == "c"
    with pytest.raises(HistoryExpired):
        await feed.history(Page, 1, since=long_ago)
    assert (await feed.as_of(Page, 1, since) or {})["title"] == "b"


async def settled(feed: ChangeFeed, position: int = 1) -> int:
    """Return the position once it is so far; transactions of other databases hold it back."""
    while (found := await feed.position()) < position:  # noqa: ASYNC110 - they tell nobody
        await asyncio.sleep(0.001)
    return found


@pytest.mark.slow
async def test_a_row_that_is_younger_than_retention_has_its_whole_history(
    database: Database, feed: ChangeFeed
) -> None:
    await database.create(Page, {"title": "a"})
    position = await settled(feed)
    await feed.prune(before=position + 1)
    assert await settled(feed) == position
    await database.create(Page, {"title": "b"})

    assert [each.kind for each in await feed.history(Page, 2)] == ["create"]
    with pytest.raises(HistoryExpired):
        await feed.history(Page, 1)


async def test_retention_without_anything_old_does_nothing(
    database: Database, feed: ChangeFeed
) -> None:
    await database.create(Page, {"title": "a"})

    assert await feed.prune(before=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)) == 0
    assert len(await feed.read(after=0)) == 1


@pytest.mark.slow
async def test_what_retention_has_removed_only_grows(database: Database, feed: ChangeFeed) -> None:
    for title in "abc":
        await database.create(Page, {"title": title})
    positions = [change.position for change in await feed.read()]

    removed = [await feed.prune(before=position + 1) for position in positions]

    assert removed == [1, 1, 1]
    assert await settled(feed, positions[-1]) == positions[-1]


async def test_compaction_keeps_the_last_change_of_each_row(
    database: Database, feed: ChangeFeed
) -> None:
    page = await database.create(Page, {"title": "a"})
    await database.create(Note, {"title": "n"})
    for title in "bcd":
        await rename(database, page, title)

    assert await feed.compact() == 3

    assert [(change.entity, change.kind) for change in await feed.read(after=0)] == [
        ("notes", "create"),
        ("pages", "update"),
    ]
    assert len(await feed.history(Page, 1)) == 4


@pytest.mark.slow
async def test_compaction_leaves_alone_what_a_follower_has_not_seen(
    database: Database, feed: ChangeFeed
) -> None:
    page = await database.create(Page, {"title": "a"})
    await rename(database, page, "b")
    await feed.move("index")
    await rename(database, page, "c")
    await rename(database, page, "d")

    assert await feed.compact() == 1
    assert await feed.compact(before=2**62) == 2
    assert len(await feed.read()) == 1
