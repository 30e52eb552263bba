"""A repository whose answers come from the cache, and whose changes do not."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import inspect
from tests.repositories.models import Country, Project

from andamios_orm.exceptions import MoreThanOne, NotFound, QueryRefused
from andamios_orm.queries.aggregations import count, sum_
from andamios_orm.repositories import AnalyticsRepository, BaseRepository

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from andamios_orm import Database
    from andamios_orm.repositories import CallNext, Operation

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

Projects = BaseRepository[Project]


@pytest.fixture
async def projects(database: Database) -> Projects:
    """Return the projects a, b and c, of which c is deleted."""
    projects = BaseRepository(database, Project)
    await projects.add_many([{"name": name, "stars": at} for at, name in enumerate("abc")])
    await projects.delete(3)
    return projects


READS: dict[str, Callable[[Projects], Awaitable[Any]]] = {
    "get": lambda projects: projects.get(1),
    "get_by_id": lambda projects: projects.get_by_id(3, with_deleted=True),
    "get_by_id of none": lambda projects: projects.get_by_id(9),
    "get_one": lambda projects: projects.get_one(name="a"),
    "get_one_or_none": lambda projects: projects.get_one_or_none(Project.stars == 7),
    "first": lambda projects: projects.first(order_by="-stars"),
    "list": lambda projects: projects.list(1, 1, order_by="name"),
    "list of options": lambda projects: projects.list(execution_options={"note": 1}),
    "list_and_count": lambda projects: projects.list_and_count(name__in=["a", "c"]),
    "count": lambda projects: projects.with_deleted().count(),
    "exists": lambda projects: projects.exists(name="c"),
}


def plain(found: Any) -> Any:
    """Return what was found without what differs between instances of one row."""
    if isinstance(found, (list, tuple)):
        return [plain(each) for each in found]
    if isinstance(found, Project):
        return {name: each for name, each in vars(found).items() if name != "_sa_instance_state"}
    return found


@pytest.mark.parametrize("read", READS)
@pytest.mark.sampled(9)
async def test_a_cached_repository_answers_the_same(
    database: Database, projects: Projects, read: str
) -> None:
    expected = plain(await READS[read](projects))

    first, second = [plain(await READS[read](projects.cached())) for _ in range(2)]

    statistics = database.cache.statistics()
    assert first == second == expected
    assert statistics.hits == statistics.misses > 0


async def test_errors_are_the_same(projects: Projects) -> None:
    cached = projects.cached()

    with pytest.raises(NotFound):
        await cached.get(9)
    with pytest.raises(MoreThanOne):
        await cached.get_one(Project.stars >= 0)


@pytest.mark.slow
async def test_changes_of_a_cached_repository_go_to_the_database(projects: Projects) -> None:
    cached = projects.cached()
    await cached.get(1)

    changed = await cached.update(1, {"name": "new"})
    await cached.get_and_update({"stars": 5}, name="b")

    assert (changed.version, (await cached.get(1)).name) == (2, "new")
    assert [row.name async for row in cached.stream(order_by="name")] == ["b", "new"]
    assert len(await cached.history(1)) == 2


async def test_a_change_in_a_session_is_seen_in_it_at_once(
    database: Database, projects: Projects
) -> None:
    await projects.cached().get(1)
    async with database.transaction() as session:
        inner = projects.on_session(session).cached()
        project = await inner.update(1, {"name": "new"})
        copied = await inner.get(1)

        assert (copied.name, copied is project, inspect(copied).detached) == ("new", False, True)
        assert (await projects.cached().get(1)).name == "a"
        assert inner.uncached().uncached() is not inner
    assert (await projects.cached().get(1)).name == "new"


async def test_middleware_sees_what_is_asked_of_the_cache(projects: Projects) -> None:
    seen: list[str] = []

    async def note(operation: Operation, call_next: CallNext) -> Any:
        seen.append(operation.name)
        return await call_next(operation)

    cached = projects.cached().use(note)
    await cached.count()
    await cached.count()
    await cached.update(1, {"name": "new"})

    assert seen == ["count", "count", "update"]


class WithDocuments(BaseRepository[Project]):
    """Loads relations with each row."""

    model = Project
    loaded_by_key = ("documents",)


async def test_relations_are_left_out_explicitly(database: Database, projects: Projects) -> None:
    cached = WithDocuments(database).cached()

    with pytest.raises(QueryRefused, match="without relations"):
        await cached.get(1)
    assert (await cached.get(1, load=())).name == "a"


async def test_tenants_and_times_are_passed_on(database: Database) -> None:
    countries = BaseRepository(database, Country)
    await countries.create({"code": "es", "name": "Spain"})
    for tenant in ("a", "b", "a"):
        await countries.cached(ttl=60, tenant=tenant).count()

    statistics = database.cache.statistics()
    assert (statistics.entries, statistics.hits) == (2, 1)


async def test_analytics_come_from_the_cache(database: Database, projects: Projects) -> None:
    analytics = AnalyticsRepository(database, Project)
    cached = analytics.cached()
    for _ in range(2):
        assert await cached.aggregate(stars=sum_("stars")) == {"stars": 1}
        assert await cached.grouped("name", n=count()) == [
            {"name": "a", "n": 1},
            {"name": "b", "n": 1},
        ]
        (point,) = await cached.time_series("created_at", "year")
        assert (point.time.year, point.value) == (dt.datetime.now(dt.UTC).year, 2)

    assert database.cache.statistics().hits == 3
    with pytest.raises(QueryRefused, match="leave out cached"):
        await cached.arrow("name")
    await projects.create({"name": "d", "stars": 9})
    assert await cached.aggregate(stars=sum_("stars")) == {"stars": 10}
