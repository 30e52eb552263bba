from __future__ import annotations

import dataclasses
import datetime as dt
import importlib
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import aliased, selectinload
from tests.queries.shop import NOON, Item, Part, Place, Size

from andamios_orm.exceptions import MissingExtra, MoreThanOne, NotFound, QueryRefused, UnknownField
from andamios_orm.queries import Order, QueryBuilder
from andamios_orm.queries.aggregations import (
    Expression,
    avg,
    bucket,
    count,
    count_distinct,
    dense_rank,
    lag,
    lead,
    max_,
    median,
    min_,
    moving_average,
    percentile,
    rank,
    row_number,
    running_sum,
    sum_,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from andamios_orm import Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


def pq() -> Any:
    """Return pyarrow's module for Parquet, which has no types."""
    return importlib.import_module("pyarrow.parquet")


def pcsv() -> Any:
    """Return pyarrow's module for CSV, which has no types."""
    return importlib.import_module("pyarrow.csv")


STEPS: dict[str, Callable[[QueryBuilder[Item]], QueryBuilder[Any]]] = {
    "filter": lambda query: query.filter(Item.amount == 1, name="x"),
    "exclude": lambda query: query.exclude(name="x", amount=1),
    "filter_by_date_range": lambda query: query.filter_by_date_range("made_at", NOON),
    "filter_json": lambda query: query.filter_json("extra", "a", 1),
    "search": lambda query: query.search("x"),
    "order_by": lambda query: query.order_by("name"),
    "limit": lambda query: query.limit(1),
    "offset": lambda query: query.offset(1),
    "after": lambda query: query.after("x"),
    "before": lambda query: query.before("x"),
    "options": lambda query: query.options(selectinload(Item.parts)),
    "load": lambda query: query.load(Item.parts),
    "with_deleted": lambda query: query.with_deleted(),
    "distinct": lambda query: query.distinct(),
    "cached": lambda query: query.cached(ttl=60),
    "group_by": lambda query: query.group_by("name"),
    "aggregate": lambda query: query.aggregate(count()),
    "having": lambda query: query.having(func.count() > 1),
    "window": lambda query: query.window(n=row_number()),
}


@pytest.mark.parametrize("step", STEPS)
def test_each_call_returns_a_new_builder_and_leaves_the_old(step: str) -> None:
    query = QueryBuilder(Item)
    before, plan = str(query.statement()), query._plan

    changed = STEPS[step](query)

    assert changed is not query
    assert (changed._plan, changed._caching) != (plan, None)
    assert (query._plan, query._caching) == (plan, None)
    assert str(query.statement()) == before


def test_what_is_no_mapped_class_is_refused() -> None:
    with pytest.raises(QueryRefused, match="is no mapped class"):
        QueryBuilder(int)


async def test_without_a_session_nothing_runs() -> None:
    with pytest.raises(QueryRefused, match="no session"):
        await QueryBuilder(Item).all()


async def test_rows_one_by_one(session: Session) -> None:
    query = QueryBuilder(Item).with_session(session)

    assert repr(query) == "<QueryBuilder of Item>"
    first = await query.order_by("-name").first()
    assert first is not None
    assert first.name in {"Gamma ray", "delta"}
    assert await query.limit(0).first() is None
    assert (await query.filter(id=1).one()).name == "Alpha"
    assert await query.filter(id=9).one_or_none() is None
    with pytest.raises(NotFound):
        await query.filter(id=9).one()
    with pytest.raises(MoreThanOne):
        await query.one()
    assert (await query.limit(1).one()).id == 1
    assert query.exclude() is query


async def test_counts_and_existence(session: Session) -> None:
    query = QueryBuilder(Item, session)

    assert await query.limit(1).offset(1).count() == 4
    assert await query.group_by("active").aggregate(count()).count() == 2
    assert await query.exists()
    assert not await query.filter(id=9).exists()
    assert not await query.offset(4).exists()
    assert await query.group_by("active").exists()
    assert await QueryBuilder(Part, session).distinct().count() == 2


async def test_order_puts_null_last_unless_told_otherwise(session: Session) -> None:
    query = QueryBuilder(Item, session)

    async def ids(*orders: Any) -> list[int]:
        return [item.id for item in await query.order_by(*orders).limit(9).all()]

    assert await ids("amount") == [1, 2, 3, 4]
    assert await ids("-amount") == [3, 2, 1, 4]
    assert await ids(Item.amount.desc().nulls_first()) == [4, 3, 2, 1]
    assert await ids(Item.amount.nulls_last(), "-id") == [1, 3, 2, 4]
    assert await ids(Order("amount", nulls_first=True)) == [4, 1, 2, 3]
    assert await ids(func.lower(Item.name)) == [1, 2, 4, 3]
    assert await ids() == [1, 2, 3, 4]
    with pytest.raises(UnknownField):
        query.order_by("nothing")
    with pytest.raises(UnknownField, match="is a relation"):
        query.order_by(Item.parts)
    with pytest.raises(UnknownField, match="names no field"):
        query.order_by(5)  # type: ignore[arg-type]  # refused by type as well
    with pytest.raises(QueryRefused, match="secret"):
        query.order_by("token")
    with pytest.raises(QueryRefused, match="twice"):
        query.order_by("name", "-name")


@pytest.mark.parametrize("count", [-1, 2**63, True, "5", 1.0])
def test_a_limit_is_a_natural_number(count: Any) -> None:
    with pytest.raises(QueryRefused):
        QueryBuilder(Item).limit(count)
    with pytest.raises(QueryRefused):
        QueryBuilder(Item).offset(count)


async def test_load_follows_names_and_attributes(session: Session) -> None:
    query = QueryBuilder(Item, session).filter(id__in=[1, 2]).order_by("id")

    items = await query.load("parts.item").all()
    assert [[part.name for part in item.parts] for item in items] == [["screw", "nut"], []]
    session.expunge_all()
    every = await query.with_deleted().load(Item.parts).all()
    assert [len(item.parts) for item in every] == [2, 1]
    with pytest.raises(UnknownField, match="no relation 'nothing'; known are parts"):
        query.load("nothing")
    with pytest.raises(UnknownField, match="Part has no relation"):
        query.load("parts.nothing")


async def test_an_alias_is_a_model(session: Session) -> None:
    other = aliased(Item)

    found = await QueryBuilder(other, session).filter(name="beta").order_by("id").all()

    assert [item.id for item in found] == [2]


async def test_aggregates_have_the_same_types_on_both(session: Session) -> None:
    query = QueryBuilder(Item, session)

    row = await query.aggregate(
        count(),
        count("amount"),
        count_distinct("amount"),
        sum_("amount"),
        avg(Item.amount),
        total=sum_("price"),
        low=min_("amount"),
        high=max_("made_at"),
        middle=median("amount"),
        most=percentile("amount", 0.9),
    ).one()

    assert dict(row._mapping) == {
        "count": 4,
        "count_amount": 3,
        "count_distinct_amount": 2,
        "sum_amount": 50,
        "avg_amount": pytest.approx(50 / 3),
        "total": Decimal("4.00"),
        "low": 10,
        "high": NOON + dt.timedelta(days=40),
        "middle": 20.0,
        "most": 20.0,
    }
    assert [type(row.sum_amount), type(row.avg_amount), type(row.middle)] == [int, float, float]
    empty = await query.filter(id=9).aggregate(sum_("amount"), n=count()).one()
    assert tuple(empty) == (None, 0)


async def test_groups_are_counted_and_chosen(session: Session) -> None:
    query = QueryBuilder(Item, session).group_by("active").aggregate(n=count(), s=sum_("amount"))

    rows = await query.order_by("-n").all()
    assert [tuple(row) for row in rows] == [(True, 3, 30), (False, 1, 20)]
    assert [tuple(row) for row in await query.having(n__ge=2).all()] == [(True, 3, 30)]
    assert [tuple(row) for row in await query.having(func.count() < 2).all()] == [(False, 1, 20)]
    assert [tuple(row) for row in await query.having(active=False).all()] == [(False, 1, 20)]
    assert (await query.order_by(func.count()).limit(1).one()).n == 1
    assert len([row async for row in query.stream()]) == 2
    assert (await query.order_by("n").arrow()).to_pydict()["n"] == [1, 3]
    with pytest.raises(UnknownField, match="the rows have no column"):
        query.having(x__ge=2)
    with pytest.raises(UnknownField, match="the rows have no column 'x'; known are active, n, s"):
        query.order_by("x").statement()


async def test_time_is_cut_to_buckets(session: Session) -> None:
    query = QueryBuilder(Item, session).filter(made_at__is_null=False)

    months = query.group_by(bucket("made_at", "month")).aggregate(n=count()).order_by("month")

    assert [tuple(row) for row in await months.all()] == [
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), 2),
        (dt.datetime(2026, 2, 1, tzinfo=dt.UTC), 1),
    ]
    with pytest.raises(QueryRefused, match="no unit 'eon'; known are"):
        bucket("made_at", "eon")  # type: ignore[arg-type]  # refused by type as well


