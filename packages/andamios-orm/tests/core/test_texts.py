"""What is written by column says what is written of each row by itself."""

import datetime as dt
import decimal
import enum
import uuid
from typing import Any, ClassVar

import orjson
import pytest
from sqlalchemy import JSON, LargeBinary, MetaData, String, TypeDecorator, Uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.bulk import bulk_create, bulk_delete, bulk_update, bulk_upsert
from andamios_orm.core.changes import ChangeFeed
from andamios_orm.core.records import LARGEST, Entity
from andamios_orm.core.texts import texts_of
from andamios_orm.models import HistoryMixin, IntegerKeyMixin, Row, UTCDateTime, VersionMixin
from andamios_orm.models.written import ColumnRows

DIALECT: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's
MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=dt.UTC)


class Colour(enum.StrEnum):
    """A colour."""

    RED = "r"


class Tags(TypeDecorator[list[str]]):
    """A list as text."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Return what is stored."""
        return None if value is None else ",".join(value)


class Base(Row, DeclarativeBase):
    """The base of these tests."""


class Thing(HistoryMixin, VersionMixin, Base):
    """One with columns of many kinds."""

    __tablename__ = "things"

    key: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    text: Mapped[str | None]
    number: Mapped[int | None]
    flag: Mapped[bool | None]
    part: Mapped[float | None]
    amount: Mapped[decimal.Decimal | None]
    at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    day: Mapped[dt.date | None]
    colour: Mapped[Colour | None]
    tags: Mapped[list[str] | None] = mapped_column(Tags)
    options: Mapped[Any] = mapped_column(JSON)
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    password: Mapped[str | None] = mapped_column(String, info={"secret": True})


class Page(IntegerKeyMixin, HistoryMixin, VersionMixin, Base):
    """A model with history."""

    __tablename__ = "pages"

    title: Mapped[str]
    options: Mapped[dict[str, Any] | None]


class Shelf(HistoryMixin, Base):
    """A model whose rows belong to tenants, with keys of text."""

    __tablename__ = "shelves"
    __tenant__: ClassVar[str | None] = "owner"

    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


KINDS: dict[str, list[Any]] = {
    "text": ["a", None, "line\nfeed", "ä", "x" * (LARGEST // 2), "y" * (LARGEST + 1)],
    "number": [1, None, -5, 2**62],
    "flag": [True, False, None],
    "part": [1.5, float("nan"), None],
    "amount": [decimal.Decimal("1.50"), None],
    "at": [MOMENT, MOMENT.astimezone(dt.timezone(dt.timedelta(hours=2))), None],
    "day": [dt.date(2026, 1, 2), None],
    "colour": [Colour.RED, None, "r"],
    "tags": [["a", "b"], None, []],
    "options": [{"a": [1, {"b": "c"}]}, None, [1, "x"], {"no": None}, {"large": "z" * LARGEST}],
    "raw": [b"ab", None, b"z" * (LARGEST + 1)],
    "password": ["secret", None],
}
ODD: dict[str, list[Any]] = {
    "text": [1, "a"],
    "number": [2**63, 7],
    "flag": [True, 1],
    "options": [{"at": MOMENT}, {"colour": Colour.RED}, {1: "a"}, {"n": 2**70}, "text", 7],
}
ODD_DOCUMENTS: dict[str, list[Any]] = {
    "options": [{"at": MOMENT}, {1: "a"}, {"n": 2**70}, None, [Colour.RED]],
}


def things(kinds: dict[str, list[Any]], count: int = 60) -> list[dict[str, Any]]:
    """Return rows with all values of each kind."""
    names = [*KINDS, "version"]
    return [
        {
            "key": uuid.UUID(int=row),
            **{name: kinds.get(name, [None])[row % len(kinds.get(name, [None]))] for name in names},
        }
        for row in range(count)
    ]


def read(texts: Any) -> list[Any]:
    """Return what texts say."""
    return [orjson.loads(text) for text in texts]


def entity_of(model: type[Any]) -> Entity:
    """Return how a model is recorded."""
    found = Entity.of(model)
    assert found is not None
    return found


@pytest.mark.unit
@pytest.mark.parametrize(
    "kinds", [KINDS, ODD, ODD_DOCUMENTS, {name: values[:1] for name, values in KINDS.items()}]
)
@pytest.mark.parametrize("by_column", [True, False])
def test_texts_say_what_is_stored_of_each_row(
    kinds: dict[str, list[Any]], *, by_column: bool
) -> None:
    entity, rows = entity_of(Thing), things(kinds)
    given: Any = ColumnRows({name: [row[name] for row in rows] for name in rows[0]}, len(rows))
    keys = [row["key"] for row in rows]

    found = texts_of(entity, keys, None, given if by_column else rows, DIALECT)

    assert found is not None
    assert found.before is None
    stored = [entity.stored(row, DIALECT) for row in rows]
    assert read(found.after) == [orjson.loads(orjson.dumps(row)) for row in stored]
    assert all(b"\n" not in text for text in found.after or ())
    assert list(found.keys) == [str(key) for key in keys]
    assert list(found.numbers) == [None] * len(rows)


@pytest.mark.unit
def test_rows_with_the_same_values_throughout_are_written_at_once() -> None:
    entity = entity_of(Page)
    rows = ColumnRows({"title": ["a"] * 30, "version": [2] * 30}, 30)

    found = texts_of(entity, range(1, 31), rows, None, DIALECT)

    assert found is not None
    assert read(found.before) == [{"title": "a", "version": 2}] * 30
    row = orjson.loads(orjson.dumps(list(found.rows())[29]))
    before = {"title": "a", "version": 2}
    assert row == {"key": "30", "version": 2, "before": before, "after": None}


@pytest.mark.unit
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, None),
        ([{"id": 1}] * 29 + [None], None),
        (None, [{"id": 1}] * 29 + [{"title": "a"}]),
        ([None] * 30, [{"id": 1}] * 30),
    ],
)
def test_rows_that_are_unlike_are_left_to_be_converted_one_by_one(before: Any, after: Any) -> None:
    assert texts_of(entity_of(Page), range(30), before, after, DIALECT) is None


