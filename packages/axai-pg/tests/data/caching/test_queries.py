"""Functions whose answers are kept."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from sqlalchemy import select, update

from andamios_orm import Database
from andamios_orm.exceptions import ConfigurationError, QueryRefused
from andamios_orm.testing.clock import FrozenClock
from axai_pg.data.caching import CacheManager, cache_query
from axai_pg.data.models import Topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncSession

    from axai_pg import DatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Found(BaseModel):
    """A topic as it is shown."""

    id: uuid.UUID
    name: str
    made: dt.datetime


CALLS: list[str] = []


@pytest.fixture(autouse=True)
def calls() -> list[str]:
    """Return the names of the functions that were called in this test."""
    CALLS.clear()
    return CALLS


@cache_query(reads=(Topic,))
async def topics(session: AsyncSession, prefix: str, *, limit: int = 10) -> list[Found]:
    """Return topics whose names begin with ``prefix``."""
    CALLS.append("topics")
    rows = await session.scalars(select(Topic).where(Topic.name.startswith(prefix)).limit(limit))
    return [Found(id=row.id, name=row.name, made=row.created_at) for row in rows]


class Repository:
    """What has a session."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    @cache_query(60, reads=(Topic,), for_all_users=True)
    async def best(self) -> Found | None:
        """Return nothing."""
        CALLS.append(type(self).__name__)
        return None

    @cache_query("graph", reads=(Topic,))
    async def related(self) -> int:
        """Return a number."""
        CALLS.append("related")
        return 1


class Other(Repository):
    """A repository of another kind."""


class Special(Repository):
    """A repository that answers by what the one above it answers."""

    @cache_query("graph", reads=(Topic,))
    async def related(self) -> int:
        """Return a number that is larger by 1."""
        return 1 + await super().related()


async def test_an_answer_comes_back_as_its_type(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, calls: list[str]
) -> None:
    answers = []
    for limit in (10, 10, 1):
        async with manager.async_session_scope(acme) as session:
            answers.append(await topics(session, "tr", limit=limit))

    assert answers[0] == answers[1] == answers[2]
    assert answers[1][0].name == "trees"
    assert calls == ["topics"] * 2
    assert cache.statistics().hits == 1


@pytest.mark.slow
async def test_a_write_makes_it_untrue(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, calls: list[str]
) -> None:
    for _ in range(2):
        async with manager.async_session_scope(acme) as session:
            await topics(session, "")
            await session.execute(update(Topic).values(name="woods"))
    async with manager.async_session_scope(acme) as session:
        [found] = await topics(session, "")

    assert found.name == "woods"
    assert len(calls) == 3
    assert cache.statistics().hits == 0


async def test_an_answer_is_kept_for_its_user_unless_it_is_said_to_be_for_all(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, calls: list[str]
) -> None:
    for user_id in (None, uuid.uuid4(), uuid.uuid4()):
        async with manager.async_session_scope(acme, user_id) as session:
            await topics(session, "")
            assert await Repository(session).best() is None

    assert calls == ["topics", "Repository", "topics", "topics"]
    assert cache.statistics().hits == 2


@pytest.mark.slow
async def test_a_method_of_a_subclass_has_answers_of_its_own(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, calls: list[str]
) -> None:
    async with manager.async_session_scope(acme) as session:
        for kind in (Repository, Other, Repository, Other):
            await kind(session).best()

    assert calls == ["Repository", "Other"]
    assert cache.statistics().hits == 2


async def test_an_overridden_method_has_answers_of_its_own(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, calls: list[str]
) -> None:
    async with manager.async_session_scope(acme) as session:
        special = Special(session)
        found = [await special.related(), await Repository.related(special)]
        found.append(await special.related())

    assert found == [2, 1, 2]
    assert calls == ["related"]


@pytest.mark.slow
async def test_an_answer_has_the_time_of_its_kind(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, calls: list[str]
) -> None:
    with FrozenClock() as clock:
        for seconds in (0.0, 60.0, 3600.0, 3600.0):
            clock.tick(seconds)
            async with manager.async_session_scope(acme) as session:
                await Repository(session).best()
                await Repository(session).related()

    assert calls == ["Repository", "related", *["Repository"] * 3, "related"]
    assert cache.statistics().hits == 2


@pytest.mark.slow
async def test_without_a_cache_the_function_is_called(
    manager: DatabaseManager, acme: uuid.UUID, calls: list[str], shared_url: str
) -> None:
    async with manager.async_session_scope(acme) as session:
        await Repository(session).best()
        await Repository(session).best()
    async with Database(shared_url) as database, database.session() as plain:
        await Repository(plain).best()

    assert calls == ["Repository"] * 3


@pytest.mark.slow
async def test_without_an_organisation_the_function_is_called(
    manager: DatabaseManager, cache: CacheManager, calls: list[str]
) -> None:
    async with manager.async_session_scope() as session:
        await Repository(session).best()
        await Repository(session).best()

    assert calls == ["Repository"] * 2
    assert cache.statistics().entries == 0


async def test_it_needs_a_session() -> None:
    with pytest.raises(ConfigurationError, match="needs an async session"):
        await topics("x", "y")  # type: ignore[arg-type]  # that is the point


async def unannotated(session):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - the point
    return 1


async def instances(session: AsyncSession) -> list[Topic]:
    return []


async def unknown(session: AsyncSession) -> Missing:  # type: ignore[name-defined]  # noqa: F821
    return None


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("function", "reason"),
    [(unannotated, "not annotated"), (instances, "no plain data"), (unknown, "cannot be found")],
)
async def test_a_function_whose_answers_cannot_be_kept_is_refused(
    manager: DatabaseManager,
    cache: CacheManager,
    acme: uuid.UUID,
    function: Callable[..., Any],
    reason: str,
) -> None:
    async with manager.async_session_scope(acme) as session:
        with pytest.raises(ConfigurationError, match=reason):
            await cache_query(reads=(Topic,))(function)(session)
    assert cache.statistics().entries == 0


@cache_query(reads=(Topic,))
async def wrong(session: AsyncSession, value: Any) -> list[int]:
    """Return something else than it says."""
    found: list[int] = value
    return found


@cache_query(reads=(Topic,))
async def vague(session: AsyncSession) -> Any:
    """Return what becomes a list in JSON."""
    return (1, 2)


async def test_an_answer_of_any_type_is_refused_if_json_has_another(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID
) -> None:
    async with manager.async_session_scope(acme) as session:
        with pytest.raises(QueryRefused, match="come back from JSON"):
            await vague(session)
    assert cache.statistics().entries == 0


@pytest.mark.sampled(3)
@pytest.mark.parametrize("value", [["x"], (1,), None, [object()], [float("nan")]])
async def test_an_answer_that_would_come_back_as_something_else_is_refused(
    manager: DatabaseManager, cache: CacheManager, acme: uuid.UUID, value: Any
) -> None:
    async with manager.async_session_scope(acme) as session:
        with pytest.raises(QueryRefused, match=r"come back from JSON|cannot be told"):
            await wrong(session, value)
    assert cache.statistics().entries == 0


@pytest.mark.parametrize("ttl", [-1, "slow"])
def test_a_time_that_is_none_is_refused(ttl: Any) -> None:
    with pytest.raises(ConfigurationError, match="ttl"):
        cache_query(ttl, reads=(Topic,))
