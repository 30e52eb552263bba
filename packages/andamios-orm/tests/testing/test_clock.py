from __future__ import annotations

import datetime as dt

import pytest

from andamios_orm.exceptions import ConfigurationError
from andamios_orm.models import clock as asked
from andamios_orm.models.mixins import TimestampMixin
from andamios_orm.testing.clock import FrozenClock

pytestmark = pytest.mark.unit

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_it_stands_still(frozen_clock: FrozenClock) -> None:
    assert asked.now() == asked.now() == frozen_clock.now() == START
    assert asked.elapsed() == 0.0


def test_it_goes_on_when_it_is_told_to(frozen_clock: FrozenClock) -> None:
    assert frozen_clock.tick(90) == START + dt.timedelta(seconds=90)
    assert frozen_clock.tick(dt.timedelta(days=1)) == asked.now()
    assert asked.elapsed() == 86_490.0


def test_it_moves_to_a_time_of_any_zone(frozen_clock: FrozenClock) -> None:
    frozen_clock.move_to(dt.datetime(2027, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))))

    assert asked.now() == dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    assert asked.now().tzinfo is dt.UTC


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no time zone"):
        FrozenClock(dt.datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


def test_behind_its_block_time_goes_on() -> None:
    with FrozenClock():
        pass

    assert abs(asked.now() - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    assert asked.elapsed() <= asked.elapsed()


def test_rows_go_by_it() -> None:
    default = TimestampMixin.__dict__["created_at"].column.default

    with FrozenClock():
        assert default.arg(None) == START
