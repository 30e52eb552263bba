"""Every figure of analytics, computed again in plain Python out of the rows there are."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

import project_architect_db.schemas.analytics as schemas
from project_architect_db.queries import BulkOperations
from project_architect_db.repositories import ProjectRepository
from project_architect_db.schemas.document import UsedDocument
from tests.recomputation.asking import check_pages, check_ranges, check_series, check_shortcuts
from tests.recomputation.comparing import Compared
from tests.recomputation.made import NOW, WIDER, ZONES, Made, WiderRepository
from tests.recomputation.of_time import METRICS
from tests.recomputation.rows import Question, read_rows

if TYPE_CHECKING:
    from andamios_orm import Database
    from andamios_orm.testing.clock import FrozenClock
    from tests.recomputation.rows import Rows

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
    assert all(_inner(field.annotation) <= {*parts, UsedDocument} for p in parts for field in p.model_fields.values())
    return {(part, name) for part in (*parts, UsedDocument) for name in part.model_fields}


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
        kind = {"talks": WiderRepository} if question.phases == WIDER else {}
        await check_shortcuts(database, rows, question, compared, **kind)


async def test_results_are_what_plain_python_computes(
    database: Database, frozen_clock: FrozenClock
) -> None:
    await Made(7, 24, frozen_clock).write(database)
    compared = Compared()

    await check(database, Question(NOW), compared)
    await check(database, Question(NOW, "ben", "Australia/Lord_Howe", RANGES["spring"]), compared)

    print(sorted((a.__name__, b) for a, b in every_field() - compared.fields))
    print(compared.reasons)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", RANGES)
async def test_results_about_a_time_are_what_plain_python_computes(
    database: Database, frozen_clock: FrozenClock, seed: int, name: str
) -> None:
    await Made(seed, 60, frozen_clock).write(database)
    compared = Compared()

    for viewer in VIEWERS:
        for zone in ZONES:
            await check(database, Question(NOW, viewer, zone, RANGES[name]), compared)
    await check(database, Question(NOW, date_range=RANGES[name], samples=False), compared)
    await check(database, Question(NOW, date_range=RANGES[name], phases=WIDER), compared)
    await check(database, Question(LATE, None, "Asia/Kathmandu", RANGES[name]), compared)