async def test_windows_stand_beside_each_row(session: Session) -> None:
    query = QueryBuilder(Item, session).order_by("id")

    rows = await query.window(
        n=row_number(partition_by="active", order_by="-amount"),
        r=rank(order_by=["amount"]),
        d=dense_rank(order_by=Item.amount, partition_by=[Item.active]),
        s=running_sum("amount", order_by="id"),
        m=moving_average("amount", 2, order_by="id"),
        before=lag("amount", default=0, order_by="id"),
        after=lead("amount", 2, order_by="id"),
        x=running_sum("ratio", order_by="id"),
    ).all()

    assert [tuple(row)[1:] for row in rows] == [
        (2, 1, 1, 10, 10.0, 0, 20, 0.5),
        (1, 2, 1, 30, 15.0, 10, None, 2.0),
        (1, 2, 2, 50, 20.0, 20, None, 2.0),
        (3, 4, 3, 50, 20.0, 20, None, 2.0),
    ]
    assert [row[0].id for row in rows] == [1, 2, 3, 4]
    table = await query.window(n=row_number(order_by="-id")).arrow("id")
    assert table.to_pydict() == {"id": [1, 2, 3, 4], "n": [4, 3, 2, 1]}


@pytest.mark.parametrize("value", [-0.1, 1.1, True, "x"])
def test_a_fraction_is_from_0_to_1(value: Any) -> None:
    with pytest.raises(QueryRefused):
        percentile("amount", value)


