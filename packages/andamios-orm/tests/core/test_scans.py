"""History that DuckDB makes out of the columns of a bulk is that of single rows."""

import array
import datetime as dt
import decimal
import enum
import json
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar

import orjson
import pytest
from sqlalchemy import (
    JSON,
    DateTime,
    Enum,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
    Uuid,
    event,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.bulk import bulk_create
from andamios_orm.bulk.arrow import pyarrow
from andamios_orm.core import scans
from andamios_orm.core.records import LARGEST
from andamios_orm.exceptions import CheckViolation
from andamios_orm.models import EnumByValue, HistoryMixin, Row, UTCDateTime, VersionMixin

MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=dt.UTC)
SUMMER = dt.timezone(dt.timedelta(hours=2))


class Colour(enum.Enum):
    """A colour."""

    RED = "r"
    BLUE = "b"


class Tags(TypeDecorator[list[str]]):
    """A list as text."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Return what is stored."""
        return None if value is None else ",".join(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Return what was stored."""
        return None if value is None else value.split(",")


class Shouted(TypeDecorator[str]):
    """Text that a processor of its own makes larger, of which history keeps what was given."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Return it as it is."""
        return value

    def bind_processor(self, dialect: Any) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Return what makes it larger."""
        return lambda value: None if value is None else value.upper()


class Base(Row, DeclarativeBase):
    """The base of these tests."""


class Thing(HistoryMixin, VersionMixin, Base):
    """One with columns of many kinds."""

    __tablename__ = "things"

    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str | None]
    number: Mapped[int | None]
    flag: Mapped[bool | None]
    part: Mapped[float | None]
    amount: Mapped[decimal.Decimal | None]
    at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    there: Mapped[dt.datetime | None] = mapped_column(DateTime)
    day: Mapped[dt.date | None]
    hour: Mapped[dt.time | None]
    colour: Mapped[Colour | None] = mapped_column(EnumByValue(Colour))
    shade: Mapped[Colour | None] = mapped_column(Enum(Colour, native_enum=False))
    tags: Mapped[list[str] | None] = mapped_column(Tags)
    shouted: Mapped[str | None] = mapped_column(Shouted)
    options: Mapped[Any] = mapped_column(JSON, nullable=True)
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    other: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    state: Mapped[str] = mapped_column(server_default="new")
    password: Mapped[str | None] = mapped_column(String, info={"secret": True})


class Place(HistoryMixin, Base):
    """One with a key of two columns, and no version."""

    __tablename__ = "places"
    __tenant__: ClassVar[str | None] = "owner"

    x: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    y: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str | None]


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


KINDS: dict[str, list[Any]] = {
    "text": ["a", None, 'line\n"feed"', "ä\0\x1f\u2028", "x" * (LARGEST // 2)],
    "number": [1, None, -5, 2**31 - 1],
    "flag": [True, False, None],
    "part": [1.5, None, -0.0, 1e300],
    "amount": [decimal.Decimal("1.500"), None],
    "at": [
        MOMENT,
        MOMENT.replace(microsecond=0, tzinfo=SUMMER),
        None,
        dt.datetime.max.replace(tzinfo=dt.UTC),
    ],
    "there": [MOMENT.replace(tzinfo=None), None, dt.datetime(1, 1, 1)],  # noqa: DTZ001 - a column without a zone
    "day": [MOMENT.date(), None],
    "hour": [MOMENT.time(), None],
    "colour": [Colour.RED, None, Colour.BLUE],
    "shade": [Colour.RED, None],
    "tags": [["a", "b"], None],
    "shouted": ["a", None],
    "options": [
        {"a": [1, {"b": "c"}], "ä": 1.0},
        None,
        [1, "x", -0.0, 1e22],
        {"no": None},
        "text",
        7,
    ],
    "raw": [b"ab", None],
    "other": [uuid.UUID(int=7), None],
    "password": ["secret", None],
}
"""Values of which DuckDB makes the JSON, or which are converted before."""
ODD: dict[str, list[Any]] = {
    "text": ["a", "y" * (LARGEST + 1)],
    "options": [{"at": MOMENT.astimezone(SUMMER)}, {"large": "z" * LARGEST}, None],
    "raw": [b"z" * (LARGEST + 1)],
}
"""Values that history does not keep as they were sent."""
SAME: dict[str, list[Any]] = {name: values[:1] for name, values in KINDS.items()}


def things(kinds: dict[str, list[Any]], first: int, count: int = 60) -> list[dict[str, Any]]:
    """Return rows with all values of each kind, with keys from ``first`` on."""
    return [
        {"key": first + row, **{name: each[row % len(each)] for name, each in kinds.items()}}
        for row in range(count)
    ]


async def kept(database: Database, entity: str = "things") -> dict[str, tuple[Any, ...]]:
    """Return what is in history, by key."""
    statement = text(
        "SELECT key, kind, version, CAST(before AS VARCHAR) AS before, CAST(after AS VARCHAR) "
        "AS after, tenant, position FROM andamios_history WHERE entity = :entity"
    )
    async with database.session() as session:
        rows = (await session.execute(statement, {"entity": entity})).all()
    return {row[0]: tuple(row[1:]) for row in rows}


def said(row: Sequence[Any]) -> bytes:
    """Return what a version says of its row, apart from the key, in one order."""
    return orjson.dumps({**orjson.loads(row[3]), "key": None}, option=orjson.OPT_SORT_KEYS)


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.sampled(3)
@pytest.mark.parametrize("kinds", [KINDS, ODD, SAME, {}], ids=["kinds", "odd", "same", "none"])
@pytest.mark.parametrize("with_arrow", [True, False])
async def test_history_of_a_bulk_is_that_of_a_flush(
    duckdb_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    kinds: dict[str, list[Any]],
    *,
    with_arrow: bool,
) -> None:
    if not with_arrow:
        monkeypatch.setattr(scans, "find_spec", lambda _name: None)
    async with duckdb_database.transaction() as session:
        await bulk_create(session, Thing, things(kinds, 1))
    async with duckdb_database.transaction() as session:
        session.add_all(Thing(**row) for row in things(kinds, 101))

    found = await kept(duckdb_database)

    assert len(found) == 120
    for row in range(60):
        bulk, flush = found[f"{1 + row}"], found[f"{101 + row}"]
        assert said(bulk) == said(flush)
        assert bulk[:3] == ("bulk_create", 1, None)


@pytest.mark.integration
@pytest.mark.db
async def test_history_of_arrow_is_that_of_its_values(duckdb_database: Database) -> None:
    pa = pyarrow()
    table = pa.table(
        {
            "key": pa.chunked_array([range(30), range(30, 60)], pa.int64()),
            "text": ["a", None] * 30,
            "number": [1, 2] * 30,
            "at": pa.chunked_array([[MOMENT] * 20, [None] * 40], pa.timestamp("ms", "Europe/Rome")),
            "options": [' {"a" : [1.50, "\\u00e4"]} ', None] * 30,
        }
    )
    async with duckdb_database.transaction() as session:
        await bulk_create(session, Thing, table)
    async with duckdb_database.transaction() as session:
        given = [{**row, "key": row["key"] + 100} for row in table.to_pylist()]
        for row in given:
            row["options"] = row["options"] and orjson.loads(row["options"])
        session.add_all(Thing(**row) for row in given)

    found = await kept(duckdb_database)

    assert all(said(found[f"{row}"]) == said(found[f"{row + 100}"]) for row in range(60))


@pytest.mark.integration
@pytest.mark.db
async def test_history_of_arrow_is_what_was_sent(duckdb_database: Database) -> None:
    pa = pyarrow()
    numbers = array.array("q", range(30))
    column = pa.Array.from_buffers(pa.int64(), 30, [None, pa.py_buffer(numbers)])
    table = pa.table({"key": column, "number": column})
    async with duckdb_database.transaction() as session:
        await bulk_create(session, Thing, table)
        numbers[5] = -1

    assert b'"number":5' in said((await kept(duckdb_database))["5"])


@pytest.mark.integration
@pytest.mark.db
async def test_large_numbers_in_documents_are_those_of_a_flush(duckdb_database: Database) -> None:
    document = '{"a": 9223372036854775813}'
    table = pyarrow().table({"key": range(30), "options": [document] * 30})
    async with duckdb_database.transaction() as session:
        await bulk_create(session, Thing, table)
        given = [{"key": key, "options": json.loads(document)} for key in range(30, 60)]
        await bulk_create(session, Thing, given)
        session.add(Thing(key=100, options=json.loads(document)))

    found = await kept(duckdb_database)
    assert b'"options":{"a":"9223372036854775813"}' in said(found["0"])
    assert said(found["0"]) == said(found["30"]) == said(found["100"])


@pytest.mark.integration
@pytest.mark.db
async def test_keys_of_two_columns_and_tenants(database: Database) -> None:
    rows = [{"x": row, "y": f'"{row}"', "owner": "ana"} for row in range(30)]
    async with database.transaction() as session:
        await bulk_create(session, Place, rows)

    found = await kept(database, "places")

    assert set(found) == {orjson.dumps([str(row["x"]), row["y"]]).decode() for row in rows}
    kind, version, before, after, tenant, _ = found['["7","\\"7\\""]']
    assert (kind, version, before, tenant) == ("bulk_create", None, None, "ana")
    assert orjson.loads(after) == rows[7]


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.db
async def test_history_of_a_bulk_is_one_statement_in_the_hop_of_commit(
    duckdb_database: Database,
) -> None:
    sent: list[tuple[str, bool]] = []

    def note(
        _connection: Any, _cursor: Any, sql: str, _values: Any, context: Any, _many: Any
    ) -> None:
        sent.append((sql, context.execution_options.get("at_commit") is not None))

    event.listen(duckdb_database.engine.sync_engine, "before_cursor_execute", note)
    async with duckdb_database.transaction() as session:
        await bulk_create(session, Place, [{"x": row, "y": ""} for row in range(9_000)])

    history = [each for each in sent if "andamios_history" in each[0]]
    assert len(history) == 1
    assert "json_object" in history[0][0]
    assert history[0][1]
    assert len(sent) == 4
    assert len(await kept(duckdb_database, "places")) == 9_000


@pytest.mark.integration
@pytest.mark.db
async def test_a_commit_that_is_refused_leaves_no_columns_behind(
    duckdb_database: Database,
) -> None:
    async with duckdb_database.engine.begin() as connection:
        await connection.execute(text("DROP TABLE andamios_history"))
        await connection.execute(
            text(
                "CREATE TABLE andamios_history (entity VARCHAR, key VARCHAR, position BIGINT, "
                "time TIMESTAMPTZ, actor VARCHAR, kind VARCHAR, version BIGINT, before JSON, "
                "after JSON, tenant VARCHAR, CHECK (key <> '29'))"
            )
        )
    async with duckdb_database.session() as session:
        await bulk_create(session, Thing, things(KINDS, 0))
        with pytest.raises(CheckViolation):
            await session.commit()

    async with duckdb_database.transaction() as session:
        await bulk_create(session, Thing, things(KINDS, 30))

    async with duckdb_database.session() as session:
        views = await session.execute(
            text("SELECT view_name FROM duckdb_views() WHERE NOT internal")
        )
        assert views.all() == []
    assert len(await kept(duckdb_database)) == 60
