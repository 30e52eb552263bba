"""Readers of a cache and writers at the same time: no reader sees less than it must."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.models import IntegerKeyMixin, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import MetaData

pytestmark = [pytest.mark.concurrency, pytest.mark.db]


class Base(Row, DeclarativeBase):
    """The base of these tests."""


class Number(IntegerKeyMixin, Base):
    """A number that rises."""

    __tablename__ = "numbers"

    value: Mapped[int] = mapped_column(default=0)


VALUE = select(Number.value)


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


async def read(database: Database) -> int:
    async with database.session() as session:
        return int((await database.cache.execute(session, VALUE)).scalar_one())


class Numbers:
    """Writers that count up, and readers that must not fall behind."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.acknowledged = 0
        self.reads = 0

    @classmethod
    async def begin(cls, database: Database) -> Numbers:
        """Store the number."""
        await database.create(Number, {})
        return cls()

    async def write(self, database: Database, times: int) -> None:
        """Count up in transactions; some are rolled back, some have several statements."""
        for turn in range(times):
            async with database.session() as session:
                number = await session.get_one(Number, 1)
                number.value += 1
                await session.flush()
                if turn % 3 == 2:
                    await session.rollback()
                    continue
                written = number.value
                await session.commit()
            self.acknowledged = max(self.acknowledged, written)
            await asyncio.sleep(0)

    async def follow(self, database: Database, stop: asyncio.Event) -> None:
        """Read beside the cache, then with it, until told to stop."""
        while not stop.is_set():
            known = self.acknowledged
            async with database.session() as session:
                seen = (await session.scalars(VALUE)).one()
            assert await read(database) >= max(known, seen)
            self.reads += 1
            await asyncio.sleep(0)


@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.slow
async def test_no_reader_falls_behind(
    url: str, readers: int, rounds: Callable[[int, int, int], int]
) -> None:
    async with Database(url) as database, Database(url) as other:
        numbers, stop = await Numbers.begin(database), asyncio.Event()
        reading = [
            asyncio.create_task(numbers.follow(one, stop))
            for one in (database, other)
            for _ in range(readers)
        ]

        await numbers.write(other, rounds(9, 60, 600))
        stop.set()
        await asyncio.gather(*reading)

        assert await read(database) == await read(other) == numbers.acknowledged
        assert numbers.reads > 0


@pytest.mark.slow
async def test_no_reader_falls_behind_when_some_are_cancelled(
    url: str, rounds: Callable[[int, int, int], int]
) -> None:
    async with Database(url) as database, Database(url) as other:
        numbers, stop = await Numbers.begin(database), asyncio.Event()
        writing = asyncio.create_task(numbers.write(other, rounds(9, 60, 600)))
        while not writing.done():
            reading = [asyncio.create_task(numbers.follow(database, stop)) for _ in range(4)]
            await asyncio.sleep(0.01)
            for task in reading[:2]:
                task.cancel()
            stop.set()
            found = await asyncio.gather(*reading, return_exceptions=True)
            stop.clear()
            assert {type(each) for each in found} <= {type(None), asyncio.CancelledError}
        await writing

        assert await read(database) == numbers.acknowledged
