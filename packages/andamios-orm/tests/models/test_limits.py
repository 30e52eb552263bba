"""What a column asks beyond its type: told before anything is sent, row by row."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import JSON, Column, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm.exceptions import BulkRefused, ValueRefused
from andamios_orm.models import IntegerKeyMixin, Row
from andamios_orm.models.limits import has_limits, why_not
from andamios_orm.repositories import GenericRepository
from andamios_orm.testing.budgets import QueryBudget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from andamios_orm import Database
    from andamios_orm.testing.lending import LentDatabases

pa: Any = importlib.import_module("pyarrow")

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Base(Row, DeclarativeBase):
    """The tables of these tests."""


class Plan(IntegerKeyMixin, Base):
    """A row with limits."""

    __tablename__ = "plans"

    title: Mapped[str] = mapped_column(String(9), info={"shortest": 3})
    note: Mapped[str | None] = mapped_column(String(9), info={"shortest": 2})
    parts: Mapped[dict[str, Any] | None] = mapped_column(info={"object": True})


@pytest.fixture(params=["duckdb", "postgresql"])
def database(
    request: pytest.FixtureRequest, andamios_databases: LentDatabases
) -> Iterator[Database]:
    """Yield an empty database of each system in turn."""
    with getattr(andamios_databases, request.param)(Base.metadata) as database:
        yield database


def test_a_reason_is_given_for_what_is_none() -> None:
    text = Column("a", String, info={"shortest": 3})
    document = Column("b", JSON, info={"object": True})

    assert why_not(text, "abc") is None
    assert why_not(text, "ab") == "it has 2 characters, and the column takes 3 or more"
    assert why_not(document, {}) is None
    assert why_not(document, [1]) == "the document is an object, not list"
    assert [has_limits(each) for each in (text, document, Column("c", String))] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("values", "name"),
    [({"title": "ab"}, "title"), ({"parts": "x"}, "parts"), ({"parts": [1]}, "parts")],
    ids=["short", "text", "list"],
)
async def test_a_single_row_is_refused_before_anything_is_sent(
    database: Database, values: dict[str, object], name: str
) -> None:
    plans = GenericRepository(database, Plan)
    plan = await plans.create({"title": "abc", "parts": None})

    with QueryBudget(0), pytest.raises(ValueRefused) as refused:
        await plans.create({"title": "abc", **values})
    with pytest.raises(ValueRefused):
        await plans.update(plan.id, values)

    assert refused.value.column == name
    assert await plans.count() == 1


async def test_rows_of_a_bulk_are_all_named(database: Database) -> None:
    plans = GenericRepository(database, Plan)
    rows = [
        {"title": "abc", "parts": None},
        {"title": "ab", "parts": {}},
        {"title": "", "parts": ["x"]},
    ]

    with pytest.raises(BulkRefused) as refused:
        await plans.bulk_create(rows)

    assert [(each.row, each.field) for each in refused.value.errors] == [
        (1, "title"),
        (2, "title"),
        (2, "parts"),
    ]
    assert await plans.count() == 0


async def test_a_limit_of_text_is_for_the_text_that_is_there(database: Database) -> None:
    plans = GenericRepository(database, Plan)

    await plans.bulk_create([{"title": "abc", "note": note} for note in ("ab", None)])
    with pytest.raises(BulkRefused) as refused:
        await plans.bulk_create([{"title": "abc", "note": note} for note in (None, "a")])

    assert [(each.row, each.field) for each in refused.value.errors] == [(1, "note")]
    assert await plans.count() == 2


COLUMNS = {
    "titles": pa.table({"title": ["abc", "ab"]}),
    "dictionary": pa.table({"title": pa.array(["abc", "ab"]).dictionary_encode()}),
    "views": pa.table({"title": pa.array(["abc", "ab"], pa.string_view())}),
    "lists": pa.table({"title": ["abc", "abc"], "parts": [None, ["a"]]}),
    "texts": pa.table({"title": ["abc", "abc"], "parts": ['{"a": 1}', "[1]"]}),
}


@pytest.mark.parametrize("name", list(COLUMNS))
async def test_columns_of_arrow_are_looked_at_too(database: Database, name: str) -> None:
    plans = GenericRepository(database, Plan)

    with pytest.raises(BulkRefused) as refused:
        await plans.bulk_create(COLUMNS[name])

    assert [each.row for each in refused.value.errors] == [1]


@pytest.mark.parametrize(
    "columns",
    [
        pa.table({"title": ["abc", "abcd"], "parts": [{"a": 1}, None]}),
        pa.table({"title": ["abc", "abcd"], "parts": ['{"a": 1}', None]}),
        pa.table({"title": pa.array([], pa.string())}),
    ],
    ids=["two", "texts", "none"],
)
async def test_columns_within_the_limits_are_stored(database: Database, columns: Any) -> None:
    plans = GenericRepository(database, Plan)

    created = await plans.bulk_create(columns)

    assert len(created) == await plans.count() == columns.num_rows
