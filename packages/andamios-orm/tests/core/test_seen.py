"""At READ COMMITTED a row is not overwritten that changed since its transaction read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped

from andamios_orm import Database, Session
from andamios_orm.bulk import bulk_update
from andamios_orm.core import seen
from andamios_orm.exceptions import StaleVersion
from andamios_orm.models import IntegerKeyMixin, Row, VersionMixin
from andamios_orm.repositories import BaseRepository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sqlalchemy import MetaData

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Base(Row, DeclarativeBase):
    """The base of these tables."""


class Page(IntegerKeyMixin, VersionMixin, Base):
    """Has a version."""

    __tablename__ = "pages"

    title: Mapped[str]


class Tag(IntegerKeyMixin, Base):
    """Has none."""

    __tablename__ = "tags"

    title: Mapped[str]


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """Yield a database at READ COMMITTED with two pages and a tag."""
    async with Database(postgres_url, isolation_level="read committed") as database:
        for model in (Page, Page, Tag):
            await BaseRepository(database, model).create({"title": "old"})
        yield database


async def others_change(database: Database, model: type[Any] = Page) -> None:
    """Let somebody else change the first row."""
    row = await BaseRepository(database, model).get(1)
    await BaseRepository(database, model).update(1, {"title": f"{row.title}, theirs"})


Pages = BaseRepository[Page]
CHANGES: dict[str, Callable[[Pages], Awaitable[Any]]] = {
    "update": lambda pages: pages.update(1, {"title": "ours"}),
    "update_many": lambda pages: pages.update_many([{"id": 1, "title": "ours"}]),
    "upsert": lambda pages: pages.upsert({"id": 1, "title": "ours"}),
    "get_and_update": lambda pages: pages.get_and_update({"title": "ours"}, 1),
    "bulk_update": lambda pages: pages.bulk_update([{"id": 1, "title": "ours"}]),
    "bulk_upsert": lambda pages: pages.bulk_upsert(
        [{"id": 1, "title": "ours"}], match_fields=["id"]
    ),
    "bulk_delete": lambda pages: pages.bulk_delete([1]),
    "delete": lambda pages: pages.delete(1),
    "purge": lambda pages: pages.purge(1),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.sampled(4)
async def test_a_row_that_changed_since_it_was_read_is_refused(
    database: Database, change: str
) -> None:
    async with database.session() as session:
        pages = BaseRepository(session, Page)
        await pages.get(1)
        await others_change(database)

        with pytest.raises(StaleVersion, match="version 1") as caught:
            await CHANGES[change](pages)

    assert (caught.value.expected, caught.value.actual) == (1, 2)
    assert (await BaseRepository(database, Page).get(1)).title == "old, theirs"


async def test_a_row_that_is_read_again_in_a_new_transaction_counts_anew(
    database: Database,
) -> None:
    async with database.session() as session:
        pages = BaseRepository(session, Page)
        page = await pages.get(1)
        await others_change(database)
        await session.commit()
        assert (await pages.get(1)) is page
        await others_change(database)

        with pytest.raises(StaleVersion):
            await pages.update(1, {"title": "ours"})
        await session.rollback()
        await pages.update(1, {"title": "ours"})
        await session.commit()

    assert (await BaseRepository(database, Page).get(1)).version == 4


async def test_what_the_transaction_changed_itself_is_no_conflict(database: Database) -> None:
    async with database.transaction() as session:
        pages = BaseRepository(session, Page)
        await pages.get(1)
        await pages.update(1, {"title": "a"})
        await pages.update(1, {"title": "b"})
        await bulk_update(session, Page, [{"id": 1, "title": "c"}])
        await pages.update(1, {"title": "d"})
        await session.execute(update(Page).values(version=Page.version + 1))
        await pages.update(1, {"title": "e"})

    assert (await BaseRepository(database, Page).get(1)).title == "e"


@pytest.mark.slow
@pytest.mark.parametrize("nested", [False, True], ids=["plain", "in a savepoint"])
async def test_what_the_transaction_changed_beside_a_row_says_nothing_of_it(
    database: Database,
    nested: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async with database.session() as session:
        pages = BaseRepository(session, Page)
        await pages.get(1)
        if nested:
            async with session.begin_nested():
                await bulk_update(session, Page, [{"id": 2, "title": "ours"}])
            await pages.get(2)
            await pages.update(2, {"title": "ours, again"})
        else:
            await bulk_update(session, Page, [{"id": 2, "title": "ours"}])
        await others_change(database)

        with pytest.raises(StaleVersion):
            await pages.update(1, {"title": "ours"})
        await session.rollback()

    assert (await BaseRepository(database, Page).get(1)).title == "old, theirs"


async def test_a_row_that_was_changed_in_a_savepoint_is_the_transactions_own(
    database: Database,
) -> None:
    async with database.transaction() as session:
        pages = BaseRepository(session, Page)
        await pages.get(1)
        async with session.begin_nested():
            await session.execute(update(Page).values(version=Page.version + 1))
        await pages.update(1, {"title": "ours"})

    assert (await BaseRepository(database, Page).get(1)).title == "ours"


async def test_a_model_without_a_version_is_left_to_its_user(database: Database) -> None:
    async with database.transaction() as session:
        tags = BaseRepository(session, Tag)
        await tags.get(1)
        await others_change(database, Tag)
        await tags.update(1, {"title": "ours"})

    assert (await BaseRepository(database, Tag).get(1)).title == "ours"


async def test_only_the_last_rows_are_remembered(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "_MOST", 1)
    async with database.session() as session:
        await session.scalars(select(Page).order_by(Page.id))

        assert isinstance(session.sync_session, seen.SeenVersions)
        assert [key[1] for key in session.sync_session.seen] == [(2,)]


@pytest.mark.parametrize(
    ("level", "remembers"),
    [(None, False), ("SERIALIZABLE", False), ("READ COMMITTED", True)],
)
async def test_a_snapshot_needs_no_comparison(
    andamios_postgres_url: str,
    level: str | None,
    remembers: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    database = Database(andamios_postgres_url, isolation_level=level)

    assert seen.sees_changes(database.engine) is remembers
    await database.close()


async def test_an_engine_of_the_users_own_is_compared_on(andamios_postgres_url: str) -> None:
    engine = create_async_engine(andamios_postgres_url)

    async with Session(engine) as session:
        assert isinstance(session.sync_session, seen.SeenVersions)
    await engine.dispose()


async def test_duckdb_has_snapshots_only(duckdb_database: Database) -> None:
    assert not seen.sees_changes(duckdb_database.engine)
    assert not seen.sees_changes(None)


async def test_an_update_statement_changes_a_row_that_was_read(database: Database) -> None:
    async with database.transaction() as session:
        page = await session.get_one(Page, 1)
        await session.execute(update(Page).where(Page.id == 1).values(title="ours"))

        assert page.title == "ours"
    assert (await BaseRepository(database, Page).get(1)).title == "ours"
