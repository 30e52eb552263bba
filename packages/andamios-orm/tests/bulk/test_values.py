"""Values of every type, from Python and from Arrow, with pyarrow and without."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import importlib
import uuid
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Double,
    Enum,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    Sequence,
    SmallInteger,
    String,
    Uuid,
    func,
    select,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from andamios_orm import Database
from andamios_orm.bulk import arrow, bulk_create, bulk_delete, bulk_update
from andamios_orm.exceptions import BulkRefused, MissingExtra
from andamios_orm.models.base import Row
from andamios_orm.models.mixins import IntegerKeyMixin

pa: Any = importlib.import_module("pyarrow")

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The tables of these tests."""


class Thing(IntegerKeyMixin, Base):
    """A column of each type."""

    __tablename__ = "things"

    text: Mapped[str | None] = mapped_column(String(5))
    small: Mapped[int | None] = mapped_column(SmallInteger)
    whole: Mapped[int | None] = mapped_column(BigInteger)
    number: Mapped[float | None] = mapped_column(Double)
    exact: Mapped[decimal.Decimal | None] = mapped_column(Numeric(10, 2))
    loose: Mapped[decimal.Decimal | None] = mapped_column(Numeric)
    truth: Mapped[bool | None] = mapped_column(Boolean)
    day: Mapped[dt.date | None] = mapped_column(Date)
    local: Mapped[dt.datetime | None] = mapped_column(DateTime)
    instant: Mapped[dt.datetime | None]
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    token: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    items: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    document: Mapped[dict[str, Any] | None]
    span: Mapped[dt.timedelta | None] = mapped_column(Interval)


class Made(Base):
    """What only the database makes."""

    __tablename__ = "made"

    id: Mapped[int] = mapped_column(Sequence("made_numbers"), primary_key=True)
    text: Mapped[str]
    when: Mapped[dt.datetime] = mapped_column(default=func.now())
    label: Mapped[str] = mapped_column(default=lambda context: context.current_parameters["text"])
    note: Mapped[str | None] = mapped_column(server_default="said")


class Kind(enum.Enum):
    """What an odd thing is."""

    PLAIN = "plain"
    RARE = "rare"


class Spot(UserDefinedType[str]):
    """A type that only the model knows."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return what it is stored as."""
        return "VARCHAR(20)"

    def bind_expression(self, bindvalue: Any) -> Any:
        """Store it in lower case."""
        return func.lower(bindvalue, type_=self)


class Odd(Base):
    """Columns that do not travel as Arrow's, and keys that are not in a row."""

    __tablename__ = "odd"

    id: Mapped[int] = mapped_column(Sequence("odd_numbers", increment=2), primary_key=True)
    kind: Mapped[Kind | None] = mapped_column(Enum(Kind, native_enum=False, length=10))
    spot: Mapped[str | None] = mapped_column(Spot)
    number: Mapped[float | None] = mapped_column(Double)


class OnlyArray:
    """What hands out one batch of Arrow, and no stream."""

    def __init__(self, batch: Any) -> None:
        self.__arrow_c_array__ = batch.__arrow_c_array__


NOON = dt.datetime(2030, 1, 2, 12, tzinfo=dt.UTC)
VALUES: dict[str, Any] = {
    "text": "ñandú",
    "small": -7,
    "whole": 2**62,
    "number": 1.5,
    "exact": decimal.Decimal("12.34"),
    "loose": decimal.Decimal("12.5"),
    "truth": True,
    "day": dt.date(2030, 1, 2),
    "local": dt.datetime(2030, 1, 2, 3, 4, 5),  # noqa: DTZ001 - the column has no zone
    "instant": NOON,
    "raw": b"\0\xff",
    "token": uuid.UUID(int=7),
    "items": [1, 2],
    "document": {"x": [1]},
}
EMPTY = dict.fromkeys(VALUES)


