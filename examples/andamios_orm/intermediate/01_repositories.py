"""Repositories of one's own: questions with names, scopes, databases, analytics.

Shows a subclass with its own question, ``scope()``, ``loaded_by_key``, a repository on a
``Database``, several in one unit of work with retry, ``ReadOnlyRepository``,
``AnalyticsRepository`` and ``GenericRepository``.

Prints the answers. Costs: on a database every call is a transaction of its own, and
creates of concurrent tasks share a commit; on a session nothing is committed.

Edge cases: on a database a method needs ``@operation()`` to have a session; with retry
its hooks may run more than once; bulk methods refuse a repository with a scope.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase, Mapped

from andamios_orm import Database, Session, run
from andamios_orm.models import IntegerKeyMixin, Row, VersionMixin
from andamios_orm.queries.aggregations import count, sum_
from andamios_orm.repositories import (
    AnalyticsRepository,
    BaseRepository,
    GenericRepository,
    Point,
    ReadOnlyRepository,
    operation,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession


class Base(Row, DeclarativeBase):
    """The tables of this example."""


class Order(IntegerKeyMixin, VersionMixin, Base):
    """Something that was bought."""

    __tablename__ = "orders"

    customer: Mapped[str]
    total: Mapped[int]
    bought: Mapped[dt.datetime]


class Tally(IntegerKeyMixin, VersionMixin, Base):
    """How much was sold."""

    __tablename__ = "tallies"

    total: Mapped[int]


class OrderRepository(BaseRepository[Order]):
    """Orders, with a question of their own."""

    model = Order

    @operation()
    async def total_by_customer(self) -> dict[str, int]:
        """Return what each customer has spent."""
        spent = func.sum(Order.total)
        statement = select(Order.customer, spent).group_by(Order.customer).order_by(spent.desc())
        return {customer: int(total) for customer, total in await self.session.execute(statement)}


class OrdersOf(OrderRepository):
    """The orders of one customer: for it, there are no others."""

    def __init__(self, source: AsyncSession | Database, customer: str) -> None:
        super().__init__(source)
        self.customer = customer

    def scope(self) -> list[ColumnElement[bool]]:
        return [Order.customer == self.customer]


async def buy(database: Database, customer: str, total: int) -> int:
    """Store an order and count it: one unit of work, run again when another was faster."""

    async def work(session: Session) -> int:
        day = dt.datetime(2026, 5, 1 + total % 3, tzinfo=dt.UTC)
        orders, tallies = OrderRepository(session), GenericRepository(session, Tally)
        await orders.create({"customer": customer, "total": total, "bought": day})
        sold = (await tallies.get(1)).total + total
        await tallies.update(1, {"total": sold})
        return sold

    return await database.run_in_transaction(work, retry=20)


async def main() -> None:
    """Sell to many at once, and ask."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        tallies = GenericRepository(database, Tally)
        await tallies.create({"total": 0})
        await asyncio.gather(*(buy(database, "ana" if n % 2 else "eva", n) for n in range(10)))
        print("sold:", await buy(database, "eva", 0))

        orders = OrderRepository(database)  # each call has a transaction of its own
        print("by customer:", await orders.total_by_customer())
        ana = OrdersOf(database, "ana")
        print(
            "of ana:",
            await ana.count(),
            "- does order 1 exist for eva and ana:",
            [await OrdersOf(database, name).exists(id=1) for name in ("eva", "ana")],
        )

        reader = ReadOnlyRepository(database, Order)
        print("streamed:", sum([order.total async for order in reader.stream(total__ge=5)]))

        analytics = AnalyticsRepository(database, Order)
        print("grouped:", await analytics.grouped("customer", n=count(), spent=sum_("total")))
        series: list[Point] = await analytics.time_series("bought")
        print("by day:", [(point.time.day, point.value) for point in series])

        async with orders.transaction() as inner:  # several calls, one commit
            await inner.update_many([{"id": 1, "total": 100}, {"id": 2, "total": 200}])
        print("most:", [order.total for order in await orders.list(2, order_by="-total")])


if __name__ == "__main__":
    run(main())
