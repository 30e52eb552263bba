"""COPY into PostgreSQL: whenever it is cancelled, the connection is of use to the next one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import MetaData, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped

from andamios_orm import Database
from andamios_orm.bulk import bulk_create
from andamios_orm.models import IntegerKeyMixin, Row

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.concurrency, pytest.mark.db]


class Base(Row, DeclarativeBase):
    """The base of this table."""


class Note(IntegerKeyMixin, Base):
    """A note."""

    __tablename__ = "notes"

    text: Mapped[str]


@pytest.fixture
def metadata() -> MetaData:
    """Return the table of these tests."""
    return Base.metadata


async def create(database: Database) -> None:
    async with database.transaction() as session:
        await bulk_create(session, Note, [{"text": "a"}, {"text": "b"}])


@pytest.mark.slow
async def test_a_copy_that_is_cancelled_at_any_moment_leaves_all_or_nothing(
    postgres_url: str, rounds: Callable[[int, int, int], int]
) -> None:
    async with Database(postgres_url, pool_size=1, max_overflow=0) as database:
        for number in range(rounds(60, 300, 1_000)):
            task = asyncio.create_task(create(database))
            await asyncio.sleep(number % 60 * 0.000_1)
            task.cancel()
            await asyncio.wait({task})

            assert task.cancelled() or task.exception() is None
            async with database.session() as session:
                assert (await session.scalar(select(func.count(Note.id))) or 0) % 2 == 0
