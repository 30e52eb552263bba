"""Many tasks through repositories: nothing is lost, nothing is made twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.repositories.models import Counter, Country

from andamios_orm.exceptions import StaleVersion
from andamios_orm.repositories import BaseRepository

if TYPE_CHECKING:
    from andamios_orm import Database

pytestmark = [pytest.mark.concurrency, pytest.mark.db, pytest.mark.sampled(2)]


async def increment(database: Database, times: int) -> None:
    """Raise the counter, reading it first each time."""
    for _ in range(times):
        async for attempt in database.transaction(retry=100):
            async with attempt as session:
                counters = BaseRepository(session, Counter)
                value = (await counters.get(1)).value
                await counters.update(1, {"value": value + 1})


async def raised(database: Database, tasks: int, times: int) -> int:
    """Return the counter after ``tasks`` have raised it ``times`` each."""
    counters = BaseRepository(database, Counter)
    await counters.create({})
    await asyncio.gather(*(increment(database, times) for _ in range(tasks)))
    return (await counters.get(1)).value


@pytest.mark.slow
async def test_no_increment_is_lost(database: Database) -> None:
    assert await raised(database, 10, 3) == 30


async def test_of_two_who_saw_the_same_version_one_is_told(database: Database) -> None:
    counters = BaseRepository(database, Counter)
    await counters.create({})

    outcomes = await asyncio.gather(
        *(counters.update(1, {"value": number}, version=1) for number in (5, 6)),
        return_exceptions=True,
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, StaleVersion)]
    assert len(refused) == 1
    assert (refused[0].expected, refused[0].actual) == (1, 2)


async def test_a_row_is_made_once(database: Database) -> None:
    countries = BaseRepository(database, Country)

    made = await asyncio.gather(
        *(countries.get_or_create({"name": "España"}, code="es") for _ in range(10))
    )

    assert sum(new for _, new in made) == 1
    assert await countries.count() == 1


@pytest.mark.slow
async def test_upserts_of_one_row_all_succeed(database: Database) -> None:
    countries = BaseRepository(database, Country)

    await asyncio.gather(
        *(countries.upsert({"code": "es", "name": f"name {number}"}) for number in range(10))
    )

    assert await countries.count() == 1
