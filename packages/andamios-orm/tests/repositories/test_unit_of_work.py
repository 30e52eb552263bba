"""Several repositories in one transaction: all that they store or nothing, run again if need be."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.repositories.models import Base, Counter, Country, Project

from andamios_orm.core import ChangeFeed
from andamios_orm.exceptions import NotFound, StaleVersion, WriteConflict
from andamios_orm.repositories import BaseRepository

if TYPE_CHECKING:
    from andamios_orm import Database, Session

pytestmark = [pytest.mark.concurrency, pytest.mark.db, pytest.mark.sampled(2)]


async def found(code: str, session: Session) -> int:
    """Make a project and a country, count them, and return the count."""
    projects, countries = BaseRepository(session, Project), BaseRepository(session, Country)
    counters = BaseRepository(session, Counter)
    count = (await counters.get(1)).value + 1
    await projects.create({"name": code})
    await countries.create({"code": code, "name": code})
    await counters.update(1, {"value": count})
    return count


async def stored(database: Database) -> tuple[int, int, int]:
    """Return how many projects and countries there are, and the counter."""
    projects, countries = BaseRepository(database, Project), BaseRepository(database, Country)
    counter = await BaseRepository(database, Counter).get(1)
    return await projects.count(), await countries.count(), counter.value


@pytest.fixture
async def counting(database: Database) -> Database:
    """Return a database with a counter."""
    await BaseRepository(database, Counter).create({})
    return database


@pytest.mark.slow
async def test_units_of_work_that_meet_are_run_again(counting: Database) -> None:
    codes = [f"{letter}{number}" for letter in "ab" for number in range(4)]

    counts = await asyncio.gather(
        *(counting.run_in_transaction(partial(found, code), retry=50) for code in codes)
    )

    assert sorted(counts) == list(range(1, 9))
    assert await stored(counting) == (8, 8, 8)


async def test_what_lost_is_run_anew_and_leaves_nothing_of_its_first_run(
    counting: Database,
) -> None:
    runs = 0

    async def work(session: Session) -> int:
        nonlocal runs
        runs += 1
        count = await found(f"r{runs}", session)
        if runs == 1:
            raise WriteConflict("as if another writer was first")
        return count

    assert await counting.run_in_transaction(work) == 1

    assert runs == 2
    assert await stored(counting) == (1, 1, 1)
    changes = await ChangeFeed(counting, Base.metadata).read(entities=[Project, Country])
    assert [change.entity for change in changes] == ["projects", "countries"]


async def test_any_other_error_is_raised_at_once_and_nothing_is_stored(
    counting: Database,
) -> None:
    runs = 0

    async def work(session: Session) -> None:
        nonlocal runs
        runs += 1
        await found("es", session)
        await BaseRepository(session, Project).update(99, {"name": "x"})

    with pytest.raises(NotFound):
        await counting.run_in_transaction(work)

    assert runs == 1
    assert await stored(counting) == (0, 0, 0)


@pytest.mark.parametrize(("retry", "expected"), [(0, 1), (2, 3)])
async def test_the_last_conflict_is_the_callers(
    counting: Database, retry: int, expected: int
) -> None:
    runs = 0

    async def work(session: Session) -> None:
        nonlocal runs
        runs += 1
        await found("es", session)
        await BaseRepository(session, Counter).update(1, {"value": 7}, version=9)

    with pytest.raises(StaleVersion):
        await counting.run_in_transaction(work, retry=retry)

    assert runs == expected
    assert await stored(counting) == (0, 0, 0)
