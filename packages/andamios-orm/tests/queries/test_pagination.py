from __future__ import annotations

import base64
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from tests.queries.shop import NOON, Item, Place, Size

from andamios_orm.exceptions import CursorRefused, QueryRefused
from andamios_orm.queries import CursorPage, Order, Page, QueryBuilder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from andamios_orm import Database, Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

Key = tuple[int, str]


async def walk(
    query: QueryBuilder[Any], limit: int, *, back: bool = False, cursor: str | None = None
) -> list[Any]:
    """Return all rows, page by page."""
    found: list[Any] = []
    while True:
        page = await query.cursor_page(limit, cursor)
        assert len(page.items) <= limit
        found = [*page.items, *found] if back else [*found, *page.items]
        cursor = page.previous if back else page.next
        if cursor is None:
            return found


def sorted_places(rows: Sequence[Place], orders: Sequence[Order]) -> list[Place]:
    """Return ``rows`` as a plain list sorts them, by one stable sort for each key."""
    down = bool(orders) and all(order.descending for order in orders)
    result = sorted(rows, key=lambda place: (place.row, place.column), reverse=down)
    for order in reversed(orders):
        name = str(order.field)
        some = [row for row in result if getattr(row, name) is not None]
        none = [row for row in result if getattr(row, name) is None]
        some.sort(key=lambda row: getattr(row, name), reverse=order.descending)
        result = [*none, *some] if order.nulls_first else [*some, *none]
    return result


numbers = st.none() | st.integers(-2, 2)
places = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("abc"), numbers, numbers),
    unique_by=lambda row: row[:2],
    max_size=12,
)
orders = st.lists(
    st.builds(Order, st.sampled_from(["value", "weight", "row"]), st.booleans(), st.booleans()),
    unique_by=lambda order: order.field,
    max_size=3,
)
prop = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def place(row: tuple[int, str, int | None, int | None]) -> Place:
    weight = None if row[3] is None else row[3] / 3
    return Place(row=row[0], column=row[1], value=row[2], weight=weight)


async def stored(database: Database, rows: Sequence[Any]) -> list[Place]:
    """Replace all places by ``rows``."""
    made = [place(row) for row in rows]
    async with database.transaction() as session:
        await session.execute(delete(Place))
        session.add_all(made)
    return made


@pytest.mark.slow
@prop
@given(rows=places, chosen=orders, limit=st.integers(1, 5))
async def test_pages_are_the_plain_list_forth_and_back(
    database: Database, rows: list[Any], chosen: list[Order], limit: int
) -> None:
    expected = [(p.row, p.column) for p in sorted_places(await stored(database, rows), chosen)]

    async with database.session() as session:
        query = QueryBuilder(Place, session).order_by(*chosen)
        forth = await walk(query, limit)
        keys = [(p.row, p.column) for p in forth]
        assert keys == expected
        if len(expected) > 1:
            last = await query.cursor_page(len(expected) - 1)
            end = await query.cursor_page(len(expected), last.next)
            back = await walk(query, limit, back=True, cursor=end.previous)
            assert [(p.row, p.column) for p in [*back, *end.items]] == expected
            tail = await query.after(last.next).all()
            assert [(p.row, p.column) for p in tail] == expected[-1:]


@prop
@given(rows=places, more=places, chosen=orders, limit=st.integers(1, 4), seed=st.integers())
@pytest.mark.slow
async def test_rows_that_come_meanwhile_neither_repeat_nor_hide_others(
    database: Database,
    rows: list[Any],
    more: list[Any],
    chosen: list[Order],
    limit: int,
    seed: int,
) -> None:
    made = await stored(database, rows)
    waiting = [row for row in more if row[:2] not in {old[:2] for old in rows}]
    random.Random(seed).shuffle(waiting)
    seen: list[Key] = []
    cursor = None

    while True:
        async with database.session() as session:
            page = await QueryBuilder(Place, session).order_by(*chosen).cursor_page(limit, cursor)
            seen += [(p.row, p.column) for p in page.items]
        cursor = page.next
        if cursor is None:
            break
        if waiting:
            async with database.transaction() as session:
                session.add(place(waiting.pop()))

    expected = [(p.row, p.column) for p in sorted_places(made, chosen)]
    assert len(set(seen)) == len(seen)
    assert [key for key in seen if key in set(expected)] == expected


@pytest.mark.parametrize(
    "name",
    [
        "name",
        "amount",
        "big",
        "ratio",
        "price",
        "active",
        "size",
        "made_at",
        "made_on",
        "code",
        "blob",
        "double",
        "title",
    ],
)
@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.sampled(18)
async def test_every_type_is_a_key(session: Session, name: str, sign: str) -> None:
    query = QueryBuilder(Item, session).order_by(sign + name)

    whole = [item.id for item in await query.all()]
    paged = [item.id for item in await walk(query, 1)]

    assert paged == whole


