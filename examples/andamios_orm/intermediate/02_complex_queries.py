"""Filters to keep and combine, relations, aggregates, windows, and the query string of a list.

Shows ``Compare``, ``related``, ``search``, ``~ & |``, ``group_by`` with ``aggregate`` and
``having``, ``bucket``, windows, and ``QueryGrammar`` from text to rows.

Prints what each query finds. Costs: one statement each; a window reads its partition.

Edge cases: ``~filter`` keeps rows with NULL; a parameter that is not allowed is refused
with the list of those that are.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import DateTime, ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from andamios_orm import Database, Session, run
from andamios_orm.exceptions import UnknownField
from andamios_orm.queries import Compare, QueryBuilder, QueryGrammar, related, search
from andamios_orm.queries.aggregations import (
    avg,
    bucket,
    count,
    lag,
    median,
    moving_average,
    rank,
    row_number,
    running_sum,
    sum_,
)


class Base(DeclarativeBase):
    """The base of this example."""


class Customer(Base):
    """Somebody who buys."""

    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    city: Mapped[str | None]
    orders: Mapped[list[Order]] = relationship(back_populates="customer", lazy="raise")


class Order(Base):
    """What was bought."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    total: Mapped[int]
    placed_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    customer: Mapped[Customer] = relationship(back_populates="orders", lazy="raise")


async def fill(database: Database) -> None:
    """Store three customers with their orders."""
    start = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    async with database.transaction() as session:
        names = [("Ana", "Lima"), ("Ben", None), ("Cleo", "Quito")]
        session.add_all(
            Customer(id=at, name=name, city=city) for at, (name, city) in enumerate(names, 1)
        )
        await session.flush()
        session.add_all(
            Order(id=n, customer_id=n % 2 + 1, total=n * 10, placed_at=start + dt.timedelta(n * 9))
            for n in range(1, 7)
        )


async def filters(session: Session) -> None:
    """A filter is a value: keep it, combine it, use it for any statement."""
    lima: Compare[Customer] = Compare("city", "eq", "Lima")
    big = related(Customer.orders, Order.total >= 60)
    query = QueryBuilder(Customer, session).order_by("name")
    for title, found in (("in Lima", lima), ("not in Lima", ~lima), ("either", lima | big)):
        print(title, await query.filter(found).scalars(Customer.name))
    print("found", await query.filter(search("le", "name")).scalars(Customer.name))
    loaded = await query.load(Customer.orders).all()
    print("loaded", [len(customer.orders) for customer in loaded])


async def summaries(session: Session) -> None:
    """Groups, buckets of time, and windows."""
    query = QueryBuilder(Order, session)
    groups = query.group_by("customer_id").aggregate(n=count(), total=sum_("total"))
    print("groups", [tuple(row) for row in await groups.having(total__ge=100).all()])
    months = query.group_by(bucket("placed_at", "month")).aggregate(avg("total"), median("total"))
    print("months", [row[1:] for row in await months.order_by("month").all()])
    windows = query.order_by("id").window(
        position=row_number(partition_by="customer_id", order_by="-total"),
        rank=rank(order_by="-total"),
        sum=running_sum("total", order_by="id"),
        mean=moving_average("total", 3, order_by="id"),
        before=lag("total", default=0, order_by="id"),
    )
    for row in await windows.limit(3).all():
        print("window", row[0].id, tuple(row)[1:])


async def from_a_query_string(session: Session) -> None:
    """Only what is allowed can be asked for."""
    grammar = QueryGrammar(Order, fields={"total": ["ge", "lt"]}, sort=["total"], max_limit=10)
    asked = grammar.parse({"total__ge": "20", "sort": "-total", "limit": "2"})
    page = await asked.apply(QueryBuilder(Order, session)).page(asked.limit, asked.offset)
    print("asked", [order.total for order in page.items], "of", page.total)
    print("described", [parameter["name"] for parameter in grammar.openapi_parameters()])
    try:
        grammar.parse({"customer_id": "1"})
    except UnknownField as error:
        print("refused:", error)


async def main() -> None:
    """Run all of it."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await fill(database)
        async with database.session() as session:
            await filters(session)
            await summaries(session)
            await from_a_query_string(session)


if __name__ == "__main__":
    run(main())