@pytest.mark.parametrize("size", [0, True, 1.5])
def test_a_moving_average_has_rows(size: Any) -> None:
    with pytest.raises(QueryRefused):
        moving_average("amount", size, order_by="id")


async def test_the_name_of_a_json_column_means_the_column(session: Session) -> None:
    query = QueryBuilder(Item, session)

    row = await query.aggregate(
        [
            func.count().label("total"),
            func.avg(func.json_extract("extra", "$.score")).label("score"),
            func.max(func.json_extract_string("extra", "$.framework.name")),
            func.sum(func.abs(func.coalesce(Item.amount, 0))).label("sum"),
            func.max(func.json_extract_string("extra", "$.framework.name")).label("n"),
            func.min(func.lower(func.json_extract("extra", "$.framework.name"))).label("low"),
        ]
    ).first()

    assert row is not None
    assert (row.total, row.score, int(row.sum), row.low) == (4, 6.25, 50, "django")
    with pytest.raises(NotImplementedError):
        Expression().on(Item)
    assert "json_extract" in str(query.aggregate(func.json_extract(Item.name, "$.a")).statement())
    for odd in (
        func.json_extract("none", "$.a"),
        func.json_extract("extra"),
        func.avg(Item.amount),
    ):
        query.aggregate(odd).statement()
    assert query.aggregate(func.json_extract("extra", Item.name)).statement() is not None
    assert query.aggregate(Item.amount, "name").statement() is not None


async def test_the_result_is_an_arrow_table_with_the_types_of_the_model(session: Session) -> None:
    table = await QueryBuilder(Item, session).order_by("id").arrow()

    types = dict(zip(table.schema.names, table.schema.types, strict=True))
    assert "token" not in types
    assert {name: str(kind) for name, kind in types.items() if name in _KINDS} == _KINDS
    first = table.to_pylist()[0]
    assert first["extra"].startswith('{"framework"')
    assert (first["code"], first["size"]) == ("00000000-0000-0000-0000-000000000001", "SMALL")
    assert first["tags"] == ["red", "blue"]
    assert first["made_at"] == NOON
    chosen = await QueryBuilder(Item, session).filter(id=9).arrow("id", Item.price, "token")
    assert chosen.schema.names == ["id", "price", "token"]
    assert chosen.num_rows == 0


_KINDS = {
    "id": "int64",
    "name": "string",
    "price": "decimal128(10, 2)",
    "active": "bool",
    "made_at": "timestamp[us, tz=UTC]",
    "made_on": "date32[day]",
    "code": "string",
    "blob": "binary",
    "extra": "string",
    "ratio": "double",
}


