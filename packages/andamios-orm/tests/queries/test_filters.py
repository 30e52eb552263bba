from __future__ import annotations

import datetime as dt
from dataclasses import FrozenInstanceError
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import aliased
from tests.queries.shop import NOON, Item, Part, Size

from andamios_orm.exceptions import QueryRefused, UnknownField, UnknownOperator, ValueRefused
from andamios_orm.queries import (
    AllOf,
    AnyOf,
    Compare,
    Filter,
    JSONCompare,
    Not,
    Period,
    QueryBuilder,
    from_keywords,
    json_path,
    related,
    search,
    visible,
)

if TYPE_CHECKING:
    from andamios_orm import Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


async def kept(session: Session, *conditions: Any, **keywords: Any) -> list[int]:
    """Return the keys of the items that are kept."""
    query = QueryBuilder(Item, session).filter(*conditions, **keywords).order_by("id")
    return list(await query.scalars(Item.id))


KEYWORDS: list[tuple[dict[str, Any], list[int]]] = [
    ({"amount": 20}, [2, 3]),
    ({"amount": None}, [4]),
    ({"amount__ne": 20}, [1]),
    ({"amount__ne": None}, [1, 2, 3]),
    ({"amount__lt": 20}, [1]),
    ({"amount__le": 20}, [1, 2, 3]),
    ({"amount__gt": 10}, [2, 3]),
    ({"amount__ge": 20}, [2, 3]),
    ({"amount__ge": Item.amount}, [1, 2, 3]),
    ({"amount__in": [10, 11]}, [1]),
    ({"amount__in": []}, []),
    ({"amount__in": [10, None]}, [1, 4]),
    ({"amount__in": [None]}, [4]),
    ({"amount__not_in": [10]}, [2, 3]),
    ({"amount__not_in": []}, [1, 2, 3, 4]),
    ({"amount__not_in": [10, None]}, [2, 3]),
    ({"amount__between": (5, 15)}, [1]),
    ({"amount__is_null": True}, [4]),
    ({"amount__is_null": False}, [1, 2, 3]),
    ({"double": 20}, [1]),
    ({"double__ge": 40}, [2, 3]),
    ({"title": "beta"}, [2]),
    ({"name__like": "%a"}, [1, 2, 4]),
    ({"name__like": "Gamma%"}, [3]),
    ({"name__ilike": "gAMMA%"}, [3]),
    ({"name__not_like": "%a"}, [3]),
    ({"name__not_ilike": "%A"}, [3]),
    ({"note__like": r"%\%%"}, [1]),
    ({"note__like": r"under\_%"}, [2]),
    ({"note__like": r"path/%\\x"}, [4]),
    ({"name__startswith": "Al"}, [1]),
    ({"name__istartswith": "al"}, [1]),
    ({"name__endswith": "ray"}, [3]),
    ({"name__iendswith": "RAY"}, [3]),
    ({"note__contains": "%"}, [1]),
    ({"note__contains": "_"}, [2]),
    ({"note__contains": "/"}, [4]),
    ({"note__contains": "\\"}, [4]),
    ({"name__icontains": "MM"}, [3]),
    ({"name__iexact": "ALPHA"}, [1]),
    ({"ratio__gt": 1}, [2]),
    ({"price": Decimal("1.50")}, [1]),
    ({"active": False}, [2]),
    ({"active__lt": True}, [2]),
    ({"size": Size.LARGE}, [2]),
    ({"size": "SMALL"}, [1]),
    ({"size": "small"}, [1]),
    ({"made_at": NOON}, [1]),
    ({"made_at__gt": NOON.astimezone(dt.timezone(dt.timedelta(hours=5)))}, [2, 4]),
    ({"made_on": NOON.date()}, [1]),
    ({"code": UUID(int=1)}, [1]),
    ({"blob": b"\x00\x01"}, [1]),
    ({"tags__has": "red"}, [1, 2]),
    ({"tags": ["red"]}, [2]),
    ({"tags__is_null": True}, [4]),
    ({"extra__is_null": True}, [4]),
    ({"amount": 20, "name": "beta"}, [2]),
]