async def test_an_expression_is_a_key(session: Session) -> None:
    query = QueryBuilder(Item, session).order_by((Item.amount + 1).desc().nulls_first())

    assert [item.id for item in await walk(query, 1)] == [4, 3, 2, 1]


async def test_a_page_of_the_last_rows_leads_on_and_back(session: Session) -> None:
    query = QueryBuilder(Item, session).order_by("id")

    first = await query.cursor_page(2)
    second = await query.cursor_page(2, first.next)
    again = await query.cursor_page(2, second.previous)

    assert isinstance(first, CursorPage)
    assert (first.previous, second.next, again.previous) == (None, None, None)
    assert [item.id for item in again.items] == [1, 2]
    assert [item.id for item in (await query.cursor_page(2, again.next)).items] == [3, 4]


async def test_before_reads_what_is_next_to_the_row_in_order(session: Session) -> None:
    query = QueryBuilder(Item, session).order_by("id")
    first = await query.cursor_page(3)
    cursor = first.next

    assert [item.id for item in await query.before(cursor).limit(1).all()] == [2]
    assert [item.id for item in await query.before(cursor).all()] == [1, 2]
    assert list(await query.before(cursor).scalars("id")) == [1, 2]
    assert await query.before(cursor).dicts("id") == [{"id": 1}, {"id": 2}]
    found = await query.before(cursor).first()
    assert found is not None
    assert found.id == 1
    assert await query.filter(id=9).before(cursor).first() is None
    assert await query.before(cursor).exists()
    with pytest.raises(QueryRefused, match="backwards"):
        await query.before(cursor).arrow()


async def cursor_of(session: Session, *names: str) -> str:
    page = await QueryBuilder(Item, session).order_by(*names).cursor_page(1)
    assert page.next is not None
    return page.next


async def test_a_cursor_of_another_order_or_model_is_refused(session: Session) -> None:
    cursor = await cursor_of(session, "amount")
    query = QueryBuilder(Item, session)

    for other in (query.order_by("-amount"), query, query.order_by("name", "amount")):
        with pytest.raises(CursorRefused, match="another model or order"):
            await other.cursor_page(1, cursor)
    with pytest.raises(CursorRefused):
        await QueryBuilder(Place, session).cursor_page(1, cursor)


async def test_an_altered_cursor_is_refused(session: Session) -> None:
    cursor = await cursor_of(session, "amount")
    query = QueryBuilder(Item, session).order_by("amount")

    for at in range(len(cursor)):
        altered = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        with pytest.raises(CursorRefused):
            await query.cursor_page(1, altered)


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "ü", "=", "A" * 5000, base64.urlsafe_b64encode(b"0" * 12 + b"[1,0]").decode(), 7]
    + [base64.urlsafe_b64encode(b"0" * 12 + t).decode() for t in (b"{}x", b"[2,0]", b"[1,5]")],
)
async def test_what_is_no_cursor_is_refused(session: Session, cursor: Any) -> None:
    with pytest.raises(CursorRefused):
        await QueryBuilder(Item, session).cursor_page(1, cursor)


def test_a_sealed_cursor_with_wrong_values_is_refused() -> None:
    from andamios_orm.queries.ordering import sort_keys
    from andamios_orm.queries.pagination import cursor_at, position_of

    keys = sort_keys(Item, [Order("size")])
    for values in ([None, None], [1.5, 1], [Size.SMALL, "x"], [Size.SMALL], [NOON, 1]):
        with pytest.raises(CursorRefused):
            position_of(Item, keys, cursor_at(Item, keys, values, back=False))
    ids = sort_keys(Item, [])
    with pytest.raises(CursorRefused):
        position_of(Item, ids, cursor_at(Item, ids, [Size.SMALL], back=False))
    with pytest.raises(QueryRefused, match="cannot hold a dict"):
        cursor_at(Item, keys, [{}], back=False)


async def test_a_cursor_goes_neither_with_groups_nor_with_offset(session: Session) -> None:
    query = QueryBuilder(Item, session)

    with pytest.raises(QueryRefused):
        await query.offset(1).cursor_page(1)
    with pytest.raises(QueryRefused):
        await query.group_by("active").cursor_page(1)
    with pytest.raises(QueryRefused):
        query.group_by("active").after("x").statement()


@pytest.mark.parametrize(
    ("limit", "offset", "found", "pages", "more"),
    [(2, 0, 2, 2, True), (3, 3, 1, 2, False), (9, 0, 4, 1, False), (2, 9, 0, 2, False)],
)
async def test_a_page_knows_the_total(
    session: Session, limit: int, offset: int, found: int, pages: int, more: object
) -> None:
    page = await QueryBuilder(Item, session).order_by("name").page(limit, offset)

    assert isinstance(page, Page)
    assert (len(page.items), page.total, page.pages, page.has_next) == (found, 4, pages, more)
