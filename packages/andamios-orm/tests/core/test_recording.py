import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    FetchedValue,
    ForeignKey,
    Identity,
    MetaData,
    String,
    Table,
    delete,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, deferred, mapped_column, relationship

from andamios_orm import Database
from andamios_orm.core import positions
from andamios_orm.core.changes import Change, ChangeFeed
from andamios_orm.core.recording import BatchKind, record_batch
from andamios_orm.exceptions import NotNullViolation
from andamios_orm.models import (
    AuditMixin,
    HistoryMixin,
    IntegerKeyMixin,
    Row,
    SoftDeleteMixin,
    TimestampMixin,
    VersionMixin,
    acting_as,
)

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The base of these tests."""


class Note(IntegerKeyMixin, Base):
    """A plain model, with a tenant."""

    __tablename__ = "notes"
    __tenant__: ClassVar[str | None] = "owner"

    title: Mapped[str]
    size: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str | None]


class Page(
    IntegerKeyMixin, SoftDeleteMixin, VersionMixin, TimestampMixin, AuditMixin, HistoryMixin, Base
):
    """A model with everything."""

    __tablename__ = "pages"

    title: Mapped[str]
    size: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(server_default="new")
    body: Mapped[str | None] = deferred(mapped_column(String))
    tags: Mapped[list["Tag"]] = relationship(secondary="page_tags", back_populates="pages")


class Tag(HistoryMixin, Base):
    """A model with a key of its own."""

    __tablename__ = "tags"

    name: Mapped[str] = mapped_column(primary_key=True)
    colour: Mapped[str | None]
    pages: Mapped[list[Page]] = relationship(secondary="page_tags", back_populates="tags")


page_tags = Table(
    "page_tags",
    Base.metadata,
    Column("page_id", ForeignKey(Page.id), primary_key=True),
    Column("tag", ForeignKey(Tag.name), primary_key=True),
)


class Stamped(IntegerKeyMixin, Base):
    """A model with a column that the database may change in an UPDATE, and links with a key."""

    __tablename__ = "stamped"

    title: Mapped[str]
    stamp: Mapped[str | None] = mapped_column(server_onupdate=FetchedValue())
    tags: Mapped[list[Tag]] = relationship(secondary="stamped_tags")


stamped_tags = Table(
    "stamped_tags",
    Base.metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("stamped_id", ForeignKey(Stamped.id)),
    Column("tag", ForeignKey(Tag.name)),
)


class Lazy(HistoryMixin, Base):
    """A model that does not read what the database filled in."""

    __tablename__ = "lazy"
    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012 - SQLAlchemy's own form

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int]
    state: Mapped[str] = mapped_column(server_default="new")


class Place(Base):
    """A model with a composite key and a name of its own in the feed."""

    __tablename__ = "places"
    __feed_name__: ClassVar[str | None] = "spots"

    x: Mapped[int] = mapped_column(primary_key=True)
    y: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Quiet(IntegerKeyMixin, Base):
    """A model that is off."""

    __tablename__ = "quiet"
    __feed__: ClassVar[bool] = False

    name: Mapped[str]
    note_id: Mapped[int | None] = mapped_column(ForeignKey(Note.id))
    note: Mapped[Note | None] = relationship()


class Silent(Row, DeclarativeBase):
    """A base without a feed."""

    __feed__: ClassVar[bool] = False


class Mute(IntegerKeyMixin, Silent):
    """A model of it."""

    __tablename__ = "mute"

    name: Mapped[str]


class Other(DeclarativeBase):
    """A base of SQLAlchemy alone."""


class Plain(Other):
    """A model of it."""

    __tablename__ = "plain"

    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[ChangeFeed]:
    """Yield the feed of new tables."""
    async with database.engine.begin() as connection:
        for metadata in (Base.metadata, Silent.metadata, Other.metadata):
            await connection.run_sync(metadata.create_all)
    async with ChangeFeed(database, Base) as feed:
        yield feed


def _table(model: type[DeclarativeBase]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


async def kinds(feed: ChangeFeed) -> list[tuple[str, str | None, str]]:
    return [(change.entity, change.key, change.kind) for change in await feed.read()]


# ---- flushes -------------------------------------------------------------------------


async def test_a_flush_records_each_row_it_changed(database: Database, feed: ChangeFeed) -> None:
    note = Note(title="a", owner="acme")
    async with database.transaction() as session:
        session.add(note)
    async with database.transaction() as session:
        session.add(note)
        note.title = "b"
    async with database.transaction() as session:
        await session.delete(note)

    changes = await feed.read()

    assert [(change.key, change.kind) for change in changes] == [
        ("1", "create"),
        ("1", "update"),
        ("1", "delete"),
    ]
    assert {(change.entity, change.tenant, change.count) for change in changes} == {
        ("notes", "acme", 1)
    }
    assert [change.position for change in changes] == sorted({c.position for c in changes})
    assert len({change.transaction for change in changes}) == 3


async def test_a_change_says_who_acted_and_when(database: Database, feed: ChangeFeed) -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)

    with acting_as("ana"):
        async with database.transaction() as session:
            session.add(Note(title="a"))

    (change,) = await feed.read()
    assert change.actor == "ana"
    assert before < change.time < dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    assert not change.is_batch


async def test_an_update_that_changed_nothing_leaves_no_record(
    database: Database, feed: ChangeFeed
) -> None:
    note = await database.create(Note, {"title": "a"})
    async with database.transaction() as session:
        session.add(note)
        note.title = "b"
        note.title = "a"

    assert await kinds(feed) == [("notes", "1", "create")]


async def test_what_is_rolled_back_leaves_no_record(database: Database, feed: ChangeFeed) -> None:
    async with database.session() as session:
        session.add(Note(title="a"))
        await session.flush()
        await session.rollback()

    assert await feed.read() == []


async def test_a_flush_that_failed_leaves_nothing_behind(
    database: Database, feed: ChangeFeed
) -> None:
    await database.create(Tag, {"name": "red"})
    async with database.session() as session:
        tag = await session.get_one(Tag, "red")
        tag.colour = "#f00"
        session.add(Note(title=None))
        with pytest.raises(NotNullViolation):
            await session.flush()
        await session.rollback()

        assert session.sync_session.info == {}
    assert await kinds(feed) == [("tags", "red", "create")]


async def test_a_soft_delete_is_a_delete_and_can_be_restored(
    database: Database, feed: ChangeFeed
) -> None:
    page = await database.create(Page, {"title": "a"})
    async with database.transaction() as session:
        session.add(page)
        page.deleted_at = dt.datetime.now(dt.UTC)
        await session.flush()
        page.deleted_at = None
        await session.flush()
        page.deleted_at = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        await session.flush()
        page.deleted_at = dt.datetime(2021, 1, 1, tzinfo=dt.UTC)
        await session.flush()
        await session.delete(page)

    assert [kind for _, _, kind in await kinds(feed)] == [
        "create",
        "delete",
        "restore",
        "delete",
        "update",
        "purge",
    ]


async def test_a_composite_key_is_a_list_and_a_model_has_the_name_it_chose(
    database: Database, feed: ChangeFeed
) -> None:
    async with database.transaction() as session:
        session.add(Place(x=1, y=2, name="here"))

    assert await kinds(feed) == [("spots", '["1","2"]', "create")]


async def test_models_that_are_off_leave_no_record(database: Database, feed: ChangeFeed) -> None:
    async with database.transaction() as session:
        session.add_all([Quiet(name="a"), Mute(name="b"), Plain(id=1)])
        await session.flush()
        await session.execute(update(Quiet).values(name="c"))
    await database.create(Quiet, {"name": "d"})

    async with database.transaction() as session:
        connection = await session.connection()
        await connection.run_sync(record_batch, Quiet, "bulk_create", [1])
        await connection.run_sync(record_batch, _table(Plain), "bulk_create", [1])

    assert await feed.read() == []


async def test_core_statements_leave_no_record(database: Database, feed: ChangeFeed) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(insert(_table(Note)).values(title="a"))
        await connection.execute(text("UPDATE notes SET title = 'b'"))

    assert await feed.read() == []


async def test_a_row_that_is_deleted_and_added_anew_was_updated(
    database: Database, feed: ChangeFeed
) -> None:
    tag = await database.create(Tag, {"name": "red", "colour": "#f00"})
    async with database.transaction() as session:
        session.add(tag)
        await session.delete(tag)
        session.add(Tag(name="red", colour="#e00"))
        session.add(Tag(name="blue"))

    assert await kinds(feed) == [
        ("tags", "red", "create"),
        ("tags", "red", "update"),
        ("tags", "blue", "create"),
    ]


async def test_links_between_rows_are_recorded_once(database: Database, feed: ChangeFeed) -> None:
    page, red, blue = Page(title="a"), Tag(name="red"), Tag(name="blue")
    async with database.transaction() as session:
        page.tags = [red, blue]
        session.add(page)
    async with database.transaction() as session:
        session.add(page)
        page.tags.remove(red)
    async with database.transaction() as session:
        session.add(page)
        await session.delete(page)

    links = [change for change in await kinds(feed) if change[0] == "page_tags"]

    assert sorted(links[:2]) == [
        ("page_tags", '["1","blue"]', "create"),
        ("page_tags", '["1","red"]', "create"),
    ]
    assert links[2:] == [
        ("page_tags", '["1","red"]', "delete"),
        ("page_tags", '["1","blue"]', "delete"),
    ]


async def test_a_row_whose_columns_are_fetched_after_its_insert_was_created(
    database: Database, feed: ChangeFeed
) -> None:
    async with database.transaction() as session:
        session.add(Stamped(title="a"))

    assert await kinds(feed) == [("stamped", "1", "create")]


async def test_a_link_whose_key_the_database_makes_is_known_by_what_it_links(
    database: Database, feed: ChangeFeed
) -> None:
    async with database.transaction() as session:
        session.add(Stamped(title="a", tags=[Tag(name="red")]))

    links = [change for change in await kinds(feed) if change[0] == "stamped_tags"]
    assert links == [("stamped_tags", '["1","red"]', "create")]


async def test_the_records_of_a_savepoint_that_was_rolled_back_are_forgotten(
    postgres_url: str,
) -> None:
    async with Database(postgres_url) as database:
        async with database.transaction() as session:
            session.add(Note(title="a"))
            await session.flush()
            async with session.begin_nested() as nested:
                session.add(Note(title="b"))
                await session.flush()
                await nested.rollback()
        feed = ChangeFeed(database, Base)

        assert await kinds(feed) == [("notes", "1", "create")]


# ---- before and after ------------------------------------------------------------------


async def versions(feed: ChangeFeed, key: Any) -> list[Any]:
    return await feed.history(Page, key)


@pytest.mark.slow
async def test_history_has_the_row_before_and_after(database: Database, feed: ChangeFeed) -> None:
    with acting_as("ana"):
        page = await database.create(Page, {"title": "a", "body": "text"})
    with acting_as("ben"):
        async with database.transaction() as session:
            session.add(page)
            page.title = "b"

    first, second = await versions(feed, page.id)

    assert (first.kind, first.before, first.actor, first.version) == ("create", None, "ana", 1)
    assert first.after["title"] == "a"
    assert first.after["state"] == "new"
    assert first.after["body"] == "text"
    assert (second.kind, second.actor, second.version) == ("update", "ben", 2)
    assert second.before == first.after
    assert second.after == first.after | {
        "title": "b",
        "version": 2,
        "updated_by": "ben",
        "updated_at": page.updated_at.isoformat(),
    }


async def test_an_update_by_expression_is_kept_as_its_value(
    database: Database, feed: ChangeFeed
) -> None:
    await database.create(Page, {"title": "a", "body": "text", "size": 1})
    async with database.transaction() as session:
        page = await session.get_one(Page, 1)
        session.expire(page, ["title"])
        page.title = "b"
        page.size = Page.size + 1

    change = (await versions(feed, 1))[-1]

    assert (change.before["title"], change.before["size"], change.before["body"]) == (
        "a",
        1,
        "text",
    )
    assert (change.after["title"], change.after["size"], change.after["body"]) == ("b", 2, "text")


async def test_what_only_the_database_knows_is_read(database: Database, feed: ChangeFeed) -> None:
    async with database.transaction() as session:
        row = Lazy(id=1, size=1)
        session.add(row)
        await session.flush()
        row.size = Lazy.size + 1

    created, updated = await feed.history(Lazy, 1)

    assert created.after == updated.before == {"id": 1, "size": 1, "state": "new"}
    assert updated.after == {"id": 1, "size": 2, "state": "new"}


async def test_a_flush_keeps_what_it_wrote_of_a_new_row(
    database: Database, feed: ChangeFeed
) -> None:
    async with database.transaction() as session:
        session.add(Page(title="a"))
        session.add(Tag(name="red"))

    (page,) = await versions(feed, 1)
    (tag,) = await feed.history(Tag, "red")

    assert (page.after["state"], page.after["body"], page.after["version"]) == ("new", None, 1)
    assert tag.after == {"name": "red", "colour": None}
    assert tag.version is None


async def test_a_deleted_row_has_no_after(database: Database, feed: ChangeFeed) -> None:
    await database.create(Tag, {"name": "red", "colour": "#f00"})
    async with database.transaction() as session:
        await session.delete(await session.get_one(Tag, "red"))

    *_, last = await feed.history(Tag, "red")

    assert (last.kind, last.before, last.after) == (
        "delete",
        {"name": "red", "colour": "#f00"},
        None,
    )


async def test_a_soft_deleted_row_has_an_after_and_a_purged_one_no_history(
    database: Database, feed: ChangeFeed
) -> None:
    page = await database.create(Page, {"title": "a"})
    async with database.transaction() as session:
        session.add(page)
        page.deleted_at = dt.datetime.now(dt.UTC)
    _, deleted = await versions(feed, 1)
    async with database.transaction() as session:
        session.add(page)
        await session.delete(page)

    assert deleted.kind == "delete"
    assert deleted.after["deleted_at"] == page.deleted_at.isoformat()
    (purged,) = await versions(feed, 1)
    assert (purged.kind, purged.before, purged.after) == ("purge", None, None)


# ---- single creates, batches, statements -----------------------------------------------


async def test_grouped_creates_leave_a_record_each_in_the_name_of_their_caller(
    database: Database, feed: ChangeFeed
) -> None:
    async def create(name: str) -> None:
        with acting_as(name):
            await database.create(Note, {"title": name, "owner": name})

    await asyncio.gather(*(create(f"n{number}") for number in range(20)))
    await database.insert(_table(Place), {"x": 1, "y": 2, "name": "here"})

    changes = await feed.read()
    assert {(change.kind, change.tenant == change.actor) for change in changes[:-1]} == {
        ("create", True)
    }
    assert len({change.key for change in changes}) == 21
    assert (changes[-1].entity, changes[-1].key) == ("places", '["1","2"]')


async def batch(
    database: Database, model: Any, kind: BatchKind, keys: list[Any], **options: Any
) -> None:
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.run_sync(lambda inner: record_batch(inner, model, kind, keys, **options))


async def test_a_batch_is_one_record_with_its_keys(database: Database, feed: ChangeFeed) -> None:
    await batch(database, Note, "bulk_create", [3, 1, 2])
    await batch(database, Place, "bulk_delete", [(1, 2), {"x": 3, "y": 4}])
    await batch(database, Note, "bulk_create", [])

    first, second = await feed.read()

    assert (first.kind, first.key, first.count, first.keys) == (
        "bulk_create",
        None,
        3,
        ("3", "1", "2"),
    )
    assert first.is_batch
    assert second.keys == ('["1","2"]', '["3","4"]')


@pytest.mark.parametrize(
    ("keys", "first", "last"),
    [
        (list(range(5, 2_005)), "5", "2004"),
        ([*range(1_000), "x"], "0", "x"),
    ],
)
async def test_a_large_batch_has_a_range_of_keys(
    database: Database, feed: ChangeFeed, keys: list[Any], first: str, last: str
) -> None:
    await batch(database, Note, "bulk_update", keys)

    (change,) = await feed.read()

    assert (change.count, change.keys) == (len(keys), None)
    assert (change.first_key, change.last_key) == (first, last)


async def test_a_batch_of_several_tenants_leaves_a_record_for_each(
    database: Database, feed: ChangeFeed
) -> None:
    await batch(database, Note, "bulk_create", [1, 2, 3], tenants=["a", "b", "a"])
    await batch(database, Note, "bulk_create", [4, 5], tenants=["c", "c"])
    await batch(database, Place, "bulk_create", [(1, 1)], tenants=["c"])

    changes = await feed.read()

    assert [(change.tenant, change.keys) for change in changes] == [
        ("a", ("1", "3")),
        ("b", ("2",)),
        ("c", ("4", "5")),
        (None, ('["1","1"]',)),
    ]


async def test_a_batch_stores_before_and_after(database: Database, feed: ChangeFeed) -> None:
    old, new = {"id": 1, "title": "a", "version": 1}, {"id": 1, "title": "b", "version": 2}
    await batch(database, Page, "bulk_create", [1], after=[old])
    await batch(database, Page, "bulk_update", [1], before=[old], after=[new])
    await batch(database, Page, "bulk_delete", [1], before=[new])

    found = await versions(feed, 1)

    assert [(each.before, each.after, each.version) for each in found] == [
        (None, old, 1),
        (old, new, 2),
        (new, None, 2),
    ]
    assert [each.position for each in found] == [each.position for each in await feed.read()]


async def test_a_purged_batch_has_no_history(database: Database, feed: ChangeFeed) -> None:
    row = {"id": 1, "title": "a"}
    await batch(database, Page, "bulk_create", [1, 2], after=[row, row | {"id": 2}])
    await batch(database, Page, "bulk_purge", [1], before=[row])

    assert [each.kind for each in await versions(feed, 1)] == ["bulk_purge"]
    assert [each.kind for each in await versions(feed, 2)] == ["bulk_create"]


@pytest.mark.slow
async def test_statements_of_a_session_leave_a_record_with_their_count(
    database: Database, feed: ChangeFeed
) -> None:
    async with database.transaction() as session:
        await session.execute(insert(Note), [{"title": "a"}, {"title": "b"}])
        await session.execute(insert(Note).values(title="c"))
        await session.execute(update(Note).values(size=1).where(Note.title != "a"))
        await session.execute(update(Note).values(size=1).where(Note.title == "none"))
        await session.execute(delete(Note).where(Note.title == "a"))
        assert await session.scalar(select(func.count()).select_from(Note)) == 2

    changes = await feed.read()

    assert [(change.kind, change.count, change.keys) for change in changes] == [
        ("bulk_create", 2, None),
        ("bulk_create", 1, None),
        ("bulk_update", 2, None),
        ("bulk_delete", 1, None),
    ]


async def test_very_many_records_of_a_transaction_become_batches(
    database: Database, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "_MOST_RECORDS", 10)
    monkeypatch.setattr(positions, "_CHUNK", 5)
    async with database.transaction() as session:
        session.add_all([Tag(name=f"t{number}") for number in range(11)])
        await session.flush()
        await session.execute(update(Tag).values(colour="#000"))

    changes = await feed.read()

    assert [(change.kind, change.count) for change in changes] == [
        ("bulk_create", 5),
        ("bulk_create", 5),
        ("create", 1),
        ("bulk_update", 11),
    ]
    assert changes[2].key == "t10"
    assert (await feed.history(Tag, "t7"))[0].position == changes[1].position


# ---- what it costs -----------------------------------------------------------------------


def statements_of(database: Database) -> list[str]:
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    return seen


async def hops(session: Any) -> int:
    raw = await (await session.connection()).get_raw_connection()
    count: int = raw.dbapi_connection.hops
    return count


@pytest.mark.parametrize("rows", [1, 3])
async def test_all_records_of_a_transaction_are_one_insert_in_the_hop_of_its_commit(
    duckdb_database: Database, rows: int
) -> None:
    database = duckdb_database
    await database.create(Note, {"title": "the first one asks for the last position"})
    async with database.session() as session:
        session.add_all([Note(title="a") for _ in range(rows)])
        await session.flush()
        seen, before = statements_of(database), await hops(session)
        await session.commit()
        after = await hops(session)

    assert after - before == 1
    assert [statement.split()[2] for statement in seen] == ["andamios_changes"]


async def test_history_is_one_insert_more_in_the_same_hop(duckdb_database: Database) -> None:
    database = duckdb_database
    await database.create(Page, {"title": "a"})
    async with database.session() as session:
        session.add(Page(title="b"))
        await session.flush()
        seen, before = statements_of(database), await hops(session)
        await session.commit()
        after = await hops(session)

    assert after - before == 1
    assert [statement.split()[2] for statement in seen] == ["andamios_changes", "andamios_history"]


@pytest.mark.slow
async def test_on_postgresql_changes_and_history_are_one_statement(
    postgres_url: str,
) -> None:
    async with Database(postgres_url, pool_size=1) as database:
        await database.create(Page, {"title": "a"})
        async with database.session() as session:
            session.add_all([Page(title="b"), Tag(name="red"), Note(title="c")])
            await session.flush()
            seen = statements_of(database)
            await session.commit()

    assert len(seen) == 1


@pytest.mark.slow
async def test_a_batch_without_a_write_still_waits_for_the_gate(
    duckdb_database: Database,
) -> None:
    database = duckdb_database
    async with database.session() as first, database.session() as second:
        first.add(Note(title="a"))
        await first.flush()
        connection = await second.connection()
        await connection.run_sync(record_batch, Note, "bulk_update", [1])
        waiting = asyncio.create_task(second.commit())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await first.commit()
        await waiting

    changes = await ChangeFeed(database, Base).read()
    assert [change.kind for change in changes] == ["create", "bulk_update"]


async def test_feeds_of_two_metadata_share_a_database(duckdb_database: Database) -> None:
    database = duckdb_database

    class Second(Row, DeclarativeBase):
        metadata = MetaData(schema="second")

    class Thing(IntegerKeyMixin, Second):
        __tablename__ = "things"

        name: Mapped[str]

    async with database.engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA second"))
        await connection.run_sync(Base.metadata.create_all)
        await connection.run_sync(Second.metadata.create_all)
    async with database.transaction() as session:
        session.add_all([Note(title="a"), Thing(name="b")])

    first = await ChangeFeed(database, Base).read()
    second = await ChangeFeed(database, Second).read()

    assert [change.entity for change in first] == ["notes"]
    assert [change.entity for change in second] == ["things"]


def test_a_change_knows_its_transaction() -> None:
    now = dt.datetime.now(dt.UTC)

    change = Change(5 << 20 | 3, now, None, "notes", "1", "create")

    assert change.transaction == 5
