"""Queries from the cache: the same answers, as copies of one's own."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import inspect, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from tests.queries.shop import Item, Part, Place

from andamios_orm.core import ResultCache
from andamios_orm.exceptions import MoreThanOne, NotLoaded, QueryRefused
from andamios_orm.models import IntegerKeyMixin, Row
from andamios_orm.queries import CursorPage, Page, QueryBuilder
from andamios_orm.queries.aggregations import avg, count, row_number

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from andamios_orm import Session
    from andamios_orm.core import CacheStatistics

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


@dataclass
class Named:
    """Some columns of an item."""

    id: int
    name: str


TERMINALS: dict[str, Callable[[QueryBuilder[Any]], Awaitable[Any]]] = {
    "all": lambda query: query.all(),
    "none": lambda query: query.filter(id=0).all(),
    "first": lambda query: query.first(),
    "no first": lambda query: query.filter(id=0).first(),
    "one": lambda query: query.filter(id=1).one(),
    "one or none": lambda query: query.filter(id=0).one_or_none(),
    "distinct": lambda query: query.order_by().distinct().scalars("name"),
    "count": lambda query: query.count(),
    "exists": lambda query: query.exists(),
    "exists not": lambda query: query.filter(id=0).exists(),
    "scalars": lambda query: query.scalars("name"),
    "dicts": lambda query: query.dicts(),
    "to": lambda query: query.to(Named),
    "page": lambda query: query.page(2, 1),
    "cursor page": lambda query: query.cursor_page(2),
    "aggregate": lambda query: query.order_by().aggregate(n=count(), mean=avg("amount")).one(),
    "groups": lambda query: query.order_by().group_by("amount").aggregate(n=count()).all(),
    "windows": lambda query: query.order_by().window(n=row_number(order_by="id")).dicts("id"),
    "conditions": lambda query: (
        query.filter(amount__in=[10, 20]).filter_json("extra", "score", ge=5).all()
    ),
    "search": lambda query: query.search("a").exclude(Item.parts.any()).all(),
}


def plain(value: Any) -> Any:
    """Return a result without what differs between instances of one row."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, Item):
        return {name: each for name, each in vars(value).items() if name != "_sa_instance_state"}
    if isinstance(value, (Page, CursorPage)):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    return value


def items(session: Session) -> QueryBuilder[Item]:
    return QueryBuilder(Item, session).order_by("name")


def statistics(session: Session) -> CacheStatistics:
    return ResultCache.of(session, select(Item.id)).statistics()


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.sampled(15)
async def test_a_cached_query_answers_the_same(session: Session, terminal: str) -> None:
    call = TERMINALS[terminal]
    expected = plain(await call(items(session)))
    await session.rollback()

    first = plain(await call(items(session).cached(ttl=60)))
    before = statistics(session)
    await session.rollback()
    second = plain(await call(items(session).cached(ttl=60)))

    assert first == second == expected
    assert statistics(session).misses == before.misses
    assert statistics(session).hits > before.hits


async def test_cursors_of_cached_pages_lead_on(session: Session) -> None:
    query = items(session).cached(ttl=60)
    first = await query.cursor_page(2)
    second = await query.cursor_page(2, first.next)
    back = await query.cursor_page(2, second.previous)

    assert [item.id for item in (*first.items, *second.items)] == [1, 3, 2, 4]
    assert [item.id for item in back.items] == [1, 3]
    assert back.next == first.next


async def test_several_where_one_was_asked_for_are_refused(session: Session) -> None:
    with pytest.raises(MoreThanOne):
        await items(session).cached(ttl=60).one()


async def test_a_cached_instance_is_a_copy_of_ones_own(session: Session) -> None:
    query = items(session).cached(ttl=60)
    known = await session.get_one(Item, 1)
    first = await query.filter(id=1).one()
    assert first.extra is not None
    first.name = "changed"
    first.extra["changed"] = True
    second = await query.filter(id=1).one()

    assert inspect(first).detached
    assert (second.name, known.name, second.double) == ("Alpha", "Alpha", 20)
    assert "changed" not in (second.extra or {})
    assert not inspect(second).modified
    assert inspect(second).identity == (1,)
    with pytest.raises(NotLoaded):
        _ = second.parts
    session.expunge_all()
    session.add(second)
    assert second in session


async def test_a_key_of_two_columns_is_one(session: Session) -> None:
    session.add(Place(row=1, column="a", value=2))
    await session.flush()

    place = await QueryBuilder(Place, session).cached(ttl=60).one()

    assert inspect(place).identity == (1, "a")


async def test_deleted_rows_stay_out_of_sight(session: Session) -> None:
    query = QueryBuilder(Part, session).cached(ttl=60)

    assert (await query.count(), await query.with_deleted().count()) == (2, 3)


async def test_caching_outlives_each_step(session: Session) -> None:
    query = QueryBuilder(Item).cached(ttl=60).filter(id=1).with_session(session)

    await query.count()
    await query.count()

    assert statistics(session).hits == 1


async def test_a_builder_that_is_kept_makes_its_statements_once(session: Session) -> None:
    query = items(session)
    calls = [query.statement, query._plan.counted, query._plan.some, query._plan.table]

    assert [call() for call in calls] == [call() for call in calls]
    assert query.with_session(session).statement() is query.statement()
    assert query.limit(1).statement() is not query.statement()
    assert await query.dicts(Item.name) == await query.dicts("name")
    cached = query.cached(ttl=60)
    assert plain(await cached.all()) == plain(await cached.all()) == plain(await query.all())


@pytest.mark.parametrize("how", ["arrow", "polars", "to_csv", "to_parquet", "stream", "pandas"])
async def test_tables_files_and_streams_are_refused(
    session: Session, how: str, tmp_path: Path
) -> None:
    query = items(session).cached(ttl=60)

    with pytest.raises(QueryRefused, match="leave out cached"):
        if how == "stream":
            await anext(query.stream())
        else:
            await getattr(query, how)(*([tmp_path / "file"] if how.startswith("to") else []))


async def test_relations_are_refused(session: Session) -> None:
    with pytest.raises(QueryRefused, match="without relations"):
        await items(session).cached(ttl=60).load("parts").all()


async def test_windows_beside_instances_are_refused(session: Session) -> None:
    query = QueryBuilder(Item, session).window(n=row_number(order_by="id"))

    with pytest.raises(QueryRefused, match="whole instances of Item"):
        await query.cached(ttl=60).all()


class Base(Row, DeclarativeBase):
    """The base of a hierarchy."""


class Animal(IntegerKeyMixin, Base):
    """May be a dog."""

    __tablename__ = "animals"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012

    kind: Mapped[str] = mapped_column()


class Dog(Animal):
    """A dog."""

    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012


@pytest.mark.parametrize("model", [Animal, Dog])
async def test_instances_of_several_classes_are_refused(session: Session, model: Any) -> None:
    with pytest.raises(QueryRefused, match=r"instance of another class.*dicts"):
        await QueryBuilder(model, session).cached().all()


def test_a_time_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(QueryRefused, match="ttl=0"):
        QueryBuilder(Item).cached(ttl=0)
