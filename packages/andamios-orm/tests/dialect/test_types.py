# ruff: noqa: ARG002  # the signatures are SQLAlchemy's
from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from duckdb_sqlalchemy import datatypes as duckdb_types
from duckdb_sqlalchemy.datatypes import FixedArray, Map, Struct, TimeNs, TimestampNs, Union, VarInt
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    JSON,
    REAL,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PickleType,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    TypeDecorator,
    Unicode,
    Uuid,
    cast,
    create_engine,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
)
from sqlalchemy.dialects import postgresql

import andamios_orm  # noqa: F401  # it registers the dialect
from andamios_orm.dialect.binds import bind_column
from andamios_orm.dialect.types import decode_json, duckdb_type, encode_documents, encode_json
from andamios_orm.exceptions import ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.types import TypeEngine

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Colour(enum.Enum):
    """An enumeration whose names and values differ."""

    RED = 1
    GREEN = 2


class Reversed(TypeDecorator[str]):
    """A type that stores other text than it is given."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """Store it backwards."""
        return value and value[::-1]

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        """Turn it round again."""
        return value and value[::-1]


class Twice(TypeDecorator[str]):
    """A decorator around another."""

    impl = Reversed
    cache_ok = True


def between(low: int, bits: int) -> st.SearchStrategy[int]:
    return st.integers(low, low + 2**bits - 1)


offsets = st.integers(-15 * 3600 - 3599, 15 * 3600 + 3599).map(
    lambda seconds: dt.timezone(dt.timedelta(seconds=seconds))
)
long_ago, far_off = dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31)  # noqa: DTZ001
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)

SCALARS: dict[str, tuple[TypeEngine[Any], st.SearchStrategy[Any]]] = {
    "tinyint": (duckdb_types.TinyInteger(), between(-(2**7), 8)),
    "smallint": (SmallInteger(), between(-(2**15), 16)),
    "integer": (Integer(), between(-(2**31), 32)),
    "bigint": (BigInteger(), between(-(2**63), 64)),
    "hugeint": (duckdb_types.HugeInteger(), between(-(2**127), 128)),
    "utinyint": (duckdb_types.UTinyInteger(), between(0, 8)),
    "uint8": (duckdb_types.UInt8(), between(0, 8)),
    "usmallint": (duckdb_types.USmallInteger(), between(0, 16)),
    "uint16": (duckdb_types.UInt16(), between(0, 16)),
    "uinteger": (duckdb_types.UInteger(), between(0, 32)),
    "uint32": (duckdb_types.UInt32(), between(0, 32)),
    "ubigint": (duckdb_types.UBigInteger(), between(0, 64)),
    "uint64": (duckdb_types.UInt64(), between(0, 64)),
    "uhugeint": (duckdb_types.UHugeInteger(), between(0, 128)),
    "bignum": (VarInt(), st.integers() | between(-(2**199), 200)),
    "decimal": (Numeric(10, 2), st.decimals(-(10**8) + 1, 10**8 - 1, places=2)),
    "decimal38": (Numeric(38, 10), st.decimals(-(10**28) + 1, 10**28 - 1, places=10)),
    "numeric": (Numeric(), st.decimals(-(10**15) + 1, 10**15 - 1, places=3)),
    "whole": (Numeric(20), st.integers(-(10**20) + 1, 10**20 - 1).map(Decimal)),
    "double": (Double(), st.floats()),
    "float": (Float(), st.floats()),
    "real": (REAL(), st.floats(width=32)),
    "boolean": (Boolean(), st.booleans()),
    "text": (Text(), st.text()),
    "unicode": (Unicode(20), st.text(max_size=20)),
    "decorated": (Reversed(20), st.text(max_size=20)),
    "decorated twice": (Twice(20), st.text(max_size=20)),
    "blob": (LargeBinary(), st.binary()),
    "pickle": (PickleType(), st.dictionaries(st.integers(), st.text())),
    "date": (Date(), st.dates()),
    "time": (Time(), st.times()),
    "timetz": (Time(timezone=True), st.times(timezones=offsets)),
    "time_ns": (TimeNs(), st.times()),
    "timestamp": (DateTime(), st.datetimes()),
    "timestamptz": (
        DateTime(timezone=True),
        st.datetimes(long_ago, far_off, timezones=st.just(dt.UTC) | offsets | st.timezones()),
    ),
    "timestamp_ns": (
        TimestampNs(),
        st.datetimes(dt.datetime(1678, 1, 1), dt.datetime(2262, 1, 1)),  # noqa: DTZ001
    ),
    "timestamp_ms": (
        postgresql.TIMESTAMP(precision=3),
        st.datetimes().map(
            lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000)
        ),
    ),
    "interval": (Interval(), st.timedeltas()),
    "uuid": (Uuid(), st.uuids()),
    "uuid text": (Uuid(as_uuid=False), st.uuids().map(str)),
    "uuid hex": (Uuid(native_uuid=False), st.uuids()),
    "json": (JSON(), documents),
    "enum": (Enum("a", "it's", name=None), st.sampled_from(["a", "it's"])),
    "enum class": (Enum(Colour, native_enum=False), st.sampled_from(Colour)),
}
HASHABLE = sorted(
    SCALARS.keys() - {"json", "pickle", "bignum", "time_ns", "double", "float", "real"}
)


NESTED = ["integer", "uhugeint", "bignum", "decimal", "double", "text", "timetz", "json"]

TRICKY = ["double", "timetz"]


def in_utc(value: Any) -> Any:
    """Return a moment in UTC: Python calls those at a change of clocks unequal to all others."""
    aware = isinstance(value, dt.datetime) and value.tzinfo is not None
    return value.astimezone(dt.UTC) if aware else value


def around(name: str) -> Iterator[tuple[str, TypeEngine[Any], st.SearchStrategy[Any]]]:
    """Yield the types that hold values of the one named."""
    type_, values = SCALARS[name]
    item = values if isinstance(type_, (JSON, PickleType)) else values | st.none()
    yield "list", ARRAY(type_), st.lists(item)
    inner = st.fixed_dictionaries({"select": item})
    yield (
        "deep",
        ARRAY(Struct({"a b": Map(String(), Struct({"select": type_}))})),
        st.lists(
            st.fixed_dictionaries({"a b": st.dictionaries(st.text(), inner, max_size=2)}),
            max_size=2,
        ),
    )
    if name in HASHABLE:
        yield "key", Map(type_, Integer()), st.dictionaries(values.map(in_utc), st.integers(0, 9))
    if name not in NESTED:
        return
    yield "list2", ARRAY(type_, dimensions=2), st.lists(st.lists(item) | st.none())
    yield "array", FixedArray(type_, 2), st.lists(item, min_size=2, max_size=2)
    yield "map", Map(String(), type_), st.dictionaries(st.text(), item)
    fields = st.fixed_dictionaries({"key": item, "value": st.lists(item)})
    yield "struct", Struct({"key": type_, "value": ARRAY(type_)}), fields


EVERY = [pytest.param(*SCALARS[name], id=name) for name in SCALARS]
EVERY += [
    pytest.param(
        type_, values, id=f"{kind} of {name}", marks=() if name in TRICKY else pytest.mark.slow
    )
    for name in SCALARS
    for kind, type_, values in around(name)
]
EVERY += [
    pytest.param(
        Map(ARRAY(Integer()), Integer()),
        st.fixed_dictionaries({"key": st.just([[1, 2], []]), "value": st.just([3, None])}),
        id="map by lists",
    ),
    pytest.param(
        Map(Struct({"a": Integer()}), Integer()),
        st.fixed_dictionaries({"key": st.just([{"a": 1}, {"a": None}]), "value": st.just([3, 4])}),
        id="map by structs",
    ),
    pytest.param(
        Union([("n", Integer()), ("t", String())]), between(-(2**31), 32) | st.text(), id="union"
    ),
    pytest.param(
        Union([("at", DateTime(timezone=True)), ("yes", Boolean())]),
        st.datetimes(long_ago, far_off, timezones=offsets) | st.booleans(),
        id="union with moments",
    ),
]


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal and of one type; ``nan`` is itself, moments are in UTC."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    left = in_utc(left)
    if isinstance(left, dict) and isinstance(right, dict):
        left = {in_utc(key): item for key, item in left.items()}
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(right, dt.datetime) and right.tzinfo is not None:
        return bool(left == right) and right.tzinfo is dt.UTC
    return type(left) is type(right) and bool(left == right)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = create_engine("duckdb:///:memory:")
    yield engine
    engine.dispose()


def table_of(type_: TypeEngine[Any]) -> Table:
    return Table(
        "kept", MetaData(), Column("n", Integer, autoincrement=False), Column("kept", type_)
    )


def stored(engine: Engine, type_: TypeEngine[Any], given: list[Any]) -> list[Any]:
    """Insert the values into a new table and return what can be read."""
    table = table_of(type_)
    with engine.connect() as connection:
        table.create(connection)
        one_by_one(connection, table, given)
        return list(connection.execute(select(table.c.kept).order_by(table.c.n)).scalars())


def one_by_one(connection: Connection, table: Table, given: list[Any]) -> None:
    for number, value in enumerate(given):
        connection.execute(insert(table), {"n": number, "kept": value})


def many_rows(connection: Connection, table: Table, given: list[Any]) -> None:
    rows = [{"n": number, "kept": value} for number, value in enumerate(given)]
    connection.execute(insert(table), rows)


def one_statement(connection: Connection, table: Table, given: list[Any]) -> None:
    rows = [{"n": number, "kept": value} for number, value in enumerate(given)]
    connection.execute(insert(table).values(rows))


def by_column(connection: Connection, table: Table, given: list[Any]) -> None:
    type_ = table.c.kept.type
    name = duckdb_type(type_, connection.dialect)
    if name is None:
        return many_rows(connection, table, given)
    sent = bind_column(type_, given, connection.dialect, column="kept")
    connection.exec_driver_sql(
        f"INSERT INTO kept SELECT unnest($1::INTEGER[]), unnest($2::{name}[])",
        (list(range(len(given))), list(sent)),
    )
    return None


@pytest.mark.parametrize(
    "write",
    [one_by_one, many_rows, by_column, pytest.param(one_statement, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(("type_", "values"), EVERY)
@pytest.mark.sampled(63)
def test_values_return_as_they_were_given(
    engine: Engine,
    rounds: Callable[[int, int, int], int],
    type_: TypeEngine[Any],
    values: st.SearchStrategy[Any],
    write: Callable[[Connection, Table, list[Any]], None],
) -> None:
    table = table_of(type_)
    with engine.begin() as connection:
        table.create(connection)

    @settings(max_examples=rounds(4, 20, 500), deadline=None, database=None)
    @given(st.lists(values, min_size=1, max_size=5))
    def check(given: list[Any]) -> None:
        with engine.connect() as connection:
            write(connection, table, given)
            kept = connection.execute(select(table.c.kept).order_by(table.c.n)).scalars().all()
        for before, after in zip(given, kept, strict=True):
            assert same(before, after), f"{before!r} became {after!r}"

    try:
        check()
    finally:
        with engine.begin() as connection:
            table.drop(connection)


@pytest.mark.parametrize(
    "type_",
    [
        Union([("n", Integer()), ("t", String())]),
        ARRAY(Union([("n", Integer()), ("t", String())])),
        FixedArray(Union([("n", Integer()), ("t", String())]), 2),
        Struct({"u": Union([("n", Integer()), ("t", String())])}),
        Map(String(), Union([("n", Integer()), ("t", String())])),
        duckdb_types.Variant(),
        duckdb_types.Geometry(),
        Struct(),
        null().type,
    ],
    ids=repr,
)
def test_what_cannot_share_a_list_has_no_name_for_one(
    engine: Engine, type_: TypeEngine[Any]
) -> None:
    name = duckdb_type(type_, engine.dialect)

    assert name is None


def test_a_type_that_wraps_its_values_in_sql_has_no_name_for_a_list(engine: Engine) -> None:
    class Upper(TypeDecorator[str]):
        impl = String
        cache_ok = True

        def bind_expression(self, bindvalue: Any) -> Any:
            return func.upper(bindvalue)

    name = duckdb_type(Upper(), engine.dialect)

    assert name is None


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        (String(5, collation="NOCASE"), "VARCHAR"),
        (Enum("a", name="letters"), "VARCHAR"),
        (Reversed(), "VARCHAR"),
        (Numeric(5, 1), "NUMERIC(5, 1)"),
        (ARRAY(Integer, dimensions=2), "INTEGER[][]"),
        (DateTime(timezone=True), "TIMESTAMP WITH TIME ZONE"),
    ],
    ids=repr,
)
def test_a_type_has_the_name_of_its_list_items(
    engine: Engine, type_: TypeEngine[Any], name: str
) -> None:
    assert duckdb_type(type_, engine.dialect) == name


@pytest.mark.parametrize(
    ("type_", "given", "kept"),
    [
        (Integer(), 2.0, 2),
        (Integer(), Decimal("3.00"), 3),
        (Integer(), True, 1),
        (BigInteger(), float(2**60), 2**60),
        (Numeric(10, 2), 1.5, Decimal("1.50")),
        (Numeric(10, 2), 0.1 + 0.2, Decimal("0.30")),
        (Numeric(10, 2), 7, Decimal("7.00")),
        (Numeric(10, 2), Decimal("1E+5"), Decimal("100000.00")),
        (Numeric(38, 30), 0.1, Decimal("0.1")),
        (Numeric(10, 2, asdecimal=False), 1.25, 1.25),
        (Double(), 3, 3.0),
        (Double(), Decimal("0.1"), 0.1),
        (ARRAY(Double()), [1, Decimal("NaN"), 0.5], [1.0, math.nan, 0.5]),
        (ARRAY(Integer()), (2**30 + 1, 2.0), [2**30 + 1, 2]),
        (LargeBinary(), bytearray(b"ab"), b"ab"),
        (Date(), dt.datetime(2020, 1, 2, 3), dt.date(2020, 1, 2)),  # noqa: DTZ001
        (DateTime(), dt.date(2020, 1, 2), dt.datetime(2020, 1, 2)),  # noqa: DTZ001
        (Uuid(), str(uuid.UUID(int=7)), uuid.UUID(int=7)),
        (Struct({"a": Integer(), "b": Integer()}), {"B": 2}, {"a": None, "b": 2}),
        (Map(ARRAY(Integer()), Integer()), {(1, 2): 3}, {"key": [[1, 2]], "value": [3]}),
        (JSON(), (1, 2), [1, 2]),
        (ARRAY(JSON()), [[1], {}], [[1], {}]),
        (ARRAY(JSON(), dimensions=2), [[[1]], [{}]], [[[1]], [{}]]),
        (JSON(), JSON.NULL, None),
    ],
    ids=repr,
)
def test_what_keeps_its_value_is_let_in(
    engine: Engine, type_: TypeEngine[Any], given: Any, kept: Any
) -> None:
    rows = stored(engine, type_, [given])

    assert same([kept], rows)


@pytest.mark.parametrize("type_", [type_ for type_, _ in SCALARS.values()], ids=SCALARS)
def test_none_is_null(engine: Engine, type_: TypeEngine[Any]) -> None:
    rows = stored(engine, type_, [None])

    assert rows == [None]


@pytest.mark.parametrize(
    "type_",
    [ARRAY(Integer), FixedArray(Float, 2), Struct({"a": JSON}), Map(String, JSON)],
    ids=repr,
)
def test_none_is_null_where_there_are_items(engine: Engine, type_: TypeEngine[Any]) -> None:
    rows = stored(engine, type_, [None])

    assert rows == [None]


def test_numpy_arrays_are_lists() -> None:
    class Vector:
        """What DuckDB's users have in NumPy."""

        def __iter__(self) -> Iterator[float]:
            raise NotImplementedError

        def tolist(self) -> list[float]:
            return [0.5, 1.5]

    engine = create_engine("duckdb:///:memory:")

    rows = stored(engine, FixedArray(Float(), 2), [Vector()])

    assert rows == [[0.5, 1.5]]
    engine.dispose()


