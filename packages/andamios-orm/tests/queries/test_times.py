"""Times between moments, and what clocks show, equal what Python says."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import literal, select
from sqlalchemy.orm import DeclarativeBase

from andamios_orm.models import Row, UTCDateTime
from andamios_orm.queries.times import local_time, quarter_hour, seconds_between, utc_time

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Base(Row, DeclarativeBase):
    """The base of these tests, without a table."""


MOMENTS = [
    dt.datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=dt.UTC),
    dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC),
    dt.datetime(2026, 10, 25, 1, 7, 3, 141_593, tzinfo=dt.UTC),
    dt.datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=dt.UTC),
]


@pytest.fixture
def metadata() -> MetaData:
    """Return no table but those of the feed."""
    return Base.metadata


async def asked(database: Database, *columns: Any) -> list[Any]:
    async with database.session() as session:
        return list((await session.execute(select(*columns))).one())


def moment(value: dt.datetime) -> Any:
    return literal(value, UTCDateTime())


async def test_seconds_are_those_of_a_timedelta(database: Database) -> None:
    pairs = [(one, other) for one in MOMENTS for other in MOMENTS]

    found = await asked(
        database, *(seconds_between(moment(one), moment(other)) for one, other in pairs)
    )

    assert found == [(other - one).total_seconds() for one, other in pairs]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Madrid", "Asia/Kathmandu"])
async def test_a_clock_shows_what_it_shows_in_python(database: Database, zone: str) -> None:
    expected = [each.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for each in MOMENTS]

    assert await asked(database, *(local_time(moment(each), zone) for each in MOMENTS)) == expected


async def test_a_clock_in_utc(database: Database) -> None:
    found = await asked(database, *(utc_time(moment(each)) for each in MOMENTS))

    assert found == [each.replace(tzinfo=None) for each in MOMENTS]


async def test_a_quarter_of_an_hour_begins_before_or_at_a_moment(database: Database) -> None:
    found = await asked(database, *(quarter_hour(moment(each)) for each in MOMENTS))

    assert found == [
        each.replace(minute=each.minute // 15 * 15, second=0, microsecond=0) for each in MOMENTS
    ]
