"""Vectors: how near they are to each other, the same on both databases."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.exceptions import ConfigurationError, ValueRefused
from andamios_orm.models import IntegerKeyMixin, Row, Vector

if TYPE_CHECKING:
    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The base of these tables."""

    __feed__ = False


class Word(IntegerKeyMixin, Base):
    """A word with its place."""

    __tablename__ = "words"
    place: Mapped[list[float] | None] = mapped_column(Vector(2))
    other: Mapped[list[float] | None] = mapped_column(Vector(2))


PLACE: Any = Word.place
ROWS = [[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0], [0.0, 0.0], None]


@pytest.fixture
def metadata() -> sa.MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def words(database: Database) -> Database:
    """Return a database with words in all directions."""
    async with database.transaction() as session:
        rows = [{"place": place, "other": [1.0, 0.0]} for place in ROWS]
        await session.execute(sa.insert(Word), rows)
    return database


DISTANCES = {
    "cosine_distance": [0.4, 1.0, 2.0, 2.0, None],
    "l2_distance": [math.sqrt(20), math.sqrt(5), 2.0, 1.0, None],
    "inner_product": [3.0, 0.0, -1.0, 0.0, None],
}


@pytest.mark.parametrize(("name", "expected"), DISTANCES.items())
async def test_distances_are_the_same_on_both_databases(
    words: Database, name: str, expected: list[float | None]
) -> None:
    async with words.session() as session:
        distance = getattr(PLACE, name)
        to_list = distance([1, 0]), distance((1.0, 0.0)), distance(Word.other)
        query = sa.select(*to_list).order_by(Word.id)
        found = [tuple(row) for row in (await session.execute(query)).all()]

    assert found == [(pytest.approx(value),) * 3 for value in expected]


@pytest.mark.slow
async def test_the_nearest_come_first(words: Database) -> None:
    async with words.session() as session:
        distance = PLACE.l2_distance([0.0, 1.0])
        query = sa.select(Word.id).where(distance < 5).order_by(distance, Word.id).limit(3)
        found = (await session.scalars(query)).all()

    assert found == [2, 4, 3]


async def test_arrays_are_taken(words: Database) -> None:
    async with words.transaction() as session:
        session.add(Word(place=array("d", [1, 2]), other=(0.5, 1)))
    async with words.session() as session:
        word = await session.get_one(Word, 6)

    assert (word.place, word.other) == ([1.0, 2.0], [0.5, 1.0])


async def test_numbers_are_kept_in_single_precision(words: Database) -> None:
    async with words.transaction() as session:
        session.add(Word(place=[0.1, 1 / 3]))
    async with words.session() as session:
        word = await session.get_one(Word, 6)
        same = await session.scalar(sa.select(Word.id).where(PLACE == [0.1, 1 / 3]))

    assert word.place == [0.10000000149011612, 0.3333333432674408]
    assert same == 6


async def test_a_vector_of_another_size_is_refused_in_a_query(words: Database) -> None:
    async with words.session() as session:
        with pytest.raises(ValueRefused, match="vectors of 2 numbers"):
            await session.execute(sa.select(PLACE.l2_distance([1.0, 2.0, 3.0])))


def test_a_size_is_at_least_one() -> None:
    with pytest.raises(ConfigurationError, match="1 or more"):
        Vector(0)
