from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import ARRAY, DateTime, Enum, Interval, SmallInteger
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from tests.queries.shop import NOON, Item, Size

from andamios_orm.exceptions import (
    ConfigurationError,
    QueryRefused,
    UnknownField,
    UnknownOperator,
    ValueRefused,
)
from andamios_orm.queries import Compare, Order, QueryBuilder, QueryGrammar
from andamios_orm.queries.fields import checked, field_of

if TYPE_CHECKING:
    from andamios_orm import Session

pytestmark = [pytest.mark.integration, pytest.mark.db]

FIELDS = ["id", "name", "amount", "ratio", "price", "active", "size", "made_at", "made_on", "code"]
GRAMMAR = QueryGrammar(Item, fields=[*FIELDS, "tags"], sort=["name", "amount"], max_limit=20)


class Base(DeclarativeBase):
    """The base of this table."""


class Odd(Base):
    """Types that are rare."""

    __tablename__ = "odd"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    at: Mapped[dt.time]
    span: Mapped[dt.timedelta] = mapped_column(Interval)
    naive: Mapped[dt.datetime] = mapped_column(DateTime(timezone=False))
    kind: Mapped[str] = mapped_column(Enum("a", "b", name="kind"))
    limit: Mapped[int]
    numbers: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"name": "x"}, [("name", "eq", "x")]),
        ({"name__eq": "x"}, [("name", "eq", "x")]),
        ({"name": ["x", "y,z"]}, [("name", "in", ["x", "y", "z"])]),
        ({"name__in": "a,b\\,c"}, [("name", "in", ["a", "b,c"])]),
        ({"amount__between": "1,2"}, [("amount", "between", [1, 2])]),
        ({"amount__is_null": "true"}, [("amount", "is_null", True)]),
        ({"ratio__gt": "1.5"}, [("ratio", "gt", 1.5)]),
        ({"price": "1.50"}, [("price", "eq", Decimal("1.50"))]),
        ({"active": "false"}, [("active", "eq", False)]),
        ({"size": "small"}, [("size", "eq", Size.SMALL)]),
        ({"made_at__ge": "2026-01-05T12:00:00Z"}, [("made_at", "ge", NOON)]),
        ({"made_at__ge": "2026-01-05T12:00:00"}, [("made_at", "ge", NOON)]),
        ({"made_on": "2026-01-05"}, [("made_on", "eq", NOON.date())]),
        ({"code": str(UUID(int=1))}, [("code", "eq", UUID(int=1))]),
        ({"name__contains": "1,2"}, [("name", "contains", "1,2")]),
        ({"tags__has": "red"}, [("tags", "has", "red")]),
        ({}, []),
    ],
)
def test_text_becomes_typed_filters(
    parameters: dict[str, Any], expected: list[tuple[str, str, Any]]
) -> None:
    parsed = GRAMMAR.parse(parameters)

    assert list(parsed.filters) == [Compare(*found) for found in expected]


def test_sort_limit_offset_and_cursor_are_read() -> None:
    parsed = GRAMMAR.parse({"sort": "-name, amount", "limit": "5", "offset": "10"})

    assert parsed.sort == (Order("name", descending=True), Order("amount"))
    assert (parsed.limit, parsed.offset, parsed.cursor) == (5, 10, None)
    assert GRAMMAR.parse({"cursor": "abc"}).cursor == "abc"
    assert GRAMMAR.parse({}).limit == 20


