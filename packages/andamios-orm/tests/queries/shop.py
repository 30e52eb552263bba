"""A small shop, for every test of queries on both databases."""

import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, JSON, BigInteger, Enum, ForeignKey, Numeric, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, synonym
from sqlalchemy.sql import ColumnElement

from andamios_orm.models import Row, SoftDeleteMixin, UTCDateTime


class Base(Row, DeclarativeBase):
    """The base of these tables."""

    __feed__ = False


class Size(enum.Enum):
    """A size, for a column of an enum."""

    SMALL = "small"
    LARGE = "large"


class Item(Base):
    """Something with a field of every kind."""

    __tablename__ = "items"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(200))
    note: Mapped[str | None]
    amount: Mapped[int | None]
    big: Mapped[int | None] = mapped_column(BigInteger)
    ratio: Mapped[float | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    active: Mapped[bool] = mapped_column(default=True)
    size: Mapped[Size | None] = mapped_column(Enum(Size, native_enum=False, length=20))
    made_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    made_on: Mapped[dt.date | None]
    code: Mapped[UUID | None]
    blob: Mapped[bytes | None]
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(String))
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    more: Mapped[dict[str, Any] | None] = mapped_column(JSON().with_variant(JSONB(), "postgresql"))
    token: Mapped[str | None] = mapped_column(info={"secret": True})
    title = synonym("name")
    parts: Mapped[list["Part"]] = relationship(back_populates="item", order_by="Part.id")

    @hybrid_property
    def double(self) -> int:
        """Twice the amount."""
        return (self.amount or 0) * 2

    @double.inplace.expression
    @classmethod
    def _double(cls) -> ColumnElement[int]:
        return cls.amount * 2  # type: ignore[return-value]  # NULL is left to the database


class Part(SoftDeleteMixin, Base):
    """A part of an item, which may be deleted softly."""

    __tablename__ = "parts"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"))
    name: Mapped[str]
    item: Mapped[Item] = relationship(back_populates="parts")


class Place(Base):
    """Something with a key of two columns."""

    __tablename__ = "places"
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    column: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int | None]
    weight: Mapped[float | None]


NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)


def items() -> list[Item]:
    """Return new items; what is not named is NULL."""
    return [
        Item(
            id=1, name="Alpha", note="50% off", amount=10, big=2**40, ratio=0.5,
            price=Decimal("1.50"), size=Size.SMALL, made_at=NOON, made_on=NOON.date(),
            code=UUID(int=1), blob=b"\x00\x01", tags=["red", "blue"],
            extra={"framework": {"name": "FastAPI"}, "score": 5, "list": ["x", 1], "ok": True},
            more={"a/b": {"x~y": "deep"}, "list": [1, 2.5]}, token="s3cret",  # noqa: S106
        ),
        Item(
            id=2, name="beta", note="under_score", amount=20, ratio=1.5, price=Decimal("2.50"),
            size=Size.LARGE, made_at=NOON + dt.timedelta(days=1),
            made_on=NOON.date() + dt.timedelta(days=1), tags=["red"], active=False,
            extra={"framework": {"name": "Django"}, "score": 7.5, "ok": False, "none": None},
            more={"$.a": "odd", "*": "star", "0": "zero"},
        ),
        Item(id=3, name="Gamma ray", amount=20, extra={"score": "5"}, tags=[]),
        Item(id=4, name="delta", note="path/to\\x", made_at=NOON + dt.timedelta(days=40)),
    ]  # fmt: skip


def parts() -> list[Part]:
    """Return new parts, the last of them deleted."""
    return [
        Part(id=1, item_id=1, name="screw"),
        Part(id=2, item_id=1, name="nut"),
        Part(id=3, item_id=2, name="screw", deleted_at=NOON),
    ]