@pytest.mark.parametrize(("keywords", "expected"), KEYWORDS, ids=lambda value: str(value)[:40])
@pytest.mark.sampled(39)
async def test_keywords_keep(
    session: Session, keywords: dict[str, Any], expected: list[int]
) -> None:
    assert await kept(session, **keywords) == expected


@pytest.mark.parametrize(("keywords", "expected"), KEYWORDS[:52], ids=lambda value: str(value)[:40])
@pytest.mark.sampled(36)
async def test_exclude_gives_the_others(
    session: Session, keywords: dict[str, Any], expected: list[int]
) -> None:
    query = QueryBuilder(Item, session).exclude(**keywords).order_by("id")

    assert [item.id for item in await query.all()] == [i for i in (1, 2, 3, 4) if i not in expected]


DOCUMENTS: list[tuple[Any, Any, dict[str, Any], list[int]]] = [
    ("extra", "$.framework.name", {"eq": "Django"}, [2]),
    ("extra", ("framework", "name"), {"in": ["Django", "FastAPI"]}, [1, 2]),
    ("extra", "$.framework.name", {"icontains": "API"}, [1]),
    ("extra", "$.framework", {"is_null": False}, [1, 2]),
    ("extra", "$.score", {"eq": 5}, [1]),
    ("extra", "$.score", {"eq": 5.0}, [1]),
    ("extra", "$.score", {"eq": "5"}, [3]),
    ("extra", "$.score", {"gt": 5}, [2]),
    ("extra", "$.score", {"between": (5, 2**60)}, [1, 2]),
    ("extra", "$.score", {"ge": 2**60}, []),
    ("extra", "$.score", {"ne": 5}, [2, 3, 4]),
    ("extra", "$.ok", {"eq": True}, [1]),
    ("extra", "$.ok", {"ne": True}, [2, 3, 4]),
    ("extra", "$.none", {"eq": None}, [1, 2, 3, 4]),
    ("extra", "$.list", {"has": "x"}, [1]),
    ("extra", "$.list", {"has": 1}, [1]),
    ("extra", "$.list", {"has": 1.0}, [1]),
    ("extra", "$.list", {"has": "1"}, []),
    ("extra", "$.framework", {"has": "FastAPI"}, []),
    ("extra", "$.list[0]", {"eq": "x"}, [1]),
    ("extra", "list", {"is_null": True}, [2, 3, 4]),
    ("more", "$.list", {"has": 2.5}, [1]),
    ("more", '$."a/b"["x~y"]', {"eq": "deep"}, [1]),
    ("more", ("$.a",), {"eq": "odd"}, [2]),
    ("more", "*", {"eq": "star"}, [2]),
    ("more", 0, {"eq": "zero"}, [2]),
    (Item.more, ("list", 1), {"lt": 3}, [1]),
]


@pytest.mark.parametrize(("column", "path", "wanted", "expected"), DOCUMENTS)
@pytest.mark.sampled(18)
async def test_documents_are_compared(
    session: Session, column: Any, path: Any, wanted: dict[str, Any], expected: list[int]
) -> None:
    query = QueryBuilder(Item, session).filter_json(column, path, **wanted).order_by("id")

    assert [item.id for item in await query.all()] == expected


async def test_a_place_is_read_by_type(session: Session) -> None:
    score = json_path(Item.extra, "score")
    kinds: list[Any] = [score.as_(int), score.as_(float), score.as_(str), score.kind]
    statement = select(*kinds).order_by(Item.id)

    rows = [tuple(row) for row in await session.execute(statement)]

    assert rows == [
        (5, 5.0, None, "number"),
        (None, 7.5, None, "number"),
        (None, None, "5", "string"),
        (None, None, None, None),
    ]
    assert await kept(session, json_path(Item.extra)["framework"]["name"].as_(str) == "Django") == [
        2
    ]
    assert await kept(session, json_path(Item.extra, "none").exists()) == [2]
    assert await kept(session, json_path(Item.extra, "none").is_(None)) == [1, 2, 3, 4]
    assert list(await session.scalars(select(json_path(Item.extra, "ok").kind))) == [
        "boolean",
        "boolean",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (NOON, None, [1, 2, 4]),
        (NOON, NOON + dt.timedelta(days=1), [1]),
        (None, NOON, []),
        (None, None, [1, 2, 3, 4]),
        (NOON.date(), NOON.date(), [1]),
        (None, dt.date.max, [1, 2, 4]),
    ],
)
async def test_a_period_begins_with_its_start_and_ends_before_its_end(
    session: Session, start: dt.date | None, end: dt.date | None, expected: list[int]
) -> None:
    query = QueryBuilder(Item, session).filter_by_date_range(Item.made_at, start, end)

    assert sorted(item.id for item in await query.all()) == expected