def test_arrays_as_tuples_return_tuples(engine: Engine) -> None:
    rows = stored(engine, postgresql.ARRAY(Integer, as_tuple=True), [[1, 2], None])

    assert rows == [(1, 2), None]


@pytest.mark.parametrize(
    "type_", [Enum(Colour), Enum("a", name=None), ARRAY(Enum("a", name=None)), ARRAY(Enum(Colour))]
)
def test_a_table_with_an_enum_can_be_dropped_and_made_again(
    engine: Engine, type_: TypeEngine[Any]
) -> None:
    table = table_of(type_)
    with engine.connect() as connection:
        table.create(connection)

        table.drop(connection)

        table.create(connection)


def test_now_is_in_utc_though_its_type_does_not_say_so(engine: Engine) -> None:
    with engine.connect() as connection:
        now = connection.execute(select(func.now())).scalar_one()

    assert now.tzinfo is dt.UTC


def test_moments_and_json_of_plain_text_are_read_as_from_columns(engine: Engine) -> None:
    statement = text("SELECT now(), '[1, null]'::JSON, 'x'")

    with engine.connect() as connection:
        now, document, letter = connection.execute(statement).one()

    assert now.tzinfo is dt.UTC
    assert document == [1, None]
    assert letter == "x"


@pytest.mark.parametrize(
    ("sql", "read"),
    [
        ("'-infinity'::TIMESTAMPTZ", dt.datetime.min.replace(tzinfo=dt.UTC)),
        ("'10000-01-01 00:00:00+00'::TIMESTAMPTZ", "10000-01-01 00:00:00+00"),
    ],
)
def test_moments_that_python_has_not_are_read_as_the_driver_gives_them(
    engine: Engine, sql: str, read: Any
) -> None:
    expression = literal_column(sql, DateTime(timezone=True))

    with engine.connect() as connection:
        found = connection.execute(select(expression)).scalar_one()

    assert found == read