async def _stored(database: Database) -> list[dict[str, Any]]:
    async with database.session() as session:
        things = await session.scalars(select(Thing).order_by(Thing.id))
        return [{name: getattr(thing, name) for name in VALUES} for thing in things]


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.mark.parametrize("with_pyarrow", [True, False])
async def test_python_s_values_arrive(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    with_pyarrow: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    monkeypatch.setattr(arrow, "has_pyarrow", lambda: with_pyarrow)

    rows = [VALUES, {**EMPTY, "document": {}}, {"text": "x", "document": {}}]
    async with database.transaction() as session:
        created = await bulk_create(session, Thing, rows)
        await bulk_update(
            session, Thing, [{"id": created.ids[2], "token": str(VALUES["token"]), "number": 1}]
        )
        await bulk_delete(session, Thing, [created.ids[1]])

    first, third = await _stored(database)
    assert first == VALUES
    assert (third["token"], third["number"]) == (VALUES["token"], 1.0)


async def test_what_arrow_cannot_say_travels_as_well(database: Database) -> None:
    span = dt.timedelta(days=1, seconds=2)

    async with database.transaction() as session:
        created = await bulk_create(session, Thing, [{"span": span}, {"number": float("nan")}])
        found = await session.scalar(select(Thing.span).where(Thing.id == created.ids[0]))
        number = await session.scalar(select(Thing.number).where(Thing.id == created.ids[1]))

    assert found == span
    assert number != number  # noqa: PLR0124 - only nan differs


async def test_arrow_s_columns_arrive(database: Database) -> None:
    types = {
        "text": pa.large_string(),
        "small": pa.int64(),
        "exact": pa.decimal128(5, 2),
        "loose": pa.decimal128(5, 2),
        "local": pa.timestamp("us"),
        "instant": pa.timestamp("ms", "Europe/Madrid"),
        "document": pa.string(),
    }
    values = {**VALUES, "document": '{"x":[1]}', "token": VALUES["token"].bytes}
    arrays = {name: pa.array([value, None], types.get(name)) for name, value in values.items()}
    arrays["token"] = pa.array([values["token"], None], pa.uuid())
    expected = {**VALUES, "document": {"x": [1]}}

    async with database.transaction() as session:
        created = await bulk_create(session, Thing, pa.table(arrays))

    assert await _stored(database) == [expected, EMPTY]
    assert created[0].local == VALUES["local"]


@pytest.mark.slow
async def test_columns_of_a_mapping_with_other_types_are_converted(database: Database) -> None:
    table = pa.table(
        {
            "text": pa.array(["a"]).dictionary_encode(),
            "number": pa.array([1]),
            "small": pa.array([2.0]),
            "exact": pa.array(["x"]),
        }
    ).drop_columns(["exact"])

    async with database.transaction() as session:
        await bulk_create(session, Thing, table)

    (stored,) = await _stored(database)
    assert (stored["text"], stored["number"], stored["small"]) == ("a", 1.0, 2)


@pytest.mark.parametrize(
    ("name", "array", "rows"),
    [
        ("text", pa.array(["a", "abcdef"]), [1]),
        ("text", pa.array([1, 2]), [0, 1]),
        ("small", pa.array([2**15, 1]), [0]),
        ("number", pa.array(["a", "b"]), [0, 1]),
        ("exact", pa.array([decimal.Decimal("1.234"), decimal.Decimal(1)]), [0]),
        ("exact", pa.array(["a", "b"]), [0, 1]),
        ("truth", pa.array(["a", "b"]), [0, 1]),
        ("local", pa.array([NOON, None]), [0]),
        ("day", pa.array(["a", "b"]), [0, 1]),
        ("raw", pa.array(["a", None]), [0]),
        ("token", pa.array(["no uuid", None]), [0]),
    ],
)
@pytest.mark.sampled(3)
async def test_what_does_not_fit_is_refused_by_row(
    database: Database, name: str, array: Any, rows: list[int]
) -> None:
    async with database.session() as session:
        with pytest.raises(BulkRefused) as refused:
            await bulk_create(session, Thing, pa.table({name: array}))

    assert [(error.row, error.field) for error in refused.value.errors] == [
        (row, name) for row in rows
    ]


async def test_text_of_arrow_that_is_no_json_is_refused(postgres_url: str) -> None:
    table = pa.table({"document": ["{}", "{"]})
    async with Database(postgres_url) as database, database.session() as session:
        with pytest.raises(BulkRefused, match="row 1, document: it has no JSON form") as refused:
            await bulk_create(session, Thing, table)

    assert repr(refused.value.errors[0].value) == "'{'"


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string()], ids=str)
async def test_documents_of_arrow_are_documents_everywhere(database: Database, type_: Any) -> None:
    table = pa.table({"document": pa.array(['{"a": [1]}', None, '"text"'], type_)})

    async with database.transaction() as session:
        created = await bulk_create(session, Thing, table)
    async with database.session() as session:
        stored = (await session.scalars(select(Thing).order_by(Thing.id))).all()

    expected = [{"a": [1]}, None, "text"]
    assert [thing.document for thing in created] == expected
    assert [thing.document for thing in stored] == expected


async def test_postgresql_s_text_holds_no_nul(postgres_url: str) -> None:
    async with Database(postgres_url) as database, database.session() as session:
        with pytest.raises(BulkRefused, match="row 1, text: PostgreSQL's text holds no NUL"):
            await bulk_create(session, Thing, [{"text": "a"}, {"text": "\0"}])