async def test_frames_and_dicts_and_scalars(session: Session) -> None:
    query = QueryBuilder(Item, session).order_by("id")

    assert isinstance(await query.polars("id"), pl.DataFrame)
    assert (await query.limit(1).dicts("id", Item.size)) == [{"id": 1, "size": Size.SMALL}]
    assert list(await query.scalars(Item.name)) == ["Alpha", "beta", "Gamma ray", "delta"]
    assert [item.id async for item in query.stream(batch_size=2)] == [1, 2, 3, 4]


@pytest.mark.parametrize("size", [0, -1, 2**31, True, "10", None])
async def test_a_batch_has_at_least_one_row(session: Session, size: Any) -> None:
    with pytest.raises(QueryRefused, match="pass a whole number from 1 up"):
        await anext(QueryBuilder(Item, session).stream(size))


async def test_a_missing_package_says_what_to_install(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)

    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(MissingExtra, match=r"pip install 'andamios-orm\[polars\]'"):
        await QueryBuilder(Item, session).polars()
    with pytest.raises(MissingExtra, match="pip install pandas"):
        await QueryBuilder(Item, session).pandas()


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_files_are_written_whole(session: Session, tmp_path: Path, size: int) -> None:
    query = QueryBuilder(Item, session).order_by("id")
    parquet, csv = tmp_path / "items.parquet", tmp_path / "items.csv"

    assert await query.to_parquet(parquet, batch_size=size) == 4
    assert await query.to_csv(csv, "id", "name", "extra", batch_size=size) == 4

    table = pq().read_table(parquet)
    assert table.column("id").to_pylist() == [1, 2, 3, 4]
    assert table.column("tags").to_pylist() == [["red", "blue"], ["red"], [], None]
    assert pcsv().read_csv(csv).column("name").to_pylist()[2] == "Gamma ray"
    assert sorted(path.name for path in tmp_path.iterdir() if "items" in path.name) == [
        "items.csv",
        "items.parquet",
    ]


async def test_an_empty_result_is_a_file_with_its_columns(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "none.parquet"

    assert await QueryBuilder(Item, session).filter(id=9).to_parquet(path) == 0

    assert str(pq().read_table(path).schema.field("name").type) == "string"


async def test_a_file_that_cannot_be_finished_leaves_nothing(
    session: Session, tmp_path: Path
) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    before = sorted(tmp_path.iterdir())

    with pytest.raises(OSError, match="folder"):
        await QueryBuilder(Item, session).to_parquet(path, "id")
    with pytest.raises(FileNotFoundError):
        await QueryBuilder(Item, session).to_csv(tmp_path / "none" / "x.csv", "id")

    assert sorted(tmp_path.iterdir()) == before


class ItemRead(BaseModel):
    """What is read of an item."""

    model_config = ConfigDict(extra="forbid")
    id: int
    name: str = Field(alias="NAME")
    remark: str = "none"


@dataclasses.dataclass
class ItemShort:
    """Less of it."""

    id: int
    name: str
    seen: bool = dataclasses.field(default=False, init=False)


@dataclasses.dataclass
class Strange:
    """What no item has."""

    id: int
    nothing: int


async def test_rows_become_objects_of_a_schema(session: Session) -> None:
    query = QueryBuilder(Item, session).filter(id=1)

    assert await query.to(ItemRead) == [ItemRead.model_validate({"id": 1, "NAME": "Alpha"})]
    assert await query.to(ItemShort) == [ItemShort(1, "Alpha")]
    with pytest.raises(UnknownField, match="Strange requires nothing"):
        await query.to(Strange)
    with pytest.raises(QueryRefused, match="neither a pydantic model nor a dataclass"):
        await query.to(int)
    grouped = query.group_by("id", "name")
    assert await grouped.to(ItemShort) == [ItemShort(1, "Alpha")]


async def test_explain_shows_the_plan(session: Session) -> None:
    query = QueryBuilder(Item, session).filter(name="Alpha")

    assert "items" in (await query.explain()).lower()
    assert await query.explain(analyze=True)


async def test_a_composite_key_decides_between_equals(session: Session) -> None:
    text = str(QueryBuilder(Place).order_by("value").statement())

    assert text.endswith(
        'ORDER BY places.value ASC NULLS LAST, places.row ASC, places."column" ASC'
    )


def test_the_statement_is_plain_sqlalchemy() -> None:
    statement = QueryBuilder(Item).filter(Item.id == 1).statement()

    assert str(statement) == str(select(Item).where(Item.id == 1))
