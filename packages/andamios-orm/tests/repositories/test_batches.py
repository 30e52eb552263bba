"""Thousands of rows through a repository, and the past of one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from tests.repositories.models import Country, Project

from andamios_orm.exceptions import BulkRefused, ConfigurationError, QueryRefused
from andamios_orm.models import acting_as
from andamios_orm.repositories import BaseRepository

if TYPE_CHECKING:
    from andamios_orm import Database, Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


async def test_bulk_create_update_delete(database: Database) -> None:
    projects = BaseRepository(database, Project)

    created = await projects.bulk_create([{"name": str(number)} for number in range(50)])
    changed = await projects.bulk_update([{"id": key, "stars": 5} for key in created.ids[:20]])
    deleted = await projects.bulk_delete(created.ids[:10])
    purged = await projects.bulk_delete(created.ids[40:], purge=True)

    assert (len(created), changed, deleted, purged) == (50, 20, 10, 10)
    assert [project.name for project in created[:3]] == ["0", "1", "2"]
    assert await projects.count() == 30
    assert await projects.count(with_deleted=True) == 40
    assert await projects.count(stars=5) == 10


async def test_bulk_upsert_counts(session: Session) -> None:
    countries = BaseRepository(session, Country)
    await countries.create({"code": "es", "name": "Spain"})

    done = await countries.bulk_upsert(
        [{"code": "es", "name": "España"}, {"code": "pt", "name": "Portugal"}],
        match_fields=["code"],
    )

    assert (done.created, done.updated) == (1, 1)


async def test_a_refused_bulk_changes_nothing(session: Session) -> None:
    countries = BaseRepository(session, Country)

    with pytest.raises(BulkRefused):
        await countries.bulk_create(
            [{"code": "es", "name": "a"}, {"code": "too long", "name": "b"}]
        )

    assert await countries.count() == 0


async def test_bulk_changes_are_refused_where_a_scope_would_be_passed(session: Session) -> None:
    class Mine(BaseRepository[Country]):
        model = Country

        def scope(self) -> list[Any]:
            return [Country.code == "es"]

    mine = Mine(session)

    with pytest.raises(QueryRefused, match="Mine has a scope"):
        await mine.bulk_update([{"code": "pt", "name": "x"}])
    with pytest.raises(QueryRefused, match="Mine has a scope"):
        await mine.bulk_upsert([{"code": "pt", "name": "x"}], match_fields=["code"])
    with pytest.raises(QueryRefused, match="Mine has a scope"):
        await mine.bulk_delete(["pt"])


async def test_a_row_has_a_history(database: Database) -> None:
    projects = BaseRepository(database, Project)
    with acting_as("ana"):
        project = await projects.create({"name": "a"})
    between = dt.datetime.now(dt.UTC)
    await projects.update(project.id, {"name": "b"})

    versions = await projects.history(project.id)
    async with database.session() as session:
        then = await BaseRepository(session, Project).as_of(project.id, between)

    assert [(version.kind, version.actor) for version in versions] == [
        ("create", "ana"),
        ("update", None),
    ]
    assert then is not None
    assert then["name"] == "a"


async def test_a_purged_row_has_no_past(database: Database) -> None:
    projects = BaseRepository(database, Project)
    project = await projects.create({"name": "a"})

    await projects.purge(project.id)

    versions = await projects.history(project.id)
    assert all(version.before is None and version.after is None for version in versions)


async def test_a_model_without_history_says_so(session: Session) -> None:
    with pytest.raises(ConfigurationError, match="Country keeps no history"):
        await BaseRepository(session, Country).history("es")


async def test_the_past_needs_an_engine(database: Database) -> None:
    async with database.engine.connect() as connection:
        from sqlalchemy.ext.asyncio import AsyncSession

        async with AsyncSession(connection) as session:
            with pytest.raises(ConfigurationError, match="bind the session"):
                await BaseRepository(session, Project).history(1)