async def test_what_only_the_database_makes_is_there(database: Database) -> None:
    rows = [{"text": "a"}, {"text": "b", "label": "own", "note": None}, {"text": "c"}]

    async with database.transaction() as session:
        created = await bulk_create(session, Made, rows)
    async with database.session() as session:
        stored = (await session.scalars(select(Made).order_by(Made.id))).all()

    assert [made.id for made in stored] == created.ids
    assert [made.label for made in stored] == ["a", "own", "c"]
    assert [made.note for made in stored] == ["said", None, "said"]
    assert [made.note for made in created] == ["said", None, "said"]
    assert abs(created[0].when - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


async def test_arrow_columns_need_pyarrow(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table({"text": ["a"]})
    monkeypatch.setattr(arrow, "has_pyarrow", lambda: False)

    async with database.session() as session:
        with pytest.raises(MissingExtra, match=r"pip install 'andamios-orm\[arrow\]'"):
            await bulk_create(session, Thing, table)


@pytest.mark.slow
async def test_asyncpg_writes_the_same(postgres_url: str) -> None:
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    url = postgres_url.replace("+psycopg", "+asyncpg")
    if "+asyncpg" not in url:
        url = url.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url)
    async with AsyncSession(engine) as session:
        rows = [
            {"text": f"{number}", "document": {}, "token": uuid.uuid4()} for number in range(50)
        ]
        created = await bulk_create(session, Thing, rows)
        await bulk_update(session, Thing, [{"id": key, "small": 1} for key in created.ids])
        await bulk_delete(session, Thing, created.ids[:10])
        documents = pa.table({"text": ["last"], "document": ['{"x":[1]}']})
        await bulk_create(session, Thing, documents)
        await session.commit()
        found = (await session.execute(select(Thing.text, Thing.small).order_by(Thing.id))).all()
        last = await session.scalar(select(Thing.document).where(Thing.text == "last"))
    await engine.dispose()

    assert [tuple(row) for row in found[:-1]] == [(f"{number}", 1) for number in range(10, 50)]
    assert last == {"x": [1]}


@pytest.mark.parametrize("given", ["dicts", "Arrow"])
async def test_what_does_not_travel_as_arrow_arrives_too(database: Database, given: str) -> None:
    rows: list[dict[str, Any]] = [
        {"kind": "PLAIN", "spot": "Here", "number": 2**70},
        {"kind": "RARE", "spot": "There", "number": 1},
    ]
    if given == "Arrow":
        rows[0]["number"] = 2.0**70
    source: Any = rows if given == "dicts" else pa.Table.from_pylist(rows)

    async with database.transaction() as session:
        created = await bulk_create(session, Odd, source)
    async with database.session() as session:
        found = (await session.scalars(select(Odd).order_by(Odd.id))).all()

    assert [odd.id for odd in found] == list(created.ids)
    assert created.ids[1] - created.ids[0] == 2
    assert [(odd.kind, odd.spot, odd.number) for odd in found] == [
        (Kind.PLAIN, "here", 2.0**70),
        (Kind.RARE, "there", 1.0),
    ]


async def test_what_neither_arrow_nor_the_database_can_hold_is_refused(
    duckdb_database: Database,
) -> None:
    with pytest.raises(BulkRefused, match="items: the column holds whole numbers"):
        async with duckdb_database.transaction() as session:
            await bulk_create(session, Thing, [{"items": [[1]], "document": {}}])

    assert await _stored(duckdb_database) == []


async def test_one_batch_of_arrow_is_rows(database: Database) -> None:
    batch = OnlyArray(pa.record_batch({"text": ["a", "b"], "document": ["{}", "{}"]}))

    async with database.transaction() as session:
        await bulk_create(session, Thing, batch)

    assert [thing["text"] for thing in await _stored(database)] == ["a", "b"]


def test_a_column_of_arrow_is_a_sequence() -> None:
    column = arrow.ArrowColumn(pa.array([1, None, 3]), str)

    assert (len(column), column[0], column[1]) == (3, "1", None)
    assert column[1:].values() == [None, "3"]


@pytest.mark.parametrize(
    "texts",
    [
        ["a", "b", None, "a", *["b"] * 8],
        ["a", "b", None, "c"],
        [None] * 9,
        [],
    ],
    ids=["alike", "unlike", "nothing", "none"],
)
@pytest.mark.parametrize("of_chunks", [True, False])
def test_texts_of_arrow_are_what_they_were(texts: list[str | None], *, of_chunks: bool) -> None:
    array = pa.array(texts, pa.string())
    column = arrow.ArrowColumn(pa.chunked_array([array, array]) if of_chunks else array)

    assert column.values() == (texts * 2 if of_chunks else texts)


def test_texts_of_arrow_that_come_again_are_one_object() -> None:
    values = arrow.ArrowColumn(pa.array(["draft", "active"] * 9)).values()

    assert len(set(map(id, values))) == 2


def test_documents_of_arrow_that_come_again_are_one_object_unless_asked_for_as_ones_own() -> None:
    read: list[str] = []

    def document(text: str) -> dict[str, Any]:
        read.append(text)
        return {"of": text}

    column = arrow.ArrowColumn(pa.array(["a", None, "b"] * 20), document)

    values, own = column.values(), column.own_values()

    assert values == own == [{"of": "a"}, None, {"of": "b"}] * 20
    assert values[0] is values[3]
    assert own[0] is not own[3]
    assert len(read) == 2 + 40


def test_moments_and_what_is_the_same_throughout_are_arrow_as_before() -> None:
    moment = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    stamp = pa.timestamp("us", "UTC")

    for values, type_ in (
        ([moment, None, moment], stamp),
        ([moment] * 3, stamp),
        ([None] * 3, stamp),
        (["a"] * 3, pa.string()),
        ([[1]] * 3, pa.list_(pa.int64())),
    ):
        assert arrow.arrow_array(values, type_) == pa.array(values, type_)
