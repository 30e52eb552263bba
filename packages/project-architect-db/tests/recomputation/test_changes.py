"""Answers after each change, from the cache too, and without any rows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests.recomputation.asking import check_pages, check_ranges, check_series, check_shortcuts
from tests.recomputation.comparing import Compared
from tests.recomputation.made import NOW, WIDER, Made, WiderRepository
from tests.recomputation.of_time import METRICS
from tests.recomputation.rows import Question, Rows, read_rows

from project_architect_db.queries import BulkOperations

if TYPE_CHECKING:
    from andamios_orm import Database
    from andamios_orm.testing.clock import FrozenClock

pytestmark = [pytest.mark.integration, pytest.mark.db]

QUESTIONS = (Question(NOW), Question(NOW, "ana", "America/New_York"))
WEEK = (dt.date(2026, 7, 6), dt.date(2026, 7, 13))


async def rows_of(database: Database) -> Rows:
    """Return what there is."""
    async with database.session() as session:
        return await read_rows(session)


async def check_all(database: Database) -> None:
    """Ask everything twice: the second time the cache answers."""
    rows = await rows_of(database)
    chosen = [(metric, "month", False) for metric in METRICS]
    for question in QUESTIONS * 2:
        await check_ranges(database, rows, question, Compared())
        await check_pages(database, rows, question, Compared())
        await check_series(database, rows, question, Compared(), chosen)


@pytest.mark.slow
async def test_an_empty_database_has_empty_answers(
    database: Database, frozen_clock: FrozenClock
) -> None:
    frozen_clock.move_to(NOW)
    rows = await rows_of(database)
    compared = Compared()
    question = Question(NOW)

    await check_ranges(database, rows, question, compared)
    await check_pages(database, rows, question, compared)
    await check_shortcuts(database, rows, question, compared)
    await check_series(database, rows, question, compared, [("messages", "day", False)])
    await check_series(database, rows, question.about(WEEK), compared, [("messages", "day", True)])


@pytest.mark.slow
@pytest.mark.parametrize("viewer", [None, "ana"])
async def test_an_empty_database_has_empty_answers_of_all_kinds(
    database: Database, frozen_clock: FrozenClock, viewer: str | None
) -> None:
    frozen_clock.move_to(NOW)
    rows = await rows_of(database)
    question = Question(NOW, viewer, "Asia/Kathmandu", WEEK)

    await check_ranges(database, rows, question, Compared())
    await check_pages(database, rows, question, Compared())
    for compare in (False, True):
        chosen = [(metric, "day", compare) for metric in METRICS]
        await check_series(database, rows, question, Compared(), chosen)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
async def test_answers_follow_each_change(
    database: Database, frozen_clock: FrozenClock, seed: int
) -> None:
    made = Made(300 + seed, 20, frozen_clock)
    await made.write(database)

    for change in range(3):
        await check_all(database)
        async with database.transaction() as session:
            await made.change(session)
        if change % 2:
            async with database.transaction() as session:
                await BulkOperations.bulk_analytics_refresh(session)
    await check_all(database)


@pytest.mark.slow
async def test_answers_are_the_same_after_a_change_that_was_rolled_back(
    database: Database, frozen_clock: FrozenClock
) -> None:
    made = Made(400, 15, frozen_clock)
    await made.write(database)
    before = await rows_of(database)

    async with database.transaction() as session:
        await made.change(session)
        assert await read_rows(session) != before
        await session.rollback()

    assert await rows_of(database) == before
    await check_all(database)


@pytest.mark.slow
async def test_a_repository_with_other_phases_counts_by_them(
    database: Database, frozen_clock: FrozenClock
) -> None:
    await Made(500, 15, frozen_clock).write(database)
    rows = await rows_of(database)
    question = Question(NOW, phases=WIDER)

    await check_shortcuts(database, rows, question, Compared(), talks=WiderRepository)
