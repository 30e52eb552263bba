"""Chance is the same in Python and on both databases; time keeps its order and its rhythm."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import BigInteger, column, func, literal, select

from project_architect_db.seeding.chance import Chance, moment_of, whole, working_seconds

if TYPE_CHECKING:
    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.mark.sampled(2)
async def test_databases_draw_what_python_draws(database: Database) -> None:
    chance = Chance(7)
    bounds = literal(0, BigInteger), literal(4_999, BigInteger)
    numbers = func.generate_series(*bounds).table_valued(column("n", BigInteger)).render_derived()
    n = numbers.c.n

    async with database.session() as session:
        rows = (await session.execute(select(n, chance.draw(n, "a", 100), whole(n, 7)))).all()

    assert sorted(rows) == [
        (number, chance.draw(number, "a", 100), number // 7) for number in range(5_000)
    ]


@pytest.mark.sampled(2)
async def test_time_keeps_its_order_and_its_rhythm(database: Database) -> None:
    start = working_seconds(1_767_225_600)
    bounds = literal(0, BigInteger), literal(6_000, BigInteger)
    numbers = func.generate_series(*bounds).table_valued(column("n", BigInteger)).render_derived()
    working = numbers.c.n * 61 + start

    async with database.session() as session:
        found = await session.scalars(select(moment_of(working)).order_by(numbers.c.n))
        moments = list(found)

    assert moments == sorted(set(moments))
    assert moments[0] < 1_767_225_600 < moments[1]
    days = Counter(dt.datetime.fromtimestamp(each, dt.UTC).strftime("%a") for each in moments)
    assert days["Sun"] < days["Sat"] < days["Mon"]
    assert {dt.datetime.fromtimestamp(each, dt.UTC).hour for each in moments} == set(range(9, 17))


@pytest.mark.parametrize("day", range(7))
async def test_the_last_working_second_is_before_the_day(duckdb_file: Database, day: int) -> None:
    midnight = 1_767_225_600 + day * 86_400

    async with duckdb_file.session() as session:
        last = working_seconds(midnight + 40_000)
        moment = await session.scalar(select(moment_of(literal(last, BigInteger))))

    assert moment is not None
    assert midnight - 3 * 86_400 < moment < midnight


def test_numbers_are_spread_evenly_and_names_do_not_meet() -> None:
    chance = Chance(7)

    drawn = Counter(chance.draw(number, "a", 10) for number in range(10_000))

    assert min(drawn.values()) > 850
    same = sum(
        chance.draw(number, "a", 10) == chance.draw(number, "b", 10) for number in range(10_000)
    )
    assert 850 < same < 1_150
