"""Which names and values a query takes, by the column they are compared with."""

import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Integer, Interval, LargeBinary, String, Uuid
from sqlalchemy.ext.associationproxy import association_proxy
from sqlalchemy.orm import Bundle, DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import JSON, NullType, TypeDecorator, UserDefinedType

from andamios_orm.exceptions import UnknownField, ValueRefused
from andamios_orm.models import EnumByValue, UTCDateTime
from andamios_orm.queries.fields import checked, field_of, find_field, python_type_of

pytestmark = pytest.mark.unit


class Level(enum.Enum):
    """How important something is."""

    LOW = "low"
    HIGH = "high"


class Cents(TypeDecorator[Decimal]):
    """An amount whose type in Python is not that of its column."""

    impl = Integer
    cache_ok = True

    @property
    def python_type(self) -> type[Any]:
        """Return what it takes."""
        return Decimal


class Doubled(TypeDecorator[int]):
    """A number that stays one."""

    impl = Integer
    cache_ok = True

    @property
    def python_type(self) -> type[Any]:
        """Return what it takes."""
        return int


class Untold(TypeDecorator[Any]):
    """Something of which nothing is known."""

    impl = NullType
    cache_ok = True


class Unsaid(TypeDecorator[Any]):
    """Something that does not say what it is in Python."""

    impl = NullType
    cache_ok = True

    @property
    def python_type(self) -> type[Any]:
        """Say nothing."""
        raise NotImplementedError


class Point(UserDefinedType[Any]):
    """A type that tells nothing of Python."""

    cache_ok = True


class Base(DeclarativeBase):
    """The models of these tests."""


class Thing(Base):
    """Has a column of many types."""

    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String)
    level: Mapped[Level] = mapped_column(EnumByValue(Level))
    cents: Mapped[Decimal] = mapped_column(Cents)
    doubled: Mapped[int] = mapped_column(Doubled)
    untold: Mapped[Any] = mapped_column(Untold)
    unsaid: Mapped[Any] = mapped_column(Unsaid)
    point: Mapped[Any] = mapped_column(Point)
    moment: Mapped[dt.datetime] = mapped_column(UTCDateTime)
    length: Mapped[dt.timedelta] = mapped_column(Interval)
    token: Mapped[UUID] = mapped_column(Uuid)
    code: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    blob: Mapped[bytes] = mapped_column(LargeBinary)
    extra: Mapped[Any] = mapped_column(JSON)
    names = association_proxy("name", "name")


NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
ONE = UUID(int=1)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("level", Level.LOW, Level.LOW),
        ("level", "high", Level.HIGH),
        ("cents", Decimal("1.5"), Decimal("1.5")),
        ("doubled", 2, 2),
        ("untold", object, object),
        ("point", (1, 2), (1, 2)),
        ("moment", NOON, NOON),
        ("length", dt.timedelta(1), dt.timedelta(1)),
        ("token", ONE, ONE),
        ("code", str(ONE), str(ONE)),
        ("code", ONE.hex, str(ONE)),
        ("code", ONE, str(ONE)),
        ("blob", b"x", b"x"),
        ("extra", None, None),
        ("doubled", Thing.id, Thing.id),
    ],
)
def test_a_value_is_taken_as_its_column_has_it(name: str, value: Any, expected: Any) -> None:
    assert (
        checked(field_of(Thing, name), value) is expected
        or checked(field_of(Thing, name), value) == expected
    )


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("level", "none", "known are low, high"),
        ("doubled", "2", "whole numbers"),
        ("moment", "now", "points in time"),
        ("moment", NOON.replace(tzinfo=None), "with a zone"),
        ("length", 1, "durations"),
        ("token", str(ONE), "UUIDs"),
        ("code", "x", "no UUID"),
        ("code", 1, "UUIDs"),
        ("blob", "x", "bytes"),
        ("extra", {}, r"json_path\(\)"),
    ],
)
def test_a_value_that_its_column_cannot_have_is_refused(name: str, value: Any, reason: str) -> None:
    with pytest.raises(ValueRefused, match=reason) as caught:
        checked(field_of(Thing, name), value)

    assert caught.value.column == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("level", Level),
        ("cents", Decimal),
        ("doubled", int),
        ("untold", None),
        ("unsaid", None),
        ("point", None),
    ],
)
def test_the_type_in_python_is_known_or_not(name: str, expected: type[Any] | None) -> None:
    assert python_type_of(field_of(Thing, name).type) is expected


def test_what_is_no_column_is_no_field() -> None:
    assert find_field(Thing, "names") is None
    odd: list[Any] = [7, Thing, Bundle("pair", Thing.id, Thing.name)]
    for each in odd:
        with pytest.raises(UnknownField, match="names no field"):
            field_of(Thing, each)