@pytest.mark.unit
def test_few_rows_are_converted_one_by_one() -> None:
    assert texts_of(entity_of(Page), [1], None, [{"id": 1}], DIALECT) is None
    assert texts_of(entity_of(Page), [], [], [], DIALECT) is None


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.db
async def test_history_of_bulks_is_that_of_single_rows(database: Database) -> None:
    rows = [{"title": f"page\n{row}", "options": {"n": row}} for row in range(50)]
    async with database.transaction() as session:
        keys = (await bulk_create(session, Page, rows)).ids
    async with database.transaction() as session:
        await bulk_update(session, Page, [{"id": key, "title": f"new {key}"} for key in keys])
    async with database.transaction() as session:
        more = [{"title": f"new {keys[0] + row * 100}", "options": None} for row in range(30)]
        await bulk_upsert(session, Page, more, match_fields=["title"])
    async with database.transaction() as session:
        await bulk_delete(session, Page, keys)

    async with ChangeFeed(database, Base) as feed:
        versions = await feed.history(Page, keys[0])
        first = {"id": keys[0], "title": "page\n0", "options": {"n": 0}, "version": 1}
        second = {**first, "title": f"new {keys[0]}", "version": 2}
        third = {**second, "options": None, "version": 3}
        assert [(each.kind, each.before, each.after) for each in versions] == [
            ("bulk_create", None, first),
            ("bulk_update", first, second),
            ("bulk_upsert", second, third),
            ("bulk_delete", third, None),
        ]
        assert [each.version for each in versions] == [1, 2, 3, 3]
        changes = {each.position: each for each in await feed.read()}
        assert [changes[each.position].kind for each in versions] == [
            each.kind for each in versions
        ]
        assert await feed.as_of(Page, keys[1], versions[0].time) == {
            **first,
            "id": keys[1],
            "title": "page\n1",
            "options": {"n": 1},
        }


@pytest.mark.integration
@pytest.mark.db
async def test_tenants_of_one_bulk_have_history_of_their_own(database: Database) -> None:
    rows = [{"name": f'shelf "{row}"', "owner": ("a", "b")[row // 40]} for row in range(50)]
    async with database.transaction() as session:
        await bulk_create(session, Shelf, rows)
        await bulk_create(session, Shelf, [{"name": f"b{row}", "owner": "b"} for row in range(30)])

    async with ChangeFeed(database, Base) as feed:
        for name, owner in (('shelf "3"', "a"), ('shelf "45"', "b"), ("b7", "b")):
            (version,) = await feed.history(Shelf, name)
            assert (version.after, version.tenant) == ({"name": name, "owner": owner}, owner)