async def test_what_was_parsed_runs(session: Session) -> None:
    parsed = GRAMMAR.parse({"amount__in": "10,20", "sort": "-name", "limit": "2"})

    page = await parsed.apply(QueryBuilder(Item, session)).page(parsed.limit, parsed.offset)

    assert page.total == 3
    assert len(page.items) == 2
    assert await GRAMMAR.parse({"name": "beta"}).apply(QueryBuilder(Item, session)).count() == 1


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"token": "x"}, UnknownField),
        ({"extra": "x"}, UnknownField),
        ({"nmae": "x"}, UnknownField),
        ({"x__eq": "x"}, UnknownField),
        ({"name__foo": "x"}, UnknownOperator),
        ({"amount": "x"}, ValueRefused),
        ({"amount": "99999999999999999999"}, ValueRefused),
        ({"ratio": "nan"}, ValueRefused),
        ({"price": "NaN"}, ValueRefused),
        ({"active": "yes"}, ValueRefused),
        ({"size": "huge"}, ValueRefused),
        ({"code": "x"}, ValueRefused),
        ({"made_at": "yesterday"}, ValueRefused),
        ({"amount__is_null": "x"}, ValueRefused),
        ({"amount__ge": ["1", "2"]}, QueryRefused),
        ({"name": [5]}, QueryRefused),
        ({"sort": "id"}, UnknownField),
        ({"sort": "name,-name"}, QueryRefused),
        ({"limit": "0"}, ValueRefused),
        ({"limit": "21"}, ValueRefused),
        ({"limit": "\u0661"}, ValueRefused),
        ({"limit": ["1", "2"]}, QueryRefused),
        ({"offset": "-1"}, ValueRefused),
        ({"cursor": "x", "offset": "1"}, QueryRefused),
        ({"amount__in": ",".join("1" * 1001)}, QueryRefused),
        ({f"x{number}": "1" for number in range(1001)}, QueryRefused),
    ],
)
def test_what_is_not_allowed_is_refused(parameters: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        GRAMMAR.parse(parameters)

    if error is UnknownField:
        assert "name" in str(caught.value)
        assert "known are" in str(caught.value)


def test_an_error_does_not_show_the_value_of_an_unknown_parameter() -> None:
    with pytest.raises(UnknownField) as caught:
        GRAMMAR.parse({"token": "s3cret"})

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (Item, {"fields": ["token"]}),
        (Item, {"fields": ["nothing"]}),
        (Item, {"fields": ["parts"]}),
        (Item, {"fields": ["extra"]}),
        (Item, {"fields": ["blob"]}),
        (Item, {"fields": {"name": ["foo"]}}),
        (Item, {"fields": [], "sort": ["token"]}),
        (Odd, {"fields": ["limit"]}),
        (Odd, {"fields": ["span"]}),
    ],
)
def test_a_grammar_that_cannot_be_is_refused(model: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        QueryGrammar(model, **options)


def test_a_grammar_describes_itself() -> None:
    grammar = QueryGrammar(
        Item,
        fields={"size": ["eq", "in"], "amount": ["between", "is_null"], "name": ["contains"]},
        sort=["name"],
    )

    described = {parameter["name"]: parameter for parameter in grammar.openapi_parameters()}

    assert described["size"]["schema"] == {"type": "string", "enum": ["small", "large"]}
    assert described["size__in"]["explode"] is False
    assert described["amount__between"]["schema"]["maxItems"] == 2
    assert described["amount__is_null"]["schema"] == {"type": "boolean"}
    assert described["name__contains"]["description"] == "name: contains"
    assert described["sort"]["schema"]["items"]["enum"] == ["name", "-name"]
    assert described["limit"]["schema"]["maximum"] == 100
    schema = grammar.json_schema()
    assert set(schema["properties"]) == set(grammar.known) == set(described)
    assert "sort" not in QueryGrammar(Item, fields=["id"]).json_schema()["properties"]


def test_rare_types_are_read() -> None:
    grammar = QueryGrammar(Odd, fields=["at", "naive", "kind", "numbers", "id"])

    parsed = grammar.parse(
        {"at": "12:30", "naive": "2026-01-05T13:00:00+01:00", "kind": "a", "numbers__has": "5"}
    )
    assert [found.value for found in parsed.filters] == [
        dt.time(12, 30),
        NOON.replace(tzinfo=None),
        "a",
        5,
    ]
    assert grammar.parse({"naive": "2026-01-05T12:00"}).filters[0].value == NOON.replace(
        tzinfo=None
    )
    for wrong in ({"kind": "c"}, {"id": "40000"}, {"at": "x"}):
        with pytest.raises(ValueRefused):
            grammar.parse(wrong)


def test_values_of_rare_types_are_checked() -> None:
    for name, value in (("span", 5), ("at", 5), ("naive", NOON), ("kind", "c")):
        with pytest.raises(ValueRefused):
            checked(field_of(Odd, name), value)
    assert checked(field_of(Odd, "span"), dt.timedelta(1)) == dt.timedelta(1)
    assert checked(field_of(Odd, "kind"), "a") == "a"
    assert issubclass(Size, enum.Enum)
