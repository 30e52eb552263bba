"""A model is told of its rows, by whatever door they were written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.bulk import bulk_create, bulk_delete, bulk_update, bulk_upsert
from andamios_orm.models import IntegerKeyMixin, Row, SoftDeleteMixin, WrittenRow
from andamios_orm.repositories import BaseRepository

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The tables of these tests."""


sums = Table("sums", Base.metadata, Column("key", String), Column("delta", BigInteger))


class Sale(SoftDeleteMixin, IntegerKeyMixin, Base):
    """A row whose amounts are summed up by article in another table."""

    __tablename__ = "sales"

    article: Mapped[str] = mapped_column(unique=True)
    amount: Mapped[int]
    note: Mapped[str | None]

    @classmethod
    def __wrote__(cls, connection: Connection, rows: Sequence[WrittenRow]) -> None:
        """Write what has to be added to the sums."""
        deltas = [
            {"key": values["article"], "delta": sign * values["amount"]}
            for row in rows
            for sign, values in ((-1, row.before), (1, row.after))
            if values is not None and values["deleted_at"] is None
        ]
        if deltas:
            connection.execute(insert(sums), deltas)


@pytest.fixture
def metadata() -> MetaData:
    return Base.metadata


async def summed(database: Database) -> dict[str, int]:
    """Return the sums that are not 0."""
    totals: dict[str, int] = {}
    async with database.session() as session:
        for key, delta in await session.execute(select(sums.c.key, sums.c.delta)):
            totals[key] = totals.get(key, 0) + delta
    return {key: total for key, total in totals.items() if total}


async def test_of_new_rows(database: Database) -> None:
    await database.create(Sale, {"article": "single", "amount": 1})
    async with database.transaction() as session:
        session.add(Sale(article="flush", amount=2))
        await bulk_create(session, Sale, [{"article": "bulk", "amount": 3}])

    assert await summed(database) == {"single": 1, "flush": 2, "bulk": 3}


@pytest.mark.slow
async def test_of_changes(database: Database) -> None:
    first = await database.create(Sale, {"article": "a", "amount": 1})
    second = await database.create(Sale, {"article": "b", "amount": 1})

    async with database.transaction() as session:
        await BaseRepository(session, Sale).update(first.id, {"amount": 5})
        await bulk_update(session, Sale, [{"id": second.id, "article": "c"}])
        rows: list[dict[str, Any]] = [{"article": "c", "amount": 7}, {"article": "d", "amount": 8}]
        await bulk_upsert(session, Sale, rows, match_fields=["article"])

    assert await summed(database) == {"a": 5, "c": 7, "d": 8}


@pytest.mark.slow
async def test_of_deleted_and_restored_rows(database: Database) -> None:
    async with database.transaction() as session:
        rows = [{"article": name, "amount": 1} for name in "abcde"]
        a, b, c, d, e = (await bulk_create(session, Sale, rows)).ids
        sales = BaseRepository(session, Sale)
        await sales.delete(a)
        await sales.purge(b)
        await bulk_delete(session, Sale, [c])
        await bulk_delete(session, Sale, [d], purge=True)
        await sales.delete(e)
        await sales.restore(e)

    assert await summed(database) == {"e": 1}


async def test_what_is_rolled_back_leaves_nothing(database: Database) -> None:
    async with database.session() as session:
        await BaseRepository(session, Sale).create({"article": "a", "amount": 1})
        await session.rollback()

    assert await summed(database) == {}


async def test_a_flush_that_changes_nothing_tells_nothing(database: Database) -> None:
    sale = await database.create(Sale, {"article": "a", "amount": 1})

    async with database.transaction() as session:
        await BaseRepository(session, Sale).update(sale.id, {"amount": 1})
        assert await bulk_delete(session, Sale, [99]) == 0

    async with database.session() as session:
        assert len((await session.execute(select(sums))).all()) == 1


async def test_of_a_row_that_others_have_changed_since_it_was_read(database: Database) -> None:
    await database.create(Sale, {"article": "a", "amount": 1})
    async with database.session() as session:
        sale = await session.get_one(Sale, 1)
        await session.commit()
        async with database.transaction() as other:
            await bulk_update(other, Sale, [{"id": 1, "amount": 5}])
        sale.amount = 7
        await session.commit()

    assert await summed(database) == {"a": 7}


async def test_in_a_savepoint_nothing_is_read_again(postgres_url: str) -> None:
    sent: list[str] = []
    async with Database(postgres_url) as database, database.transaction() as session:
        session.add(Sale(article="a", amount=1))
        await session.commit()
        session.expunge_all()
        sale = await session.get_one(Sale, 1)
        async with session.begin_nested():
            await session.execute(select(1))
            stop = database.observer.subscribe(lambda record: sent.append(record.statement))
            sale.amount = 7
            await session.flush()
            stop()

    assert [statement.partition(" ")[0] for statement in sent] == ["UPDATE", "INSERT"]
