"""Ask a dashboard's questions once, until somebody writes.

Shows: cached queries and repositories, a commit that ends them, a sum that follows commits,
many who ask at once, a time for what nobody records, tenants, and statistics.

Prints how many queries have run for how many answers, and what the cache has done.

Costs: on DuckDB a hit runs nothing in the database; on PostgreSQL it asks one small
statement, or none with ``ttl=``. Results take memory, up to ``result_cache_size``.

Edge cases: a transaction that has written reads beside the cache; cached instances are
copies without a session; raw SQL is not seen, ``clear()`` follows it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped

from andamios_orm import Database, run
from andamios_orm.core import Fold
from andamios_orm.exceptions import QueryRefused
from andamios_orm.models import IntegerKeyMixin, Row
from andamios_orm.queries import QueryBuilder
from andamios_orm.queries.aggregations import sum_
from andamios_orm.repositories import BaseRepository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from andamios_orm.core import Ask, CacheStatistics, Follow, ResultCache
    from andamios_orm.models import WrittenRow


class Base(Row, DeclarativeBase):
    """The tables of this example."""


class Order(IntegerKeyMixin, Base):
    """What somebody has bought."""

    __tablename__ = "orders"
    __remembered__ = ("amount",)

    city: Mapped[str]
    amount: Mapped[int]


class Click(IntegerKeyMixin, Base):
    """So frequent that its changes are not recorded."""

    __tablename__ = "clicks"
    __feed__ = False


class Invoice(IntegerKeyMixin, Base):
    """Belongs to a tenant."""

    __tablename__ = "invoices"
    __tenant__ = "tenant"

    tenant: Mapped[str]


async def dashboard(database: Database) -> dict[str, int]:
    """Return the totals of each city, for everybody who looks."""
    async with database.session() as session:
        query = QueryBuilder(Order, session).group_by("city").aggregate(total=sum_("amount"))
        rows = await query.cached().all()
    return {row.city: row.total for row in rows}


async def added_up(
    rows: Sequence[tuple[int]], changes: Sequence[WrittenRow], _ask: Ask
) -> Sequence[tuple[int]]:
    """Return the sum of all amounts after changes, without a query."""
    [(total,)] = rows
    for before, after in changes:
        total += (after["amount"] if after else 0) - (before["amount"] if before else 0)
    return [(total,)]


async def total(database: Database) -> int:
    """Return the sum of all amounts, which follows each commit."""
    follow: Follow = added_up
    async with database.session() as session:
        statement = select(func.sum(Order.amount))
        found = await database.cache.execute(session, statement, fold=Fold("orders", follow))
        amount: int = found.scalar_one()
    return amount


async def in_a_transaction(database: Database) -> None:
    """Who has written sees what was written; the others do not, before it is committed."""
    orders = BaseRepository(database, Order)
    async with orders.transaction() as inner:
        await inner.create({"city": "Lugo", "amount": 1})
        here, elsewhere = await inner.cached().count(), await orders.cached().count()
    print("inside", here, "outside", elsewhere, "afterwards", await orders.cached().count())


async def what_nobody_records(database: Database) -> None:
    """A table without records takes a time."""
    clicks = BaseRepository(database, Click)
    try:
        await clicks.cached().count()
    except QueryRefused as error:
        print("refused:", str(error).partition(",")[0])
    print("clicks, up to a minute old:", await clicks.cached(ttl=60).count())


async def tenants(database: Database) -> None:
    """A tenant's result is nobody else's."""
    invoices = BaseRepository(database, Invoice)
    await invoices.add_many([{"tenant": "acme"}, {"tenant": "acme"}, {"tenant": "apex"}])
    for name in ("acme", "apex"):
        print(name, await invoices.cached(tenant=name).count(tenant=name))


async def raw_sql(database: Database, cache: ResultCache) -> None:
    """What leaves no record is followed by clear()."""
    statement = select(func.count()).select_from(Order)
    async with database.transaction() as session:
        await cache.execute(session, statement)
        await session.execute(text("DELETE FROM orders"))
    cache.clear()
    async with database.session() as session:
        print("orders left:", (await cache.execute(session, statement)).scalar_one())


async def main() -> None:
    """Ask, write, and ask again."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        orders = BaseRepository(database, Order)
        await orders.bulk_create([{"city": "Vigo", "amount": at} for at in range(1_000)])

        answers = await asyncio.gather(*(dashboard(database) for _ in range(50)))
        statistics: CacheStatistics = database.cache.statistics()
        print(len(answers), "answers,", statistics.misses, "query:", answers[0])

        print("sold:", await total(database))
        await orders.create({"city": "Lugo", "amount": 7})
        print("sold, told by what has changed:", await total(database))
        print("after a commit:", dict(sorted((await dashboard(database)).items())))

        await in_a_transaction(database)
        await what_nobody_records(database)
        await tenants(database)
        await raw_sql(database, database.cache)
        statistics = database.cache.statistics()
        print(f"hit rate {statistics.hit_rate:.0%},", statistics.stale, "stale")


if __name__ == "__main__":
    run(main())
