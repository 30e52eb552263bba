"""A bulk of a role that may make no temporary table sends its rows as arrays."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    ARRAY,
    Boolean,
    Date,
    Double,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Text,
    Time,
    Uuid,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import INT4RANGE, JSONB, Range
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.exceptions import DuplicateKey, ValueRefused
from andamios_orm.models import IntegerKeyMixin, Row, UTCDateTime, UUIDKeyMixin
from andamios_orm.models.checked import DOCUMENT
from andamios_orm.models.clock import now
from andamios_orm.repositories import GenericRepository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from andamios_orm import Session
    from andamios_orm.testing.lending import LentDatabases

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Base(Row, DeclarativeBase):
    """The table of these tests."""


class Plant(IntegerKeyMixin, Base):
    """A row with each kind of column that travels in a way of its own."""

    __tablename__ = "plants"

    name: Mapped[str] = mapped_column(String(20), unique=True)
    facts: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    colours: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    seen_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)


class Seed(UUIDKeyMixin, Base):
    """A row with arrays of each kind of item, and nothing that the database makes."""

    __tablename__ = "seeds"

    keys: Mapped[list[uuid.UUID] | None] = mapped_column(ARRAY(Uuid))
    texts: Mapped[list[str] | None] = mapped_column(ARRAY(String(20)))
    flags: Mapped[list[bool | None] | None] = mapped_column(ARRAY(Boolean))
    numbers: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    floats: Mapped[list[float] | None] = mapped_column(ARRAY(Double))
    amounts: Mapped[list[decimal.Decimal] | None] = mapped_column(ARRAY(Numeric(10, 2)))
    days: Mapped[list[dt.date] | None] = mapped_column(ARRAY(Date))
    moments: Mapped[list[dt.datetime] | None] = mapped_column(ARRAY(UTCDateTime))
    times: Mapped[list[dt.time] | None] = mapped_column(ARRAY(Time))
    spans: Mapped[list[dt.timedelta] | None] = mapped_column(ARRAY(Interval))
    pieces: Mapped[list[bytes] | None] = mapped_column(ARRAY(LargeBinary))
    facts: Mapped[list[Any] | None] = mapped_column(ARRAY(JSONB))
    notes: Mapped[list[Any] | None] = mapped_column(ARRAY(DOCUMENT))
    ranges: Mapped[list[Any] | None] = mapped_column(ARRAY(INT4RANGE))


ARRAYS: list[tuple[str, list[Any]]] = [
    ("keys", [uuid.uuid4(), uuid.uuid4()]),
    ("texts", ["a b", 'c"d', "{}", "NULL", ""]),
    ("flags", [True, None, False]),
    ("numbers", [-1, 2**31 - 1]),
    ("floats", [0.1, -1e300, float("inf")]),
    ("amounts", [decimal.Decimal("0.10"), decimal.Decimal("-12345678.90")]),
    ("days", [dt.date(1, 1, 1), dt.date(2024, 2, 29)]),
    ("moments", [now()]),
    ("times", [dt.time(23, 59, 59, 999_999)]),
    ("spans", [dt.timedelta(days=-3, seconds=5, microseconds=7), dt.timedelta(days=400)]),
    ("pieces", [b"", b"\x00\xff\\x"]),
    ("facts", ["a", 1, {"b": [None]}, "[]"]),
    ("notes", [{"a": 1}, None, {"b": "c"}]),
]


ROWS: list[dict[str, Any]] = [
    {"name": "oak", "facts": {"a": [1, None]}, "colours": ["a b", 'c"d', "{}"], "seen_at": now()},
    {"name": "ash", "facts": [[1], 2], "colours": ["a"], "seen_at": None},
    {"name": "elm", "facts": None, "colours": None, "seen_at": None},
    {"name": "fir", "facts": {}, "colours": [], "seen_at": now()},
]


@pytest.fixture
async def session(andamios_databases: LentDatabases) -> AsyncIterator[Session]:
    """Yield a session of a role that exists as long as the transaction does."""
    with andamios_databases.postgresql(Base.metadata) as database:
        async with database.session() as session:
            name = await session.scalar(text("SELECT current_database()"))
            for statement in (
                "CREATE ROLE andamios_test_limited",
                "GRANT ALL ON ALL TABLES IN SCHEMA public TO andamios_test_limited",
                "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO andamios_test_limited",
                f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC',
                "SET LOCAL ROLE andamios_test_limited",
            ):
                await session.execute(text(statement))
            yield session
            await session.rollback()


@pytest.fixture
def plants(session: Session) -> GenericRepository[Plant]:
    """Return the plants of the session."""
    return GenericRepository(session, Plant)


async def stored(plants: GenericRepository[Plant]) -> list[dict[str, Any]]:
    names = ("name", "facts", "colours", "seen_at")
    rows = await plants.query().order_by("id").all()
    return [{name: getattr(row, name) for name in names} for row in rows]


async def test_rows_arrive_as_they_were(plants: GenericRepository[Plant]) -> None:
    made = await plants.bulk_create(ROWS)

    assert await stored(plants) == ROWS
    assert len(made.ids) == 4


async def test_no_table_is_made_and_nothing_is_copied(
    session: Session, plants: GenericRepository[Plant]
) -> None:
    sent: list[str] = []
    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))

    await plants.bulk_create(ROWS)

    assert [statement for statement in sent if "CREATE" in statement] == []
    assert any("unnest(" in statement for statement in sent)


async def test_rows_are_changed_and_removed(plants: GenericRepository[Plant]) -> None:
    made = await plants.bulk_create(ROWS)
    oak, ash, elm, fir = made.ids

    changed = await plants.bulk_update([{"id": oak, "colours": ["x"]}, {"id": elm, "facts": {}}])
    upserted = await plants.bulk_upsert(
        [{"name": "fir", "facts": {"b": 1}}, {"name": "yew"}], match_fields=["name"]
    )
    removed = await plants.bulk_delete([elm, ash])

    assert (changed, removed) == (2, 2)
    assert (upserted.created, upserted.updated) == (1, 1)
    left = await stored(plants)
    assert [(row["name"], row["facts"], row["colours"]) for row in left] == [
        ("oak", {"a": [1, None]}, ["x"]),
        ("fir", {"b": 1}, []),
        ("yew", None, None),
    ]
    assert fir in {row.id for row in await plants.list()}


async def test_a_rule_that_is_broken_is_named(plants: GenericRepository[Plant]) -> None:
    with pytest.raises(DuplicateKey):
        await plants.bulk_create([{"name": "oak"}, {"name": "oak"}])


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("name", "items"), ARRAYS)
async def test_items_of_an_array_arrive_as_they_were(
    session: Session, name: str, items: list[Any]
) -> None:
    seeds = GenericRepository(session, Seed)

    made = await seeds.bulk_create([{name: items}, {name: []}, {name: None}])
    session.expunge_all()

    found = [getattr(await seeds.get(key), name) for key in made.ids]
    assert found == [items, [], None]


async def test_items_that_have_no_text_are_refused_with_a_remedy(session: Session) -> None:
    with pytest.raises(ValueRefused, match="GRANT TEMPORARY ON DATABASE"):
        await GenericRepository(session, Seed).bulk_create([{"ranges": [Range(1, 2)]}])


async def test_a_role_is_asked_about_once(session: Session) -> None:
    sent: list[str] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *given: sent.append(given[2]))

    await GenericRepository(session, Seed).bulk_create([{"numbers": [1]}])

    assert len([each for each in sent if "has_database_privilege" in each]) == 1
