import dataclasses
import datetime as dt
import decimal
import enum
import hashlib
import uuid
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import JSON, Enum, LargeBinary, String, Table, TypeDecorator, Uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.core.records import LARGEST, Entity, plain
from andamios_orm.models import Row, UTCDateTime

pytestmark = pytest.mark.unit

DIALECT: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's


class Colour(enum.Enum):
    """A colour."""

    RED = "r"


class Size(enum.IntEnum):
    """A number that is an enum."""

    LARGE = 3


@dataclasses.dataclass
class Point:
    """A point."""

    x: int


class Box(BaseModel):
    """A box."""

    at: dt.date


class Array:
    """What numpy's arrays look like."""

    def tolist(self) -> list[int]:
        """Return a list."""
        return [1, 2]


class Shout(TypeDecorator[str]):
    """Text in capitals, in the database."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Return what is stored."""
        return None if value is None else value.upper()


class Louder(TypeDecorator[str]):
    """A decorator of a decorator."""

    impl = Shout
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Return what is stored."""
        return None if value is None else f"{value}!"


class Hidden(TypeDecorator[str]):
    """A type that is secret."""

    impl = String
    cache_ok = True
    secret = True


class Base(Row, DeclarativeBase):
    """The base of these tests."""


class Thing(Base):
    """One with a column of each kind."""

    __tablename__ = "things"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    colour: Mapped[Colour | None] = mapped_column(Enum(Colour))
    loud: Mapped[str | None] = mapped_column(Louder)
    at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    options: Mapped[Any] = mapped_column(JSON)
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    hidden: Mapped[str | None] = mapped_column(Hidden)
    password: Mapped[str | None] = mapped_column("pw", String, info={"secret": True})


def entity() -> Entity:
    found = Entity.of(Thing)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        (True, True),
        ("a", "a"),
        (7, 7),
        (2**63, str(2**63)),
        (Size.LARGE, 3),
        (Colour.RED, "r"),
        (1.5, 1.5),
        (float("inf"), "inf"),
        (decimal.Decimal("1.10"), "1.10"),
        (
            dt.datetime(2024, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "2024-01-01T10:00:00+00:00",
        ),
        (dt.datetime(2024, 1, 1, 12), "2024-01-01T12:00:00"),  # noqa: DTZ001 - a naive one
        (dt.date(2024, 1, 1), "2024-01-01"),
        (dt.time(12, 30), "12:30:00"),
        (dt.timedelta(minutes=1), 60.0),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"ab", {"$bytes": "YWI="}),
        ([1, (2, {3})], [1, [2, [3]]]),
        ({1: Colour.RED}, {"1": "r"}),
        (Point(1), {"x": 1}),
        (Box(at=dt.date(2024, 1, 1)), {"at": "2024-01-01"}),
        (Array(), [1, 2]),
        (Point, str(Point)),
    ],
)
def test_every_value_becomes_json(value: Any, stored: Any) -> None:
    assert plain(value) == stored


def test_values_are_kept_as_the_database_stores_them() -> None:
    moment = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)

    stored = entity().stored(
        {"colour": Colour.RED, "loud": "hey", "at": moment, "options": {"a": [1]}}, DIALECT
    )

    assert stored == {
        "colour": "RED",
        "loud": "HEY!",
        "at": "2024-01-01T00:00:00+00:00",
        "options": {"a": [1]},
    }
    assert entity().stored({"colour": None, "loud": None}, DIALECT) == {
        "colour": None,
        "loud": None,
    }


def test_secret_columns_are_never_kept() -> None:
    stored = entity().stored({"hidden": "x", "password": "y", "raw": None}, DIALECT)

    assert stored == {"raw": None}


@pytest.mark.parametrize("name", ["loud", "raw", "options"])
def test_large_values_are_kept_as_size_and_hash(name: str) -> None:
    values: dict[str, tuple[Any, bytes]] = {
        "loud": ("Ä" * LARGEST, ("Ä" * LARGEST + "!").encode()),
        "raw": (b"x" * (LARGEST + 1), b"x" * (LARGEST + 1)),
        "options": (["x" * LARGEST], b'["' + b"x" * LARGEST + b'"]'),
    }
    value, raw = values[name]

    stored = entity().stored({name: value}, DIALECT)[name]

    assert stored == {"$size": len(raw), "$sha256": hashlib.sha256(raw).hexdigest()}


@pytest.mark.parametrize("name", ["loud", "options"])
def test_values_at_the_limit_are_kept(name: str) -> None:
    value = "X" * (LARGEST // 2)

    stored = entity().stored({name: value if name == "loud" else [value]}, DIALECT)[name]

    assert stored == (f"{value}!" if name == "loud" else [value])


def test_a_key_is_text() -> None:
    key = uuid.UUID(int=7)

    assert entity().key_text(key, DIALECT) == str(key)
    assert entity().key_of({"id": key}, DIALECT) == str(key)


def test_a_table_without_a_model_is_recorded_by_its_name() -> None:
    table = Thing.__table__
    assert isinstance(table, Table)

    found = Entity.of(table)

    assert found is not None
    assert (found.name, found.history, found.tenant_name) == ("things", False, None)
    assert "pw" not in found.columns


def test_what_a_model_is_to_the_feed_is_found_out_once() -> None:
    assert Entity.of(Thing) is Entity.of(Thing)
