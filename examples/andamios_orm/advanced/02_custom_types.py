"""Columns that keep what they are given: money, documents, secrets, vectors, moments.

Shows ``Money``, ``PydanticJSON``, ``EncryptedString`` with a change of keys, ``Vector`` and
its distances, ``UTCDateTime`` and ``EnumByValue``, and a type of one's own.

Prints what each step found. Costs: encryption takes about 20 us a value; a distance is
computed for every row that is left after the other conditions.

Edge cases: floats are no money; a change inside of a document is noticed when it is assigned;
encrypted text can be neither compared nor sorted; vectors are kept in single precision.
"""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet
from pydantic import BaseModel
from sqlalchemy import Text, select, text, types
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, run
from andamios_orm.exceptions import DecryptionFailed, ValueRefused
from andamios_orm.models import (
    EncryptedString,
    EnumByValue,
    IntegerKeyMixin,
    Money,
    PydanticJSON,
    Row,
    UTCDateTime,
    Vector,
    rotate,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

KEYS = [Fernet.generate_key()]  # in an application: from its settings, by a function


class Size(enum.IntEnum):
    """Whole numbers are stored as such."""

    SMALL = 1
    LARGE = 2


class Options(BaseModel):
    """What a product can be made as."""

    colours: list[str] = []
    engraving: str | None = None


class Tags(types.TypeDecorator[frozenset[str]]):
    """A type of one's own: tags, stored as one line of text. It works as everywhere."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else " ".join(sorted(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> frozenset[str] | None:  # noqa: ARG002
        return None if value is None else frozenset(value.split())


class Base(Row, DeclarativeBase):
    """The base of this example."""


class Product(IntegerKeyMixin, Base):
    """One column of each kind."""

    __tablename__ = "products"

    price: Mapped[Decimal] = mapped_column(Money(12, 2))
    options: Mapped[Options] = mapped_column(PydanticJSON(Options))
    supplier: Mapped[str | None] = mapped_column(EncryptedString(lambda: KEYS))
    taste: Mapped[list[float] | None] = mapped_column(Vector(2))
    seen: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    size: Mapped[Size] = mapped_column(EnumByValue(Size), default=Size.SMALL)
    tags: Mapped[frozenset[str] | None] = mapped_column(Tags)


async def store(database: Database) -> None:
    """Dicts that fit are documents; lists are vectors; tags are sets."""
    async with database.transaction() as session:
        session.add_all(
            [
                Product(
                    price=Decimal("9.90"),
                    options=Options(colours=["red"]),
                    supplier="Ana & Co.",
                    taste=[1, 0],
                    seen=dt.datetime(2030, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))),
                    tags={"new", "sweet"},
                ),
                Product(price=12, options={"engraving": "E."}, taste=[0.5, 0.5], size=2),
            ]
        )
    async with database.session() as session:
        first, second = (await session.scalars(select(Product).order_by(Product.id))).all()
    print("money:", first.price, second.price)
    print("documents:", first.options, second.options)
    print("moments:", first.seen)
    print("members:", repr(second.size), "tags:", sorted(first.tags or ()))


async def refuse(database: Database) -> None:
    """What would be changed in silence is refused, with the column."""
    options = Options()
    for values in (
        {"price": 0.1 + 0.2},
        {"price": Decimal("0.005")},
        {"price": 1, "seen": dt.datetime(2030, 1, 1)},  # noqa: DTZ001 - that is the point
    ):
        try:
            async with database.transaction() as session:
                session.add(Product(options=options, **values))
        except ValueRefused as error:
            print("refused:", error)


async def change_a_document(database: Database) -> None:
    """A change is noticed when it is assigned."""
    async with database.transaction() as session:
        product = await session.get_one(Product, 1)
        product.options = product.options.model_copy(update={"engraving": "A."})
    async with database.session() as session:
        document: Any = Product.options
        query = select(Product.id).where(document["engraving"].as_string() == "A.")
        print("found by what is inside:", (await session.scalars(query)).all())


async def change_keys(database: Database) -> None:
    """The new key goes first; when all rows have it, the old one may go."""
    async with database.session() as session:
        stored = await session.scalar(text("SELECT supplier FROM products WHERE id = 1"))
    print("the database has:", f"{stored}"[:8] + "...")
    KEYS.insert(0, Fernet.generate_key())
    async with database.transaction() as session:
        print("encrypted anew:", await rotate(session, Product.supplier))
    old = KEYS.pop()
    async with database.session() as session:
        print("read:", await session.scalar(select(Product.supplier).where(Product.id == 1)))
    KEYS[:] = [old]
    async with database.session() as session:
        try:
            await session.scalar(select(Product.supplier).where(Product.id == 1))
        except DecryptionFailed as error:
            print("with the old key alone:", str(error).partition(";")[0])


async def find_the_nearest(database: Database) -> None:
    """Distances are ordinary expressions: they filter, sort and are selected."""
    taste: Any = Product.taste
    async with database.session() as session:
        distance = taste.cosine_distance([1.0, 0.9])
        nearest = await session.execute(select(Product.id, distance).order_by(distance).limit(1))
        number, far = nearest.one()
    print(f"nearest: {number}, {far:.4f} away")


async def main() -> None:
    """Use every kind of column once."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await store(database)
        await refuse(database)
        await change_a_document(database)
        await find_the_nearest(database)
        await change_keys(database)


if __name__ == "__main__":
    run(main())