async def test_a_period_of_days_has_both(session: Session) -> None:
    day = NOON.date()

    assert await kept(session, Period("made_on", day, day)) == [1]


async def test_filters_combine(session: Session) -> None:
    alpha: Filter[Item] = Compare("name", "eq", "Alpha")
    twenty: Filter[Item] = Compare(Item.amount, "eq", 20)

    assert await kept(session, alpha | twenty) == [1, 2, 3]
    assert await kept(session, alpha & twenty) == []
    assert await kept(session, ~twenty) == [1, 4]
    assert await kept(session, ~(alpha | twenty)) == [4]
    assert await kept(session, AllOf(())) == [1, 2, 3, 4]
    assert await kept(session, AnyOf(())) == []
    assert await kept(session, Not(Item.amount == 20)) == [1, 4]
    assert await kept(session, Item.active, JSONCompare("extra", ("score",), "eq", 5)) == [1]


async def test_filters_are_values_and_serve_any_statement(session: Session) -> None:
    found: Compare[Item] = Compare("name", "eq", "beta")
    other = aliased(Item)

    rows = await session.scalars(select(other.id).where(found.where(other)))

    assert rows.all() == [2]
    assert found == Compare("name", "eq", "beta")
    assert hash(found) == hash(Compare("name", "eq", "beta"))
    with pytest.raises(FrozenInstanceError):
        found.value = "x"  # type: ignore[misc]  # it is frozen
    with pytest.raises(NotImplementedError):
        Filter[Item]().where(Item)


async def test_related_asks_what_a_relation_leads_to(session: Session) -> None:
    assert await kept(session, related(Item.parts, Part.name == "screw")) == [1]
    assert await kept(session, related("parts", name__in=["nut"])) == [1]
    assert await kept(session, related(Item.parts)) == [1]
    assert await kept(session, ~related(Item.parts)) == [2, 3, 4]
    parts = QueryBuilder(Part, session).filter(related(Part.item, Item.name == "Alpha"))
    assert await parts.count() == 2
    for wrong in ("nothing", Item.name, 5):
        with pytest.raises(UnknownField, match="is no relation"):
            related(wrong).where(Item)


async def test_search_finds_every_word_in_some_column(session: Session) -> None:
    assert await kept(session, search("GAMMA ray")) == [3]
    assert await kept(session, search("alpha off")) == [1]
    assert await kept(session, search("alpha off", "name")) == []
    assert await kept(session, search("50%", Item.note)) == [1]
    assert await kept(session, search("  ")) == [1, 2, 3, 4]
    assert await kept(session, search("s3cret")) == []
    with pytest.raises(UnknownField, match="no text to search"):
        search("x", "amount").where(Item)
    with pytest.raises(ValueRefused, match="at most 32 words"):
        search("x " * 33).where(Item)


async def test_soft_deleted_rows_are_left_out(session: Session) -> None:
    query = QueryBuilder(Part, session)

    assert visible(Item) is None
    assert visible(Part) is not None
    assert (await query.count(), await query.with_deleted().count()) == (2, 3)
    assert not await query.filter(id=3).exists()


@pytest.mark.parametrize(
    ("keyword", "message"),
    [
        ("nmae", "Item has no field 'nmae'; known are "),
        ("nmae__eq", "Item has no field 'nmae'"),
        ("nmae__foo", "Item has no field 'nmae__foo'"),
        ("parts", "Item.parts is a relation: ask for what it leads to, with related(Item.parts"),
        ("parts__name", "Item has no field 'parts__name'"),
        ("metadata", "Item has no field"),
        ("__class__", "Item has no field"),
    ],
)
def test_an_unknown_field_is_refused_with_what_there_is(keyword: str, message: str) -> None:
    with pytest.raises(UnknownField) as caught:
        from_keywords(Item, {keyword: 1})

    assert message in str(caught.value)
    assert "name" in caught.value.known
    assert "token" not in caught.value.known


