"""Values of our types come back as they went in, by every way in, on both databases."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pydantic
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.exceptions import ConfigurationError, ValueRefused
from andamios_orm.models import (
    EnumByValue,
    IntegerKeyMixin,
    Money,
    PydanticJSON,
    Row,
    UTCDateTime,
    Vector,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Status(enum.Enum):
    """Text values."""

    ACTIVE = "active"
    GONE = "it's gone"


class Level(enum.IntEnum):
    """Whole numbers."""

    LOW = 1
    HIGH = 2**40


class Part(pydantic.BaseModel):
    """Inside of options."""

    model_config = pydantic.ConfigDict(strict=True)

    at: dt.datetime
    weight: Decimal = Decimal(1)


class Options(pydantic.BaseModel):
    """A document with an alias."""

    theme: str = pydantic.Field(default="dark", alias="colourTheme")
    parts: list[Part] = []
    note: str | None = None


class Base(Row, DeclarativeBase):
    """The base of these tables."""


class Thing(IntegerKeyMixin, Base):
    """One column of each type; annotated ones come from the map of the base."""

    __tablename__ = "things"
    at: Mapped[dt.datetime | None]
    status: Mapped[Status | None]
    level: Mapped[Level | None] = mapped_column(EnumByValue(Level))
    price: Mapped[Decimal | None] = mapped_column(Money(12, 2))
    exact: Mapped[Decimal | None]
    options: Mapped[Options | None] = mapped_column(PydanticJSON(Options))
    numbers: Mapped[list[int] | None] = mapped_column(PydanticJSON(list[int]))
    vector: Mapped[list[float] | None] = mapped_column(Vector(3))


NOW = dt.datetime(2030, 5, 6, 7, 8, 9, 123456, tzinfo=dt.UTC)
OPTIONS = Options(colourTheme="light", parts=[Part(at=NOW, weight=Decimal("0.10"))])

# Of each attribute two values, of which the first sorts before the other.
VALUES: dict[str, tuple[Any, Any]] = {
    "at": (dt.datetime(1, 1, 1, tzinfo=dt.UTC), NOW),
    "status": (Status.ACTIVE, Status.GONE),
    "level": (Level.LOW, Level.HIGH),
    "price": (Decimal("-9999999999.99"), Decimal("0.10")),
    "exact": (Decimal("0.0000000001"), Decimal(1234567890123456789012345678)),
    "options": (Options(), OPTIONS),
    "numbers": ([], [1, 2]),
    "vector": ([-1.5, 0.0, 2.25], [1.0, 2.0, 3.0]),
}
LOW = {name: low for name, (low, _) in VALUES.items()}
HIGH = {name: high for name, (_, high) in VALUES.items()}
NULL = dict.fromkeys(VALUES)


@pytest.fixture
def metadata() -> sa.MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def tables(database: Database) -> Database:
    """Return a database with the table above."""
    return database


async def read(database: Database, name: str) -> list[Any]:
    """Return the column, in the order of insertion."""
    async with database.session() as session:
        query = sa.select(getattr(Thing, name)).order_by(Thing.id)
        return list((await session.scalars(query)).all())


async def read_all(database: Database) -> list[dict[str, Any]]:
    """Return all rows, in the order of insertion."""
    columns = [getattr(Thing, name) for name in VALUES]
    async with database.session() as session:
        rows = await session.execute(sa.select(*columns).order_by(Thing.id))
        return list(map(dict, rows.mappings()))


async def test_a_flush_keeps_values(tables: Database) -> None:
    async with tables.transaction() as session:
        session.add(one := Thing(**LOW))
        await session.flush()
        session.add_all([Thing(**HIGH), Thing(**NULL), Thing()])
        await session.flush()
        for name, value in HIGH.items():
            setattr(one, name, value)

    assert await read_all(tables) == [HIGH, HIGH, NULL, NULL]


async def test_statements_keep_values(tables: Database) -> None:
    async with tables.transaction() as session:
        await session.execute(sa.insert(Thing).values(LOW))
        await session.execute(sa.insert(Thing), [HIGH, NULL, LOW])
        await session.execute(sa.insert(Thing).values([LOW, HIGH]))
        await session.execute(sa.update(Thing).where(Thing.id == 1).values(HIGH))

    assert await read_all(tables) == [HIGH, HIGH, NULL, LOW, LOW, HIGH]


async def test_many_rows_keep_values(tables: Database) -> None:
    rows = [LOW, NULL, HIGH] * 50

    async with tables.engine.begin() as connection:
        table: Any = Thing.__table__
        await connection.execute(sa.insert(table), rows)

    assert await read_all(tables) == rows


@pytest.mark.slow
async def test_rows_are_found_and_sorted_by_values(tables: Database) -> None:
    async with tables.transaction() as session:
        await session.execute(sa.insert(Thing), [HIGH, LOW, NULL])
    found = {}

    async with tables.session() as session:
        for name, (low, high) in VALUES.items():
            column = getattr(Thing, name)
            conditions = (column == high, column != high, column.is_(None), column.in_([low]))
            queries = [sa.select(Thing.id).where(condition) for condition in conditions]
            queries.append(sa.select(Thing.id).where(column.is_not(None)).order_by(column))
            found[name] = [(await session.scalars(query)).all() for query in queries]

    for name in ("options", "numbers"):
        found[name][-1] = [2, 1]  # the order of documents means nothing
    assert found == {name: [[1], [2], [3], [2], [2, 1]] for name in VALUES}


async def test_the_columns_are_no_difference_to_alembic(tables: Database) -> None:
    def differences(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    async with tables.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


AWARE = dt.timezone(dt.timedelta(hours=14))

REFUSED: list[tuple[str, Any, str]] = [
    ("at", dt.datetime(2030, 1, 1), "no time zone"),  # noqa: DTZ001 - that is the point
    ("at", "2030-01-01", "pass an aware datetime"),
    ("at", dt.date(2030, 1, 1), "pass an aware datetime"),
    ("at", dt.datetime(1, 1, 1, tzinfo=AWARE), "its year is outside of 1 to 9999"),
    ("status", "gone", "Status has only 'active', \"it's gone\""),
    ("status", Level.LOW, "Status has only"),
    ("level", 7, "Level has only 1, 1099511627776"),
    ("price", 1.5, "pass a Decimal or an int"),
    ("price", True, "pass a Decimal or an int"),
    ("price", "1.50", "pass a Decimal or an int"),
    ("price", Decimal("NaN"), "finite numbers"),
    ("price", Decimal("-Infinity"), "finite numbers"),
    ("price", Decimal("0.005"), "more than 2 places"),
    ("price", Decimal("1E-9999999"), "more than 2 places"),
    ("price", Decimal("1E+9999999"), "more than 10 digits before the point"),
    ("price", 10**10, "more than 10 digits before the point"),
    ("options", {"parts": [{}]}, "no Options: parts.0.at: Field required"),
    ("options", 7, "no Options: "),
    ("options", Options(note="\ud800"), "no JSON form"),
    ("numbers", ["x"], r"no list\[int\]: 0: "),
    ("vector", [1.0, 2.0], "vectors of 3 numbers"),
    ("vector", "abc", "pass a list"),
    ("vector", [1.0, 2.0, "3"], "pass numbers"),
    ("vector", [1.0, 2.0, None], "pass numbers"),
    ("vector", [1.0, 2.0, float("nan")], "not finite"),
    ("vector", [1.0, 2.0, 1e39], "not finite"),
]


@pytest.fixture(scope="module", params=["duckdb", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> sa.Dialect:
    """Return the dialect of each system, without a database."""
    url = {"duckdb": "duckdb://", "postgresql": "postgresql+psycopg://"}
    return sa.create_engine(url[request.param]).dialect


@pytest.mark.parametrize(("name", "value", "reason"), REFUSED)
def test_what_would_be_changed_is_refused_with_its_column(
    dialect: sa.Dialect, name: str, value: Any, reason: str
) -> None:
    table: Any = Thing.__table__
    compiled: Any = sa.insert(table).values({name: value}).compile(dialect=dialect)

    with pytest.raises(ValueRefused, match=reason) as caught:
        compiled._bind_processors[name](value)

    assert caught.value.column == name


async def test_a_flush_refuses_before_anything_is_stored(tables: Database) -> None:
    async def store() -> None:
        async with tables.transaction() as session:
            session.add(Thing(price=1.5))

    with pytest.raises(ValueRefused, match=r"column 'price': 1\.5 is refused"):
        await store()

    assert await read(tables, "price") == []


async def test_one_of_many_is_refused_with_its_column(tables: Database) -> None:
    async def store() -> None:
        async with tables.transaction() as session:
            rows: list[dict[str, Any]] = [{"price": 1}, {"price": Decimal("0.001")}]
            await session.execute(sa.insert(Thing), rows)

    with pytest.raises(ValueRefused) as caught:
        await store()

    assert (caught.value.column, caught.value.value) == ("price", Decimal("0.001"))


# ---- moments -----------------------------------------------------------------


async def test_a_moment_of_any_zone_is_the_same_moment(tables: Database) -> None:
    there = NOW.astimezone(AWARE)
    async with tables.transaction() as session:
        session.add(Thing(at=there))

    (found,) = await read(tables, "at")

    assert found == there
    assert found.tzinfo is dt.UTC


async def test_moments_are_computed_with(tables: Database) -> None:
    async with tables.transaction() as session:
        session.add(Thing(at=NOW))
    day = dt.timedelta(days=1)

    async with tables.session() as session:
        query = sa.select(Thing.at + day, Thing.at - day).where(Thing.at - day < NOW)
        found = (await session.execute(query)).one()

    assert tuple(found) == (NOW + day, NOW - day)


async def test_a_moment_beyond_pythons_calendar_stays_text(duckdb_database: Database) -> None:
    query = sa.select(sa.literal_column("TIMESTAMPTZ '12345-01-01 00:00:00+00'", UTCDateTime()))

    async with duckdb_database.session() as session:
        found: Any = (await session.scalars(query)).one()

    assert str(found).startswith("12345-01-01")


async def test_asyncpg_s_first_moment_is_in_utc(postgres_url: str) -> None:
    url = postgres_url.replace("+psycopg", "+asyncpg")
    query = sa.select(sa.literal_column("TIMESTAMPTZ '-infinity'", UTCDateTime()))

    async with Database(url) as database, database.session() as session:
        found = (await session.scalars(query)).one()

    assert found == dt.datetime.min.replace(tzinfo=dt.UTC)


# ---- enums -------------------------------------------------------------------


async def test_a_member_may_be_given_by_its_value(tables: Database) -> None:
    async with tables.transaction() as session:
        session.add(Thing(status="active", level=1))
    async with tables.session() as session:
        query = sa.select(Thing).where(Thing.status == "active", Thing.level == 1)
        found = (await session.scalars(query)).one()

    assert (found.status, found.level) == (Status.ACTIVE, Level.LOW)


async def test_a_value_that_someone_else_stored_is_named(tables: Database) -> None:
    async with tables.transaction() as session:
        await session.execute(sa.text("INSERT INTO things (status) VALUES ('new')"))

    with pytest.raises(ValueRefused, match="'status': 'new' is refused: it is stored, but"):
        await read(tables, "status")


def test_values_of_two_kinds_are_refused() -> None:
    mixed = enum.Enum("mixed", {"A": 1, "B": "b"})

    with pytest.raises(ConfigurationError, match="mixed: give all members text"):
        EnumByValue(mixed)


# ---- money -------------------------------------------------------------------


async def test_money_comes_back_with_all_its_places(tables: Database) -> None:
    async with tables.transaction() as session:
        given = [7, Decimal("1E+3"), Decimal("0.1"), Decimal("-0.0"), Decimal("2.500"), 0]
        await session.execute(sa.insert(Thing), [{"price": price} for price in given])

    found = await read(tables, "price")

    assert list(map(str, found)) == ["7.00", "1000.00", "0.10", "0.00", "2.50", "0.00"]


async def test_the_precision_of_the_context_does_not_matter(tables: Database) -> None:
    with decimal.localcontext(decimal.Context(prec=3)):
        async with tables.transaction() as session:
            session.add(Thing(price=Decimal("12345.67"), exact=Decimal("12345.678901")))

    assert await read(tables, "price") == [Decimal("12345.67")]
    assert await read(tables, "exact") == [Decimal("12345.678901")]


async def test_money_is_compared_with_more_places_and_summed(tables: Database) -> None:
    async with tables.transaction() as session:
        await session.execute(sa.insert(Thing), [{"price": 1}, {"price": 2}])

    async with tables.session() as session:
        total = await session.scalar(
            sa.select(sa.func.sum(Thing.price)).where(Thing.price > Decimal("0.999"))
        )
        twice = await session.scalar(sa.select(Thing.price * 2).where(Thing.price == 2))

    assert (total, twice) == (Decimal("3.00"), Decimal("4.00"))


async def test_money_is_not_compared_with_a_float(tables: Database) -> None:
    async with tables.session() as session:
        with pytest.raises(ValueRefused, match="pass a Decimal or an int"):
            await session.execute(sa.select(Thing.id).where(Thing.price > 1.5))


# ---- documents ---------------------------------------------------------------


async def test_a_dict_that_fits_is_taken_for_an_instance(tables: Database) -> None:
    async with tables.transaction() as session:
        session.add_all([Thing(options={"colourTheme": "a"}), Thing(options={"theme": "b"})])

    found = await read(tables, "options")

    assert found == [Options(colourTheme="a"), Options(colourTheme="b")]


async def test_the_inside_of_a_document_is_asked_for(tables: Database) -> None:
    async with tables.transaction() as session:
        session.add_all([Thing(options=OPTIONS), Thing(options=Options())])

    async with tables.session() as session:
        document: Any = Thing.options
        query = sa.select(Thing.id).where(document["theme"].as_string() == "light")
        found = (await session.scalars(query)).all()

    assert found == [1]


async def test_a_change_is_noticed_when_it_is_assigned(tables: Database) -> None:
    async with tables.transaction() as session:
        session.add(Thing(options=OPTIONS))
    async with tables.transaction() as session:
        thing = await session.get_one(Thing, 1)
        assert thing.options is not None
        thing.options.note = "in place"
        assert not session.dirty
        thing.options = thing.options.model_copy(update={"note": "assigned"})

    (found,) = await read(tables, "options")

    assert found.note == "assigned"


async def test_a_document_of_another_model_is_named(tables: Database) -> None:
    async with tables.transaction() as session:
        await session.execute(sa.text("INSERT INTO things (numbers) VALUES ('[\"x\"]')"))

    with pytest.raises(ValueRefused, match=r"'numbers': .* it is stored, but no list\[int\]: 0: "):
        await read(tables, "numbers")


def test_bytes_that_json_has_no_form_for_are_refused() -> None:
    with pytest.raises(ValueRefused, match=r"it is no bytes: .*utf-8"):
        PydanticJSON(bytes).process_bind_param(b"\xff", sa.create_engine("duckdb://").dialect)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
async def test_a_number_that_json_has_not_is_refused(tables: Database, value: float) -> None:
    class Own(Row, DeclarativeBase): ...

    class Weight(IntegerKeyMixin, Own):
        __tablename__ = "weights"
        weights: Mapped[list[float]] = mapped_column(PydanticJSON(list[float]))

    async with tables.engine.begin() as connection:
        await connection.run_sync(Own.metadata.create_all)

    async def store() -> None:
        async with tables.transaction() as session:
            session.add(Weight(weights=[value]))

    with pytest.raises(ValueRefused, match=r"'weights': .*neither NaN nor infinities"):
        await store()


# ---- any values --------------------------------------------------------------


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """Yield a blocking engine with the table above."""
    engine = sa.create_engine(url.replace("+asyncpg", "+psycopg"))
    yield engine
    engine.dispose()


MOMENTS = st.datetimes(
    min_value=dt.datetime(2, 1, 1),  # noqa: DTZ001 - the zone is the strategy's
    max_value=dt.datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([dt.UTC, AWARE, dt.timezone(dt.timedelta(minutes=-61))]),
)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
SINGLE = st.floats(width=32, allow_nan=False, allow_infinity=False)
ROWS = st.fixed_dictionaries(
    {
        "at": st.none() | MOMENTS,
        "status": st.none() | st.sampled_from(Status),
        "level": st.none() | st.sampled_from(Level),
        "price": st.none() | st.decimals(-(10**9), 10**9, places=2),
        "exact": st.none() | st.decimals(-(10**27), 10**27, places=10),
        "options": st.none()
        | st.builds(
            Options,
            colourTheme=TEXT,
            note=st.none() | TEXT,
            parts=st.lists(
                st.builds(Part, at=MOMENTS, weight=st.decimals(-99, 99, places=3)), max_size=2
            ),
        ),
        "numbers": st.none() | st.lists(st.integers(-(2**63), 2**63 - 1)),
        "vector": st.none() | st.lists(SINGLE, min_size=3, max_size=3),
    }
)


@pytest.mark.slow
def test_any_values_come_back_as_they_went_in(engine: sa.Engine) -> None:
    table: Any = Thing.__table__
    columns = [column for column in table.c if column.name != "id"]

    @settings(
        max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(rows=st.lists(ROWS, min_size=1, max_size=5))
    def round_trip(rows: list[dict[str, Any]]) -> None:
        with engine.begin() as connection:
            connection.execute(sa.delete(table))
            connection.execute(sa.insert(table), rows)
            found = connection.execute(sa.select(*columns).order_by(table.c.id)).mappings().all()

        assert list(map(dict, found)) == rows

    round_trip()