def test_times_west_of_greenwich_can_be_compared(engine: Engine) -> None:
    at = dt.time(1, 2, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    column = cast(literal("01:02:00-05"), Time(timezone=True))

    with engine.connect() as connection:
        equal = connection.execute(select(column == at)).scalar_one()

    assert equal


@pytest.mark.parametrize(
    "value",
    [
        dt.time(1, tzinfo=dt.timezone(dt.timedelta(hours=16))),
        dt.time(1, tzinfo=dt.timezone(dt.timedelta(microseconds=5))),
    ],
    ids=repr,
)
def test_offsets_that_the_driver_would_garble_are_refused(engine: Engine, value: dt.time) -> None:
    with pytest.raises(ValueRefused, match="whole seconds, below 16 hours"):
        stored(engine, Time(timezone=True), [value])


def test_a_zone_without_a_fixed_offset_is_refused_in_times(engine: Engine) -> None:
    value = dt.time(1, tzinfo=ZoneInfo("Europe/Madrid"))

    with pytest.raises(ValueRefused, match="no fixed offset"):
        stored(engine, Time(timezone=True), [value])


@pytest.mark.parametrize(
    ("type_", "value", "reason"),
    [
        (Struct({"a": Integer()}), [1], "pass a dict"),
        (Struct({"a": Integer()}), {"a": 1, "c": 2}, "'c' is unknown; known are a"),
        (Map(String(), Integer()), [1], "pass a dict"),
        (ARRAY(String()), "abc", "pass a list"),
        (ARRAY(String()), {"a"}, "pass a list"),
        (FixedArray(Integer(), 2), 5, "pass a list"),
        (JSON(), {"a": [math.nan]}, "neither NaN"),
        (JSON(), {"a": -math.inf, "b": dt.date(2020, 1, 1), "c": Colour.RED}, "neither NaN"),
        (JSON(), {"a": {1, 2}}, "no JSON form"),
        (JSON(), {"a": 2**64}, "64-bit"),
        (JSON(), {1: 2}, "no JSON form"),
        (JSON(), "\ud800", "surrogates"),
    ],
    ids=repr,
)
def test_values_of_another_shape_are_refused(
    engine: Engine, type_: TypeEngine[Any], value: Any, reason: str
) -> None:
    with pytest.raises(ValueRefused, match=reason) as refused:
        stored(engine, type_, [value])

    assert refused.value.column == "kept"


def test_json_with_null_and_dates_is_let_in() -> None:
    encoded = encode_json({"a": None, "b": dt.date(2020, 1, 1), "c": Colour.RED})

    assert decode_json(encoded) == {"a": None, "b": "2020-01-01", "c": 1}


@pytest.mark.parametrize(
    ("values", "known"),
    [
        ([{"a": None}, [1], {"b": dt.date(2020, 1, 1)}, {"c": [Colour.RED, "null"]}], True),
        ([{"a": 1}, None], False),
        ([{"a": 1}, "text"], False),
        ([{"a": 1}, {"a": {1, 2}}], False),
    ],
    ids=["documents", "none", "text", "no JSON"],
)
def test_a_column_of_documents_is_encoded_as_each_of_them(
    values: list[Any], *, known: bool
) -> None:
    found = encode_documents(values)

    assert found == (list(map(encode_json, values)) if known else None)


def test_nan_is_refused_in_a_column_of_documents() -> None:
    with pytest.raises(ValueRefused, match="neither NaN"):
        encode_documents([{"a": 1}, {"a": math.nan}])


def test_the_engine_may_bring_its_own_json() -> None:
    engine = create_engine(
        "duckdb:///:memory:",
        json_serializer=lambda value: f'"<{value}>"',
        json_deserializer=lambda text: f"{text}!",
    )

    rows = stored(engine, JSON(), ["Infinity and NaN", "x"])

    assert rows == ['"<Infinity and NaN>"!', '"<x>"!']
    engine.dispose()


def test_the_engine_s_own_json_is_asked_for_columns_too() -> None:
    engine = create_engine("duckdb:///:memory:", json_serializer=lambda value: f'"<{value}>"')

    sent = bind_column(JSON(), [{"a": 1}, {}], engine.dialect, column="kept")

    assert list(sent) == ["\"<{'a': 1}>\"", '"<{}>"']
    engine.dispose()


def test_nan_is_refused_in_json_of_the_engine_s_own() -> None:
    engine = create_engine("duckdb:///:memory:", json_serializer=lambda value: f"[{value}, NaN]")

    with pytest.raises(ValueRefused, match="neither NaN"):
        stored(engine, JSON(), [1])

    engine.dispose()


def test_a_struct_without_fields_is_left_to_the_driver(engine: Engine) -> None:
    expression = select(literal({"a": 1.5}, Struct()))

    with engine.connect() as connection:
        found = connection.execute(expression).scalar_one()

    assert found == {"a": 1.5}


def test_wide_integers_can_be_compared(engine: Engine) -> None:
    column = cast(literal("5"), VarInt())

    with engine.connect() as connection:
        less = connection.execute(select(column < 2**200)).scalar_one()

    assert less