@pytest.mark.parametrize(
    "keyword",
    ["name__foo", "amount__like", "extra__eq", "tags__lt", "size__contains", "name__has"],
)
def test_an_unknown_comparison_is_refused(keyword: str) -> None:
    with pytest.raises(UnknownOperator) as caught:
        from_keywords(Item, {keyword: "x"})

    assert "is_null" in caught.value.known
    with pytest.raises(UnknownOperator):
        Compare[Item](*keyword.rsplit("__", 1), "x").where(Item)  # type: ignore[call-arg]  # two


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount", "20"),
        ("amount", True),
        ("amount", 2.0),
        ("amount", 2**63),
        ("big", 2**63),
        ("big", -(2**63) - 1),
        ("ratio", "1"),
        ("ratio", float("nan")),
        ("ratio", True),
        ("price", "1.5"),
        ("active", 1),
        ("name", 5),
        ("name", "a\0b"),
        ("name", "\ud800"),
        ("size", "huge"),
        ("size", 5),
        ("made_at", NOON.replace(tzinfo=None)),
        ("made_at", "2026-01-01"),
        ("made_at", NOON.date()),
        ("made_on", NOON),
        ("made_on", "2026-01-01"),
        ("code", "x"),
        ("blob", "x"),
        ("tags", "red"),
        ("tags", [5]),
        ("tags__has", 5),
        ("tags__has", None),
        ("extra__has", None),
        ("extra__has", float("inf")),
        ("extra__has", {}),
        ("amount__lt", None),
        ("amount__in", 5),
        ("amount__in", "5"),
        ("amount__in", ["5"]),
        ("amount__between", [1]),
        ("amount__between", [1, None]),
        ("amount__is_null", 1),
        ("name__like", 5),
        ("name__like", "x\\"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_column(name: str, value: Any) -> None:
    with pytest.raises(ValueRefused) as caught:
        from_keywords(Item, {name: value})

    assert caught.value.column == name.partition("__")[0]
    assert repr(caught.value.value) == repr(value) or isinstance(value, list)


@pytest.mark.parametrize("keyword", ["token", "token__in", "token__like"])
def test_the_value_of_a_secret_is_not_shown(keyword: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        from_keywords(Item, {keyword: 12345})

    assert "12345" not in str(caught.value)
    assert "(secret)" in str(caught.value)


@pytest.mark.parametrize("condition", ["name = 1", text("1 = 1"), None, 5, Item, b"x"])
def test_what_is_no_condition_is_refused(condition: Any) -> None:
    with pytest.raises(QueryRefused):
        QueryBuilder(Item).filter(condition)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("$.a[*]", {"eq": 1}),
        ("$..a", {"eq": 1}),
        ("$.a b", {"eq": 1}),
        ("$x", {"eq": 1}),
        (("a", -1), {"eq": 1}),
        (("a", 1.5), {"eq": 1}),
        (("a", True), {"eq": 1}),
        ("a", {}),
        ("a", {"foo": 1}),
        ("a", {"like": 1}),
        ("a", {"has": {}}),
        ("a", {"in": []}),
        ("a", {"in": [1, "x"]}),
        ("a", {"in": "x"}),
        ("a", {"gt": None}),
        ("a", {"is_null": "x"}),
        ("a\0", {"eq": 1}),
    ],
)
def test_a_document_that_cannot_be_compared_is_refused(path: Any, wanted: dict[str, Any]) -> None:
    with pytest.raises((QueryRefused, ValueRefused)):
        QueryBuilder(Item).filter_json("extra", path, **wanted)


def test_only_documents_have_paths() -> None:
    with pytest.raises(UnknownField, match="name holds no JSON; known are extra, more"):
        QueryBuilder(Item).filter_json("name", "a", 1)
    with pytest.raises(QueryRefused, match="is no type of JSON; known are str, int"):
        json_path(Item.extra, "a").as_(dict)  # type: ignore[type-var]  # refused by type as well
    column: Any = "extra"
    with pytest.raises(QueryRefused, match="is no column"):
        json_path(column, "a")
