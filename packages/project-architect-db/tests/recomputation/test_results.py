"""Every figure of analytics, computed again in plain Python out of the rows there are."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from tests.recomputation.asking import check_pages, check_ranges, check_series, check_shortcuts
from tests.recomputation.comparing import Compared
from tests.recomputation.made import NOW, SIZED, WIDER, ZONES, Made, WiderRepository
from tests.recomputation.rows import Question, read_rows

import project_architect_db.schemas.analytics as schemas
from project_architect_db.repositories import ConversationRepository
from project_architect_db.schemas.document import UsedDocument

if TYPE_CHECKING:
    from tests.recomputation.rows import Rows

    from andamios_orm import Database
    from andamios_orm.testing.clock import FrozenClock

pytestmark = [pytest.mark.integration, pytest.mark.db]

NEW_YORK = ZoneInfo("America/New_York")
RANGES: dict[str, Any] = {
    "always": None,
    "spring": (dt.date(2026, 3, 8), dt.date(2026, 6, 1)),
    "from a day": (dt.date(2025, 11, 2), None),
    "up to a moment": (None, dt.datetime(2026, 4, 4, 15, tzinfo=dt.UTC)),
    "an hour that comes twice": (
        dt.datetime(2025, 11, 2, 1, fold=0, tzinfo=NEW_YORK),
        dt.datetime(2025, 11, 2, 1, fold=1, tzinfo=NEW_YORK),
    ),
    "the future": (NOW, None),
    "a time without rows": (dt.date(2001, 1, 1), dt.date(2001, 1, 2)),
}
VIEWERS = (None, "ana", "ben", "dora", "çem", "nobody")
SEED = 4
SERIES = ("TimePoint", "TimeSeriesData")
UNDATED = (schemas.Attention, schemas.RepositoryHealth)
"""What is always about now."""
LATE = NOW.replace(hour=18, minute=20)
"""A new day has begun in Kathmandu, but not yet when the current hour began."""


async def rows_of(database: Database) -> Rows:
    """Return what there is."""
    async with database.session() as session:
        return await read_rows(session)


def every_field() -> set[tuple[type[Any], str]]:
    """Return each field of each part of each result."""
    found = {getattr(schemas, name) for name in schemas.__all__}
    parts = {each for each in found if hasattr(each, "model_fields")}
    parts -= {schemas.AnalyticsResult, schemas.ExecutedStatement, schemas.HealthScore}
    parts.add(UsedDocument)
    fields = [(part, name, field) for part in parts for name, field in part.model_fields.items()]
    assert {each for _, _, field in fields for each in _inner(field.annotation)} <= parts
    return {(part, name) for part, name, _ in fields}


def _inner(annotation: Any) -> set[type[Any]]:
    if hasattr(annotation, "model_fields"):
        return {annotation}
    return {each for part in getattr(annotation, "__args__", ()) for each in _inner(part)}


async def check(database: Database, question: Question, compared: Compared) -> None:
    """Compare all but series, as far as it can be asked so."""
    rows = await rows_of(database)
    await check_ranges(database, rows, question, compared)
    await check_pages(database, rows, question, compared)
    if question.timezone == "UTC" and question.samples and question.now == NOW:
        talks = WiderRepository if question.phases == WIDER else ConversationRepository
        await check_shortcuts(database, rows, question, compared, talks=talks)


@pytest.mark.slow
async def test_results_are_what_plain_python_computes(
    database: Database, frozen_clock: FrozenClock
) -> None:
    await Made(SEED, 4, frozen_clock).write(database)
    compared = Compared()
    rows = await rows_of(database)
    series = [(metric, "day", True) for metric in ("messages", "commits")]

    await check_ranges(database, rows, Question(NOW), compared)
    question = Question(NOW, None, "Australia/Lord_Howe", RANGES["spring"])
    await check_pages(database, rows, question, compared)
    await check_series(database, rows, question, compared, series)

    assert compared.fields == every_field()


@pytest.mark.parametrize("timezone", SIZED)
async def test_results_in_a_time_zone_are_what_plain_python_computes(
    database: Database, frozen_clock: FrozenClock, timezone: str
) -> None:
    await Made(ZONES.index(timezone), 40, frozen_clock).write(database)
    compared = Compared()

    for date_range in RANGES.values():
        for viewer in VIEWERS[:3]:
            await check(database, Question(NOW, viewer, timezone, date_range), compared)
        await check(database, Question(LATE, None, timezone, date_range, samples=False), compared)
    for viewer in VIEWERS[3:]:
        await check(database, Question(NOW, viewer, timezone, phases=WIDER), compared)

    unseen = {each for each in every_field() - compared.valued if each[0].__name__ not in SERIES}
    assert unseen == {(kind, name) for kind in UNDATED for name in ("start", "end")}
    assert compared.reasons == {"build_failed", "phase_overdue", "inactive", "old_draft"}
