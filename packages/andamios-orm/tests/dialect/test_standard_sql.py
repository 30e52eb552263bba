"""What SQLAlchemy offers for every database and DuckDB spells in its own way."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    Interval,
    MetaData,
    Table,
    create_engine,
    literal,
    select,
    text,
)
from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]

LONG = dt.timedelta(days=3, seconds=4, microseconds=5)


@pytest.fixture
def engine(andamios_memory_url: str) -> Iterator[Engine]:
    """Yield an engine on an empty database."""
    engine = create_engine(andamios_memory_url)
    yield engine
    engine.dispose()


def test_bitwise_xor_is_the_function(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.scalar(select(literal(5).bitwise_xor(3))) == 6


def test_rows_of_defaults_only_are_inserted(engine: Engine) -> None:
    table = Table("a", MetaData(), Column("id", Integer, primary_key=True))
    table.create(engine)

    with engine.begin() as connection:
        connection.execute(table.insert(), [{}, {}, {}])

        assert connection.scalars(select(table.c.id).order_by(table.c.id)).all() == [1, 2, 3]


@pytest.mark.parametrize("interval", [LONG, -LONG, dt.timedelta(0)])
def test_an_interval_is_written_out(engine: Engine, interval: dt.timedelta) -> None:
    statement = select(literal(interval, literal_execute=True))

    with engine.connect() as connection:
        assert connection.scalar(statement) == interval


@pytest.mark.parametrize("type_", [Interval(second_precision=6), postgresql.INTERVAL()])
def test_a_column_of_intervals_has_no_precision(engine: Engine, type_: Interval) -> None:
    table = Table("a", MetaData(), Column("x", type_))

    table.create(engine)

    with engine.begin() as connection:
        connection.execute(table.insert(), {"x": LONG})
        assert connection.scalar(select(table.c.x)) == LONG


@pytest.mark.parametrize("hours", [0, 5, -5])
def test_an_aware_time_comes_back_from_a_bare_select(engine: Engine, hours: int) -> None:
    time = dt.time(12, 57, 18, tzinfo=dt.timezone(dt.timedelta(hours=hours)))

    with engine.connect() as connection:
        assert connection.scalar(select(literal(time))) == time


@pytest.mark.parametrize(("skips", "rollbacks"), [(True, 0), (False, 1)])
def test_skip_autocommit_rollback_is_heeded(
    andamios_memory_url: str, *, skips: bool, rollbacks: int
) -> None:
    engine = create_engine(
        andamios_memory_url, skip_autocommit_rollback=skips, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        driver = connection.connection.dbapi_connection

        with mock.patch.object(driver, "rollback", wraps=driver.rollback) as rollback:  # type: ignore[union-attr]  # it is connected
            connection.close()

    assert rollback.call_count == rollbacks
    engine.dispose()


def test_a_sync_engine_streams(engine: Engine) -> None:
    with engine.connect().execution_options(yield_per=1_000) as connection:
        result = connection.execute(text("SELECT i FROM range(10000) AS t(i)"))

        assert result.fetchmany(3) == [(0,), (1,), (2,)]
        assert connection.connection.dbapi_connection._channel.streaming  # type: ignore[union-attr]  # ours
        assert len(result.all()) == 9_997
