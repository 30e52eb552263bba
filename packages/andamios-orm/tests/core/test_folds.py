"""Kept results that follow the rows which commits have changed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.bulk import bulk_create, bulk_delete, bulk_update
from andamios_orm.core import ResultCache
from andamios_orm.core.commits import MOST_ROWS, commits_of
from andamios_orm.core.folds import Fold
from andamios_orm.models import IntegerKeyMixin, Row, UTCDateTime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import MetaData
    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.core.folds import Ask
    from andamios_orm.models import WrittenRow

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Base(Row, DeclarativeBase):
    """The base of these tests."""


class Sale(IntegerKeyMixin, Base):
    """A model whose amounts are remembered."""

    __tablename__ = "sales"
    __remembered__ = ("id", "amount")

    amount: Mapped[int]
    note: Mapped[str | None]


class Visit(IntegerKeyMixin, Base):
    """A model whose moments are remembered."""

    __tablename__ = "visits"
    __remembered__ = ("at",)

    at: Mapped[dt.datetime] = mapped_column(UTCDateTime)


class Shop(IntegerKeyMixin, Base):
    """Another one."""

    __tablename__ = "shops"

    name: Mapped[str]


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


SUM = select(func.sum(Sale.amount), select(func.count(Shop.id)).scalar_subquery())
LARGEST = select(func.max(Sale.amount))


class Following:
    """A sum of amounts that is kept, and what it was told of."""

    def __init__(self, database: Database) -> None:
        """Ask ``database``."""
        self.database = database
        self.told: list[WrittenRow] = []
        self.asks = False
        self.knows = True

    async def follow(
        self, rows: Sequence[Any], changes: Sequence[WrittenRow], ask: Ask
    ) -> Sequence[Any] | None:
        """Add amounts, and take off what they were before."""
        self.told += changes
        if not self.knows:
            return None
        if self.asks:
            assert await ask(LARGEST) == await ask(LARGEST, self.largest)
        total = rows[0][0]
        for before, after in changes:
            total += (after["amount"] if after else 0) - (before["amount"] if before else 0)
        return rows if total == rows[0][0] else [(total, rows[0][1])]

    async def largest(
        self, rows: Sequence[Any], changes: Sequence[WrittenRow], _ask: Ask
    ) -> Sequence[Any] | None:
        """Return the largest amount after changes."""
        return [(max(rows[0][0], *(row.after["amount"] for row in changes if row.after)),)]

    async def read(self, session: AsyncSession | None = None) -> tuple[int, int]:
        """Return the sum, from the cache if it can be, and how many statements were sent."""
        if session is None:
            async with self.database.session() as own:
                return await self.read(own)
        sent: list[str] = []
        stop = self.database.observer.subscribe(lambda record: sent.append(record.statement))
        cache = ResultCache.of(session, SUM)
        fold = Fold("sales", self.follow)
        total: int = (await cache.execute(session, SUM, fold=fold)).one()[0]
        stop()
        return total, sum("sales" in statement for statement in sent)


@pytest.fixture
async def sums(duckdb_database: Database) -> Following:
    """Return a kept sum of 1 and 2, which follows."""
    await duckdb_database.create(Sale, {"amount": 1})
    await duckdb_database.create(Sale, {"amount": 2})
    found = Following(duckdb_database)
    assert await found.read() == (3, 1)
    return found


async def test_it_follows_single_rows(sums: Following) -> None:
    await sums.database.create(Sale, {"amount": 10, "note": "left out"})
    created = await sums.read()
    async with sums.database.transaction() as session:
        sale = await session.get_one(Sale, 1)
        sale.amount = 5
        await session.flush()
        await session.delete(await session.get_one(Sale, 2))
        session.add(Sale(amount=100))
    changed = await sums.read()
    async with sums.database.transaction() as session:
        (await session.get_one(Sale, 1)).note = "nothing of it counts"
    unchanged = await sums.read()

    assert (created, changed, unchanged) == ((13, 0), (115, 0), (115, 0))
    assert sums.told[0] == (None, {"id": 3, "amount": 10})
    assert sums.told[-1] == ({"id": 1, "amount": 5}, {"id": 1, "amount": 5})
    assert len(sums.told) == 5


@pytest.mark.parametrize("attached", [False, True])
async def test_what_an_instance_has_not_seen_counts_as_it_is_stored(
    sums: Following, *, attached: bool
) -> None:
    async with sums.database.session() as session:
        sale = await session.get_one(Sale, 1)
        await session.commit()
        async with sums.database.transaction() as other:
            await other.execute(update(Sale).where(Sale.id == 1).values(amount=50))
        assert (await sums.read())[0] == 52
        if attached:
            session.expunge(sale)
            session.add(sale)
        sale.note = "seen before"
        await session.commit()

        assert await sums.read() == (52, 0)
        sale.amount = 7
        await session.commit()
        assert await sums.read() == (9, 0)
        assert sums.told[-1] == ({"id": 1, "amount": 50}, {"id": 1, "amount": 7})
        await session.delete(sale)
        await session.commit()
        assert await sums.read() == (2, 0)


async def test_moments_are_remembered_as_they_are_read(duckdb_database: Database) -> None:
    midnight = dt.datetime(2026, 3, 29, tzinfo=ZoneInfo("Europe/Berlin"))
    await duckdb_database.create(Visit, {"at": midnight})

    commits = commits_of(duckdb_database.engine.sync_engine.dialect)
    assert commits is not None
    cut = commits.rows("visits", 0)

    assert cut is not None
    assert repr(cut.rows[0].after) == repr({"at": midnight.astimezone(dt.UTC)})


async def test_it_follows_small_bulks(sums: Following) -> None:
    async with sums.database.transaction() as session:
        await bulk_create(session, Sale, [{"amount": 10}, {"amount": 20}])
        await bulk_update(session, Sale, [{"id": 1, "amount": 4}])
        await bulk_delete(session, Sale, [2])

    assert await sums.read() == (34, 0)


async def test_many_rows_are_asked_for(sums: Following) -> None:
    for _ in range(2):
        async with sums.database.transaction() as session:
            await bulk_create(session, Sale, [{"amount": 1}] * (MOST_ROWS // 2 + 1))

    assert await sums.read() == (3 + MOST_ROWS + 2, 1)
    async with sums.database.transaction() as session:
        await bulk_create(session, Sale, [{"amount": 1}] * (MOST_ROWS + 1))
    assert await sums.read() == (3 + 2 * MOST_ROWS + 3, 1)
    await sums.database.create(Sale, {"amount": 1})
    assert await sums.read() == (3 + 2 * MOST_ROWS + 4, 0)


async def test_many_rows_of_one_transaction_are_asked_for(sums: Following) -> None:
    async with sums.database.transaction() as session:
        session.add_all([Sale(amount=1) for _ in range(MOST_ROWS + 1)])

    assert await sums.read() == (3 + MOST_ROWS + 1, 1)


async def test_rows_that_a_statement_changed_are_asked_for(sums: Following) -> None:
    async with sums.database.transaction() as session:
        session.add(Sale(amount=10))
        await session.flush()
        await session.execute(update(Sale).values(amount=7))

    assert await sums.read() == (21, 1)


async def test_a_commit_that_fails_is_not_followed(sums: Following) -> None:
    dialect: Any = sums.database.engine.dialect
    commits = commits_of(dialect)
    assert commits is not None
    commits.begin(["sales"])
    under_way = await sums.read()
    commits.end({"sales": None})

    assert (under_way, await sums.read()) == ((3, 1), (3, 1))
    assert sums.told == []


async def test_a_change_of_another_table_is_asked_for(sums: Following) -> None:
    await sums.database.create(Shop, {"name": "corner"})
    await sums.database.create(Sale, {"amount": 10})

    assert await sums.read() == (13, 1)


async def test_what_cannot_be_told_is_asked_for(sums: Following) -> None:
    sums.knows = False
    await sums.database.create(Sale, {"amount": 10})

    assert await sums.read() == (13, 1)
    assert len(sums.told) == 1


async def test_others_are_asked_as_of_the_same_commit(sums: Following) -> None:
    sums.asks = True
    await sums.database.create(Sale, {"amount": 10})
    first = await sums.read()
    await sums.database.create(Sale, {"amount": 20})

    assert (first, await sums.read()) == ((13, 1), (33, 1))


async def test_others_are_not_asked_in_an_old_snapshot(sums: Following) -> None:
    sums.asks = True
    async with sums.database.session() as old:
        await old.execute(select(Shop.id))
        await sums.database.create(Sale, {"amount": 10})

        assert (await sums.read(old))[0] == 3
    assert (await sums.read())[0] == 13


async def test_a_result_that_may_have_a_later_commit_is_not_followed(sums: Following) -> None:
    async with sums.database.session() as old:
        await old.execute(select(Shop.id))
        await sums.database.create(Sale, {"amount": 10})
        sums.knows = False
        assert await sums.read(old) == (3, 1)
        sums.knows = True
    await sums.database.create(Sale, {"amount": 20})

    assert await sums.read() == (33, 1)


async def test_with_a_time_nothing_is_followed(sums: Following) -> None:
    async with sums.database.session() as session:
        fold = Fold("sales", sums.follow)
        await sums.database.cache.execute(session, SUM, ttl=60, fold=fold)
    await sums.database.create(Sale, {"amount": 10})
    async with sums.database.session() as session:
        found = await sums.database.cache.execute(session, SUM, ttl=60, fold=fold)

        assert found.scalar() == 13
    assert sums.told == []


async def test_postgresql_is_asked(postgres_url: str) -> None:
    async with Database(postgres_url) as database:
        await database.create(Sale, {"amount": 1})
        sums = Following(database)
        await sums.read()
        await database.create(Sale, {"amount": 2})

        assert (await sums.read())[0] == 3
        assert sums.told == []

        sent: list[str] = []
        stop = database.observer.subscribe(lambda record: sent.append(record.statement))
        async with database.transaction() as session:
            await bulk_update(session, Sale, [{"id": 1, "amount": 4}])
        stop()
        reads = [statement for statement in sent if statement.startswith("SELECT sales")]
        assert len(reads) == 1  # which keys are there, and not the rows as they are now


@pytest.mark.slow
async def test_nothing_follows_into_a_database_that_was_opened_anew(tmp_path: Path) -> None:
    async with Database(f"duckdb:///{tmp_path / 'sales.duckdb'}") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await database.create(Sale, {"amount": 1})
        sums = Following(database)
        assert await sums.read() == (1, 1)

        await database.engine.dispose()
        await database.create(Sale, {"amount": 2})

        assert await sums.read() == (3, 1)
        assert sums.told == []
