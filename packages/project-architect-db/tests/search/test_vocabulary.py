"""The words of a PostgreSQL database, and what happens without pg_trgm."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest
from sqlalchemy import select, text, update

from andamios_orm import Database
from andamios_orm.core import ChangeFeed
from project_architect_db.models import Base, Document
from project_architect_db.models.searching import search_words
from project_architect_db.repositories import (
    DocumentRepository,
    ProjectRepository,
    SearchRepository,
)
from project_architect_db.search import Vocabulary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from andamios_orm.testing.prepared import PreparedDatabases

    Settled: TypeAlias = Callable[[Database], Awaitable[None]]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(4)]


@pytest.fixture
async def database(andamios_prepared: PreparedDatabases) -> AsyncIterator[Database]:
    with andamios_prepared.postgresql(Base.metadata) as url:
        async with Database(url) as database:
            values = {"name": "Shelf", "project_idea": "apples of 2026, x1, année"}
            await ProjectRepository(database).create(values)
            yield database


async def words(database: Database) -> list[str]:
    async with database.engine.connect() as connection:
        return sorted(await connection.scalars(select(search_words.c.word)))


@pytest.mark.slow
async def test_words_without_digits_are_known_once_they_are_settled(
    database: Database, settled: Settled
) -> None:
    vocabulary = Vocabulary(database.engine)
    assert await vocabulary.behind() == 1

    assert await vocabulary.catch_up() == 4
    assert await words(database) == ["annee", "apples", "of", "shelf"]
    await DocumentRepository(database).bulk_create(
        [{"project_id": 1, "name": f"pears {n}"} for n in range(1_100)]
    )
    await settled(database)
    assert await vocabulary.catch_up() == 1
    assert await vocabulary.catch_up() == 0
    assert await vocabulary.behind() == 0
    assert "pears" in await words(database)


@pytest.mark.slow
async def test_what_the_feed_does_not_tell_is_read_anew(
    database: Database, settled: Settled
) -> None:
    vocabulary = Vocabulary(database.engine)
    await vocabulary.catch_up()
    await DocumentRepository(database).create({"project_id": 1, "name": "pears"})
    await settled(database)
    assert await vocabulary.catch_up() == 1
    async with database.transaction() as session:
        await session.execute(update(Document).values(name="plums"))

    await settled(database)
    await vocabulary.catch_up()

    assert await words(database) == ["annee", "apples", "of", "plums", "shelf"]
    await DocumentRepository(database).create({"project_id": 1, "name": "figs"})
    await settled(database)
    feed = ChangeFeed(database, Base)
    await feed.prune(before=await feed.position() + 1)
    await vocabulary.catch_up()
    assert "figs" in await words(database)


@pytest.mark.slow
async def test_without_pg_trgm_a_search_works_and_says_so(database: Database) -> None:
    search = SearchRepository(database)
    assert (await search.search("aples")).total == 1
    async with database.engine.begin() as connection:
        await connection.execute(text("DROP EXTENSION pg_trgm"))

    results = await search.search("aples")
    status = await search.status()

    assert (results.total, results.is_tolerant, results.did_you_mean) == (0, False, None)
    assert (await search.search("apples")).total == 1
    assert not status.tolerates_typos
    assert status.note is not None
    assert "CREATE EXTENSION" in status.note


@pytest.mark.slow
async def test_a_session_sees_what_it_has_written(database: Database) -> None:
    async with database.session() as session:
        await DocumentRepository(session).create({"project_id": 1, "name": "pears"})

        results = await SearchRepository(session).search("pears")
        await session.rollback()

    assert results.total == 1
    assert (await SearchRepository(database).search("pears")).total == 0
