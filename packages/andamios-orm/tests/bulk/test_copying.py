"""COPY into PostgreSQL: whenever it is cancelled, the connection is of use to the next one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import Integer, MetaData, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped

from andamios_orm import Database
from andamios_orm.bulk import bulk_create
from andamios_orm.bulk.arrow import arrow_table
from andamios_orm.dialect import DuckDBDialect
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


async def test_a_copy_that_is_cancelled_as_it_begins_costs_its_connection(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait: Any = psycopg.AsyncConnection.wait

    async def cancelled_in_copy(self: Any, work: Any, **options: Any) -> Any:
        answer = await wait(self, work, **options)
        if work.__name__ == "_start_copy_gen":
            raise asyncio.CancelledError
        return answer

    async with Database(postgres_url, pool_size=1, max_overflow=0) as database:
        with monkeypatch.context() as patched:
            patched.setattr(psycopg.AsyncConnection, "wait", cancelled_in_copy)
            with pytest.raises(asyncio.CancelledError):
                await create(database)

        await create(database)


@pytest.mark.slow
async def test_a_copy_that_is_cancelled_while_it_waits_is_rolled_back(postgres_url: str) -> None:
    async with Database(postgres_url) as database:
        async with database.engine.connect() as other:
            await other.execute(text("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE"))
            task = asyncio.create_task(create(database))
            await asyncio.sleep(0.2)
            task.cancel()
            await asyncio.wait({task})

        assert task.cancelled()
        await create(database)


def test_what_arrow_cannot_hold_is_no_table() -> None:
    assert arrow_table([("n", Integer(), ["no number"])], DuckDBDialect()) is None
